import { describe, expect, it } from "vitest";
import { placesOf, SHAPES } from "./shapes";
import { distance } from "./space";

/** A generator that repeats itself. */
function counted(): () => number {
  let i = 0;
  return () => (i = (i + 0.618034) % 1);
}

describe.each(SHAPES)("a %s", (shape) => {
  it.each([1, 2, 7, 40, 500])("of %i has that many places, all apart", (count) => {
    const places = placesOf(shape, count, 100, counted());
    expect(places).toHaveLength(count);
    expect(new Set(places.map((p) => `${p.x.toFixed(3)} ${p.y.toFixed(3)}`)).size).toBe(count);
  });
});

it("keeps the spacing between neighbours of a ring, a line and a grid", () => {
  for (const shape of ["ring", "line", "grid"] as const) {
    const [a, b] = placesOf(shape, 9, 100, counted());
    expect(a && b && distance(a, b)).toBeCloseTo(100);
  }
});

it("has the hub of a star at the spacing from those of its first ring", () => {
  const [hub, ...others] = placesOf("star", 6, 120, counted());
  for (const o of others) expect(hub && distance(hub, o)).toBeCloseTo(120);
});
