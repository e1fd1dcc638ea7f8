import { expect, it } from "vitest";
import { screen } from "../geometry/space";
import { bundled } from "./bundle";
import type { Dot } from "./motion";

const at = (id: number) => (id > 2 ? undefined : screen(100 * id, 0));
const dot = (event: string, along: number, more: Partial<Dot> = {}): Dot => ({ event, place: { from: 0, to: 1, along }, waiting: false, retry: false, ...more });

it("leaves circles alone that do not cover each other, and few that do", () => {
  expect(bundled([dot("$a", 0.5), dot("$b", 0.5)], at)).toHaveLength(2);
  expect(bundled([dot("$a", 0.1), dot("$b", 0.5)], at)).toMatchObject([{ event: "$a", count: 1, at: { x: 10, y: 0 } }, { event: "$b", count: 1 }]);
});

it("makes one mark of those that do, and says how many and whether of several events", () => {
  const crowd = Array.from({ length: 40 }, () => dot("$a", 0.5));
  expect(bundled(crowd, at)).toMatchObject([{ event: "$a", count: 40, mixed: false }]);
  expect(bundled([...crowd, dot("$b", 0.5)], at)).toMatchObject([{ count: 41, mixed: true }]);
});

it("bundles more when the link is short on the screen", () => {
  const row = Array.from({ length: 60 }, (_, i) => dot("$a", i / 60));
  const near = (id: number) => screen(15 * id, 0);
  expect(bundled(row, at).length).toBeGreaterThan(bundled(row, near).length);
});

it("never bundles what goes the other way, or what is retried with what is not only retried", () => {
  expect(bundled([dot("$a", 0.5), dot("$a", 0.5, { place: { from: 1, to: 0, along: 0.5 } })], at)).toHaveLength(2);
  const retried = Array.from({ length: 4 }, () => dot("$a", 0.5, { retry: true }));
  expect(bundled(retried, at)).toMatchObject([{ count: 4, retry: true }]);
  expect(bundled([...retried, dot("$a", 0.5)], at)).toMatchObject([{ count: 5, retry: false }]);
});

it("leaves out what goes to a server that is gone", () => {
  expect(bundled([dot("$a", 0.5, { place: { from: 0, to: 9, along: 0.5 } })], at)).toEqual([]);
});
