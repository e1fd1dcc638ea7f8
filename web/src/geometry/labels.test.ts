import { expect, it } from "vitest";
import { Occupancy, overlap } from "./labels";

it("takes the first candidate that covers nothing", () => {
  const taken = new Occupancy();
  taken.add({ x: 0, y: 0, w: 50, h: 20 });
  const box = taken.place([
    { x: 40, y: 10, w: 50, h: 20 },
    { x: 51, y: 0, w: 50, h: 20 },
  ]);
  expect(box).toEqual({ x: 51, y: 0, w: 50, h: 20 });
  expect(taken.place([{ x: 60, y: 5, w: 5, h: 5 }])).toBeUndefined();
});

it("agrees with comparing every pair, also across cells and below zero", () => {
  const taken = new Occupancy();
  const kept: { x: number; y: number; w: number; h: number }[] = [];
  let seed = 7;
  const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
  for (let i = 0; i < 400; i++) {
    const box = { x: random(900) - 450, y: random(600) - 300, w: 10 + random(150), h: 18 };
    const free = !kept.some((k) => overlap(k, box));
    expect(taken.free(box)).toBe(free);
    if (taken.place([box])) kept.push(box);
  }
  expect(kept.length).toBeGreaterThan(50);
});
