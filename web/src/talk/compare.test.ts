import { expect, it } from "vitest";
import type { Message } from "../model/types";
import { compared, firstCompared, outOfOrder } from "./compare";

function event(event_id: string): Message {
  return { event_id, type: "m.room.message", sender: "@a:hs0", body: event_id, ts: 0 };
}

const events = ["$a", "$b", "$c", "$d"].map(event);

it("marks what some have and others have not", () => {
  const views = new Map([
    [0, new Set(["$a", "$b", "$c", "$d"])],
    [1, new Set(["$a", "$c", "$d"])],
  ]);
  const rows = compared(events, [0, 1, 2], views);
  expect(rows.map((r) => r.differs)).toEqual([false, true, false, false]);
  expect(rows[1]?.cells).toEqual([
    { server: 0, has: true, moved: false },
    { server: 1, has: false, moved: false },
    { server: 2, has: undefined, moved: false },
  ]);
});

it("marks the fewest that stand in another order", () => {
  const views = new Map([
    [0, new Set(["$a", "$b", "$c", "$d"])],
    [1, new Set(["$d", "$a", "$b", "$c"])],
  ]);
  const rows = compared(events, [0, 1], views);
  expect(rows.map((r) => r.cells.map((c) => c.moved))).toEqual([
    [false, false],
    [false, false],
    [false, false],
    [false, true],
  ]);
  expect(rows.map((r) => r.differs)).toEqual([false, false, false, true]);
  expect(rows.map((r) => r.lacked)).toEqual([false, false, false, false]);
});

it("knows no order of events that are not compared", () => {
  const rank = new Map([["$a", 0], ["$b", 1]]);
  expect(outOfOrder(["$x", "$a", "$y", "$b"], rank)).toEqual(new Set());
  expect(outOfOrder(["$b", "$x", "$a"], rank).size).toBe(1);
  expect(outOfOrder([], rank).size).toBe(0);
});

it("compares those that are cut off among the first", () => {
  const apart = (...cutOff: number[]) => (a: number, b: number) => cutOff.includes(a) === cutOff.includes(b);
  expect(firstCompared([0, 1, 2, 3, 4, 5], 4, apart(5))).toEqual([0, 1, 2, 5]);
  expect(firstCompared([0, 1, 2, 3, 4, 5], 4, apart())).toEqual([0, 1, 2, 3]);
  expect(firstCompared([0, 1, 2, 3, 4, 5, 6], 4, apart(4, 5, 6))).toEqual([0, 1, 4, 5]);
  expect(firstCompared([0, 1, 2], 4, () => false)).toEqual([0, 1, 2]);
});
