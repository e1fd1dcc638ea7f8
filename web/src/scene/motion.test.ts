import { describe, expect, it } from "vitest";
import type { Happenings } from "../model/traffic";
import { Motion } from "./motion";

const none: Happenings = { departures: [], arrivals: [], failures: [] };
const departure = { event: "$a", from: 0, to: 2, path: [0, 1, 2], atMS: 1000, attempt: 1 };
const hop = (from: number) => (from === 0 ? 100 : 50);

function flying(): Motion {
  const motion = new Motion();
  motion.add({ ...none, departures: [departure] }, hop);
  return motion;
}

describe("an event in flight", () => {
  it("is where the link latencies say, at every moment", () => {
    const motion = flying();
    expect(motion.dots(999)).toEqual([]);
    expect(motion.dots(1050)).toEqual([{ event: "$a", place: { from: 0, to: 1, along: 0.5 }, waiting: false, retry: false }]);
    expect(motion.dots(1125)[0]).toMatchObject({ place: { from: 1, to: 2, along: 0.5 }, waiting: false });
  });

  it("waits at its destination until it is processed, then pops", () => {
    const motion = flying();
    expect(motion.dots(1200)[0]).toMatchObject({ place: { to: 2, along: 1 }, waiting: true });
    motion.add({ ...none, arrivals: [{ event: "$a", from: 0, to: 2, atMS: 1300, outcome: "accepted" }] }, hop);
    expect(motion.dots(1300)).toEqual([]);
    expect(motion.rings(1300)).toEqual([{ server: 2, event: "$a", age: 0, failed: false }]);
    expect(motion.rings(1800)[0]?.age).toBe(0.5);
    expect(motion.rings(2300)).toEqual([]);
    expect(motion.last.colours((e) => `colour of ${e}`).get(2)).toBe("colour of $a");
  });

  it("keeps the pace it set out with when a link changes under way", () => {
    const motion = flying();
    motion.add({ ...none, departures: [{ ...departure, event: "$b" }] }, () => 1000);
    expect(motion.dots(1050)).toMatchObject([{ place: { along: 0.5 } }, { place: { along: 0.05 } }]);
  });

  it("ends red where the transaction failed, and flies again when retried", () => {
    const motion = flying();
    motion.add({ ...none, failures: [{ event: "$a", from: 0, to: 2, atMS: 1400, reason: "refused" }] }, hop);
    expect(motion.dots(1400)).toEqual([]);
    expect(motion.rings(1450)[0]?.failed).toBe(true);
    expect(motion.last.colours((e) => e)).toEqual(new Map([[0, "$a"]]));
    motion.add({ ...none, departures: [{ ...departure, atMS: 2000, attempt: 2 }] }, hop);
    expect(motion.dots(2050)).toHaveLength(1);
  });

  it("goes straight where no path is known", () => {
    const motion = new Motion();
    motion.add({ ...none, departures: [{ ...departure, path: [] }] }, () => 100);
    expect(motion.dots(1050)[0]?.place).toEqual({ from: 0, to: 2, along: 0.5 });
  });
});

it("is active only while something moves", () => {
  const motion = flying();
  expect(motion.active(1050)).toBe(true);
  motion.add({ ...none, arrivals: [{ event: "$a", from: 0, to: 2, atMS: 1150, outcome: "accepted" }] }, hop);
  expect(motion.active(1200)).toBe(true);
  expect(motion.active(2200)).toBe(false);
});

it("gives up on an event that is never heard of again", () => {
  const motion = flying();
  expect(motion.active(100_000)).toBe(true);
  expect(motion.active(200_000)).toBe(false);
});

describe("looking back", () => {
  it("shows what moved then, after it is over", () => {
    const motion = flying();
    motion.add({ ...none, arrivals: [{ event: "$a", from: 0, to: 2, atMS: 1150, outcome: "accepted" }] }, hop);
    expect(motion.active(60_000)).toBe(false);
    expect(motion.dots(1050)).toHaveLength(1);
    expect(motion.rings(1200)).toHaveLength(1);
    expect(motion.visible(1050)).toBe(true);
    expect(motion.visible(5000)).toBe(false);
    expect(motion.next(0)).toBe(1000);
    expect(motion.next(5000)).toBeUndefined();
  });

  it("knows which colours servers had", () => {
    const motion = flying();
    motion.add({ ...none, arrivals: [{ event: "$a", from: 0, to: 2, atMS: 1150, outcome: "accepted" }] }, hop);
    motion.add({ ...none, departures: [{ ...departure, event: "$b", from: 2, to: 0, path: [2, 0], atMS: 3000 }] }, hop);
    expect(motion.lastAt(1100)).toEqual(new Map([[0, "$a"]]));
    expect(motion.lastAt(2000).get(2)).toBe("$a");
    expect(motion.lastAt(4000).get(2)).toBe("$b");
  });

  it("keeps no more than it may", () => {
    const motion = new Motion();
    motion.add({ ...none, departures: [departure] }, hop);
    expect(motion.keptFromMS).toBe(0);
    const many = Array.from({ length: 70_000 }, (_, i) => ({ ...departure, event: `$${String(i)}`, atMS: 1000 + i }));
    motion.add({ ...none, departures: many }, hop);
    expect(motion.keptFromMS).toBeGreaterThan(1000);
    expect(motion.dots(motion.keptFromMS)).not.toEqual([]);
    motion.add({ ...none, departures: [{ ...departure, event: "$late", atMS: 10_000_000 }] }, hop);
    for (let i = 0; i < 100; i++) motion.add(none, hop);
    expect(motion.keptFromMS).toBeGreaterThan(60_000);
    motion.clear();
    expect(motion.keptFromMS).toBe(0);
  });

  it("tells a retried event from one sent for the first time", () => {
    const motion = new Motion();
    motion.add({ ...none, departures: [{ ...departure, attempt: 2 }] }, hop);
    expect(motion.dots(1050)[0]?.retry).toBe(true);
  });
});

it("shows the same however often and in whatever order moments are looked at", () => {
  const motions = [new Motion(), new Motion()] as const;
  const moments = [5, 40, 41, 20, 90, 90, 130, 60, 1000, 1100, 95];
  for (const [i, atMS] of moments.entries()) {
    const events = [`$${i}`, `$${i + 1}`].map((event, k) => ({ event, from: 0, to: 1 + k, path: [0, 1 + k], atMS: 10 * i + k, attempt: 1 }));
    const arrivals = i % 2 ? [{ event: `$${i}`, from: 0, to: 1, atMS: 10 * i + 30, outcome: "accepted" }] : [];
    for (const m of motions) m.add({ departures: events, arrivals, failures: [] }, () => 15);
    motions[0].dots(atMS);
    motions[0].rings(atMS);
  }
  for (const atMS of [...moments, 0, 2000]) {
    expect(motions[0].dots(atMS)).toEqual(motions[1].dots(atMS));
    expect(motions[0].rings(atMS)).toEqual(motions[1].rings(atMS));
    expect(motions[0].visible(atMS)).toBe(motions[1].dots(atMS).length + motions[1].rings(atMS).length > 0);
  }
});
