import { describe, expect, it } from "vitest";
import { duration, journey, placeAt } from "./journey";

describe("a journey of two hops, 100 ms and 300 ms", () => {
  const j = journey([4, 0, 7], (from) => (from === 4 ? 100 : 300));

  it("lasts as long as its links", () => {
    expect(duration(j)).toBe(400);
  });

  it.each([
    [-5, { from: 4, to: 0, along: 0 }],
    [0, { from: 4, to: 0, along: 0 }],
    [50, { from: 4, to: 0, along: 0.5 }],
    [100, { from: 0, to: 7, along: 0 }],
    [175, { from: 0, to: 7, along: 0.25 }],
    [400, { from: 0, to: 7, along: 1 }],
    [9999, { from: 0, to: 7, along: 1 }],
  ])("after %d ms", (ms, want) => {
    expect(placeAt(j, ms)).toEqual(want);
  });
});

it("crosses a hop without latency at once", () => {
  const j = journey([1, 2, 3], (from) => (from === 1 ? 0 : 10));
  expect(placeAt(j, 5)).toEqual({ from: 2, to: 3, along: 0.5 });
});

it("stays where it is on a path of one server", () => {
  expect(placeAt(journey([3], () => 1), 10)).toEqual({ from: 3, to: 3, along: 0 });
});
