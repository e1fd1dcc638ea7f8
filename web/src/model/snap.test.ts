import { expect, it } from "vitest";
import { distance, world } from "../geometry/space";
import { DEFAULTS } from "./mesh";
import { roundStep, snapped } from "./snap";

const origin = world(0, 0);

it.each([
  [1, 20],
  [2, 10],
  [0.5, 50],
  [0.1, 200],
  [8, 5],
  [100, 0.2],
])("at %d pixels a ms, round latencies are multiples of %d ms", (pixels, step) => {
  expect(roundStep(pixels)).toBeCloseTo(step, 9);
});

it("draws a server to a round latency that is near, along the line to its neighbour", () => {
  expect(snapped(world(117, 0), [origin], DEFAULTS, 1)).toEqual(world(120, 0));
  expect(distance(snapped(world(72, 73), [origin], DEFAULTS, 1), origin)).toBeCloseTo(100, 9);
});

it("leaves it where no round latency is near", () => {
  const at = world(110, 0);
  expect(snapped(at, [origin], DEFAULTS, 1)).toBe(at);
  expect(snapped(at, [], DEFAULTS, 1)).toBe(at);
});

it("measures nearness on the screen, and latency with the scale", () => {
  expect(snapped(world(117, 0), [origin], DEFAULTS, 4)).toEqual(world(117, 0));
  const slow = { ...DEFAULTS, latency_scale_pct: 250 };
  const { x } = snapped(world(78.5, 0), [origin], slow, 1);
  expect(x * 2.5).toBeCloseTo(200, 9);
});

it("makes two latencies round where both are near", () => {
  const other = world(200, 0);
  const at = snapped(world(101, 99), [origin, other], DEFAULTS, 1);
  expect(distance(at, origin)).toBeCloseTo(140, 6);
  expect(distance(at, other)).toBeCloseTo(140, 6);
});
