import { expect, it } from "vitest";
import { align, distribute, shifted } from "./arrange";
import { world } from "./space";

const three = new Map([
  [1, world(0, 10)],
  [2, world(90, 50)],
  [3, world(100, 0)],
]);

it.each([
  ["left", [0, 0, 0], [10, 50, 0]],
  ["centre", [50, 50, 50], [10, 50, 0]],
  ["right", [100, 100, 100], [10, 50, 0]],
  ["top", [0, 90, 100], [0, 0, 0]],
  ["middle", [0, 90, 100], [25, 25, 25]],
  ["bottom", [0, 90, 100], [50, 50, 50]],
] as const)("aligns to the %s", (side, xs, ys) => {
  const places = [...align(three, side).values()];
  expect(places.map((p) => p.x)).toEqual(xs);
  expect(places.map((p) => p.y)).toEqual(ys);
});

it("distributes evenly and keeps the outermost", () => {
  const places = distribute(three, "x");
  expect([1, 2, 3].map((id) => places.get(id)?.x)).toEqual([0, 50, 100]);
  expect(places.get(2)?.y).toBe(50);
  expect(distribute(new Map([[1, world(3, 3)]]), "y").get(1)).toEqual({ x: 3, y: 3 });
});

it("shifts all alike", () => {
  expect([...shifted(three, 5, -5).values()][1]).toEqual({ x: 95, y: 45 });
});
