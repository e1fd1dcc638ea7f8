import { expect, it } from "vitest";
import { outgrown, shiftBetween } from "./shift";
import { screen, toScreen, toWorld } from "./space";

const from = { k: 2, x: 10, y: -20 };
const to = { k: 2.5, x: 60, y: 5 };

it("takes what was painted to where it is now", () => {
  const [point, { k, x, y }] = [screen(300, 140), shiftBetween(from, to)];
  expect(screen(point.x * k + x, point.y * k + y)).toEqual(toScreen(to, toWorld(from, point)));
});

it("says when the margin is used up, on each side", () => {
  const at = (x: number, y: number) => outgrown(from, { ...from, x: from.x + x, y: from.y + y }, 800, 600, 100);
  expect([at(0, 0), at(99, -99), at(-99, 99)]).toEqual([false, false, false]);
  expect([at(101, 0), at(-101, 0), at(0, 101), at(0, -101)]).toEqual([true, true, true, true]);
});

it("says when the picture became coarse or small", () => {
  const around = (k: number) => outgrown({ k: 1, x: 0, y: 0 }, { k, x: 400 * (1 - k), y: 300 * (1 - k) }, 800, 600, 1000);
  expect([around(1.4), around(1.6), around(0.8), around(0.7)]).toEqual([false, true, false, true]);
});
