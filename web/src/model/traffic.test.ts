import { describe, expect, it } from "vitest";
import { handings, Traffic, type Tracked } from "./traffic";
import type { EventsFrame } from "./types";
import { wireEach, wireOf } from "./waterfall";

const info = { id: "$a", type: "m.room.message", room: "!r:hs0", sender: "@matthew:hs0", bytes: 400 };

function sent(at: number, more: Partial<EventsFrame> = {}): EventsFrame {
  return {
    at_ms: at,
    events: [info],
    paths: [
      { id: 5, nodes: [0, 2, 1] },
      { id: 6, nodes: [0, 2] },
    ],
    sent: [{ event: "$a", from: 0, to: [1, 2], path: [5, 6], at_ms: [at, at + 1], transport: "https" }],
    ...more,
  };
}

function received(at: number, to: number): EventsFrame {
  return {
    at_ms: at,
    received: [{ event: "$a", from: [0], to: [to], at_ms: [at], basis: ["processed"], outcome: ["accepted"] }],
  };
}

describe("traffic", () => {
  it("forgets all of a mesh that is no more", () => {
    const traffic = new Traffic();
    traffic.record(sent(10));
    traffic.record(received(50, 1));
    traffic.record({ at_ms: 60, lost: 3 });
    traffic.forget();
    expect([traffic.events.size, traffic.received, traffic.lost, traffic.pending(), traffic.medianDelayMS()]).toEqual([0, 0, 0, 0, undefined]);
  });

  it("adds up what an event took on the wire to each server, and knows no more of one that it has forgotten", () => {
    const traffic = new Traffic();
    traffic.record(sent(100));
    const carried = (more: object) => ({ at_ms: 200, carried: [{ event: "$a", from: 0, transport: "https", to: [1, 2], bytes_there: [900, 800], bytes_back: [300, 200], headers: true, ...more }] });
    traffic.record(carried({}));
    traffic.record(carried({ to: [2], bytes_there: [70], bytes_back: [7], headers: false, attempt: [2] }));
    traffic.record(carried({ from: 2, to: [1] }));
    traffic.record(carried({ event: "$forgotten" }));
    const event = traffic.events.get("$a") as Tracked;
    expect([...event.deliveries.values()].map((d) => d.wire)).toEqual([
      { there: 900, back: 300, headers: true },
      { there: 870, back: 207, headers: false },
    ]);
    expect(wireOf(event)).toEqual({ sum: { there: 1770, back: 507, headers: false }, of: 2 });
    expect(wireEach(event)).toBe(1139);
    expect(traffic.events.has("$forgotten")).toBe(false);
  });

  it("spells out paths and joins what was received to what was sent", () => {
    const traffic = new Traffic();
    expect(traffic.record(sent(100)).departures).toEqual([
      { event: "$a", from: 0, to: 1, path: [0, 2, 1], atMS: 100, attempt: 1 },
      { event: "$a", from: 0, to: 2, path: [0, 2], atMS: 101, attempt: 1 },
    ]);
    expect(traffic.pending()).toBe(2);
    expect(traffic.record(received(350, 1)).arrivals).toHaveLength(1);
    expect(traffic.events.get("$a")?.deliveries.get(1)?.receivedMS).toBe(350);
    expect(traffic.medianDelayMS()).toBe(250);
    expect(traffic.pending()).toBe(1);
    expect(traffic.received).toBe(1);
  });

  it("knows a path from an earlier frame, until the stream begins anew", () => {
    const traffic = new Traffic();
    traffic.record(sent(1));
    expect(traffic.record(sent(2, { paths: [] })).departures[0]?.path).toEqual([0, 2, 1]);
    traffic.restart();
    expect(traffic.record(sent(3, { paths: [] })).departures[0]?.path).toEqual([]);
  });

  it("counts one delivery once, and measures a retried one from its first attempt", () => {
    const traffic = new Traffic();
    traffic.record(sent(100));
    traffic.record({
      at_ms: 200,
      failed: [{ events: ["$a"], from: 0, to: 1, path: 5, at_ms: 200, attempt: 1, reason: "connection refused" }],
    });
    expect(traffic.events.get("$a")?.deliveries.get(1)?.failure).toBe("connection refused");
    expect(traffic.pending()).toBe(1);
    traffic.record(sent(300, { sent: [{ event: "$a", from: 0, to: [1], path: [5], at_ms: [300], transport: "https", attempt: [2] }] }));
    expect(traffic.events.get("$a")?.deliveries.get(1)).toMatchObject({ attempt: 2, sentMS: 100, failure: undefined });
    traffic.record(received(500, 1));
    traffic.record(received(510, 1));
    expect(traffic.received).toBe(1);
    expect(traffic.medianDelayMS()).toBe(400);
  });

  it("tells of a server that could not even be dialled", () => {
    const traffic = new Traffic();
    traffic.record({
      at_ms: 50,
      failed: [{ events: ["$a"], from: 0, to: 3, path: -1, at_ms: 50, attempt: 1, reason: "no route" }],
    });
    expect(traffic.events.get("$a")?.deliveries.get(3)?.failure).toBe("no route");
    traffic.record(sent(80, { sent: [{ event: "$a", from: 0, to: [3], path: [5], at_ms: [80], transport: "https", attempt: [2] }] }));
    traffic.record(received(200, 3));
    expect(traffic.medianDelayMS()).toBe(150);
  });

  it("says nothing of the delay where only a retry was seen", () => {
    const traffic = new Traffic();
    traffic.record(sent(80, { sent: [{ event: "$a", from: 0, to: [3], path: [5], at_ms: [80], transport: "https", attempt: [4] }] }));
    traffic.record(received(200, 3));
    expect(traffic.medianDelayMS()).toBeUndefined();
    expect(handings(traffic.events.get("$a") as Tracked).size).toBe(0);
  });

  it("knows when a server first handed an event over, also to another", () => {
    const traffic = new Traffic();
    traffic.record(sent(100));
    traffic.record(sent(9000, { sent: [{ event: "$a", from: 0, to: [3], path: [5], at_ms: [9000], transport: "https" }] }));
    expect(handings(traffic.events.get("$a") as Tracked)).toEqual(new Map([[0, 100]]));
  });

  it("keeps a receipt whose sending it did not see", () => {
    const traffic = new Traffic();
    traffic.record(received(10, 4));
    expect(traffic.events.get("$a")?.deliveries.get(4)?.receivedMS).toBe(10);
    expect(traffic.medianDelayMS()).toBeUndefined();
  });

  it("forgets the oldest events", () => {
    const traffic = new Traffic();
    for (let i = 0; i < 1000; i++) traffic.record({ at_ms: i, events: [{ ...info, id: `$${String(i)}` }] });
    expect(traffic.events.size).toBeLessThanOrEqual(400);
    expect(traffic.events.has("$999")).toBe(true);
    expect(traffic.events.has("$0")).toBe(false);
  });
});
