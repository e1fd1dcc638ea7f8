import { describe, expect, it } from "vitest";
import { boundsOf, distanceToSegment, fit, reveal, screen, toScreen, toWorld, world } from "./space";

describe("views", () => {
  const view = { k: 2, x: 30, y: -10 };

  it("maps there and back", () => {
    const p = world(12.5, -7);
    expect(toScreen(view, p)).toEqual({ x: 55, y: -24 });
    expect(toWorld(view, toScreen(view, p))).toEqual(p);
  });

  it("fits a box inside the insets, in the middle of what is left", () => {
    const box = { min: world(0, 0), max: world(1000, 100) };
    const insets = { top: 0, right: 100, bottom: 0, left: 300 };
    const v = fit(box, 900, 600, insets);
    expect(v.k).toBeCloseTo(0.5);
    expect(toScreen(v, box.min).x).toBeCloseTo(300);
    expect(toScreen(v, box.max).x).toBeCloseTo(800);
    expect(toScreen(v, world(500, 50))).toEqual({ x: 550, y: 300 });
  });

  it("does not blow up one server to fill the screen", () => {
    expect(fit({ min: world(5, 5), max: world(5, 5) }, 900, 600, { top: 0, right: 0, bottom: 0, left: 0 }).k).toBe(1.6);
  });

  it("reveals with the least move, and moves nothing that is in sight", () => {
    const insets = { top: 10, right: 10, bottom: 10, left: 100 };
    const at = (x: number, y: number) => ({ min: world(x, y), max: world(x, y) });
    const same = { k: 1, x: 0, y: 0 };
    expect(reveal(same, at(200, 50), 400, 400, insets)).toEqual(same);
    expect(reveal(same, at(20, 50), 400, 400, insets)).toEqual({ k: 1, x: 80, y: 0 });
    expect(reveal(same, at(200, 500), 400, 400, insets)).toEqual({ k: 1, x: 0, y: -110 });
  });
});

it("bounds nothing by nothing", () => {
  expect(boundsOf([])).toBeUndefined();
});

describe("distanceToSegment", () => {
  const [a, b] = [screen(0, 0), screen(10, 0)];

  it.each([
    ["beside", screen(5, 3), 3],
    ["beyond-the-end", screen(13, 4), 5],
    ["on-it", screen(7, 0), 0],
  ])("%s", (_, p, want) => {
    expect(distanceToSegment(p, a, b)).toBeCloseTo(want);
  });

  it("takes a segment without length for a point", () => {
    expect(distanceToSegment(screen(3, 4), a, a)).toBe(5);
  });
});
