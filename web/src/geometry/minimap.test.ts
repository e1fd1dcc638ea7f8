import { describe, expect, it } from "vitest";
import { centredOn, frameOf, mapOf, showsAll } from "./minimap";
import { toScreen, world } from "./space";

const box = { min: world(-500, 0), max: world(1500, 1000) };
const map = mapOf(box, 176, 116);

describe("the small map", () => {
  it("shows the whole mesh, in the middle", () => {
    const [a, b] = [toScreen(map, box.min), toScreen(map, box.max)];
    expect(a.x).toBeCloseTo(8);
    expect(b.x).toBeCloseTo(168);
    expect(a.y + b.y).toBeCloseTo(116);
  });

  it("is not zoomed in on a single server", () => {
    expect(mapOf({ min: world(5, 5), max: world(5, 5) }, 176, 116).k).toBeLessThan(1);
  });

  it("frames what the board shows", () => {
    const frame = frameOf(map, { k: 2, x: 0, y: 0 }, 1000, 600);
    expect(frame.width).toBeCloseTo(500 * map.k);
    expect(frame.left).toBeCloseTo(map.x);
  });

  it("moves the board to where it is pressed", () => {
    const view = centredOn(map, map.x, map.y, { k: 0.5, x: 7, y: 7 }, 1000, 600);
    expect(toScreen(view, world(0, 0))).toEqual({ x: 500, y: 300 });
    expect(view.k).toBe(0.5);
  });

  it("knows whether the board shows everything", () => {
    expect(showsAll(box, { k: 0.4, x: 250, y: 10 }, 1000, 600)).toBe(true);
    expect(showsAll(box, { k: 1, x: 0, y: 0 }, 1000, 600)).toBe(false);
  });
});
