import { expect, it } from "vitest";
import { link, mesh } from "../test/build";
import { scaleOf, STEPS, stepOf } from "./colouring";

const empty = mesh([], []);

it.each(["latency", "load", "loss"] as const)("has a word for each step of %s", (colouring) => {
  const scale = scaleOf(colouring, empty);
  expect(scale?.labels).toHaveLength(STEPS);
  expect(scale?.bounds).toHaveLength(STEPS - 1);
});

it("colours no links by events or kinds", () => {
  expect(scaleOf("events", empty)).toBeUndefined();
  expect(scaleOf("kind", empty)).toBeUndefined();
});

it("follows the largest latency of the mesh", () => {
  expect(scaleOf("latency", empty)?.labels).toEqual(["below 30 ms", "30 – 75 ms", "75 – 150 ms", "150 – 230 ms", "230 ms or more"]);
});

it("takes the worse of both directions, and a cut link for one that loses all", () => {
  const scale = scaleOf("loss", empty);
  if (!scale) throw new Error("no scale");
  const step = (l: ReturnType<typeof link>) => stepOf("loss", scale, l, "0-1", new Map());
  expect(step(link(0, 1))).toBe(0);
  expect(step(link(0, 1, {}, { ba: { ...link(0, 1).ba, loss_pct: 3 } }))).toBe(2);
  expect(step(link(0, 1, {}, { cut: true }))).toBe(4);
});
