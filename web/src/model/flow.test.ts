import { expect, it } from "vitest";
import { packed } from "./counters";
import { Flow, reasonsOf } from "./flow";
import type { LinkCounters } from "./types";

function counters(from: number, to: number, more: Partial<LinkCounters> = {}): LinkCounters {
  return { from, to, packets: 1, bytes: 100, queue_bytes: 0, utilisation_pct: 0, rate_bps: 0, ...more };
}

it("has one sample a frame, at rest where a frame does not name the direction", () => {
  const flow = new Flow();
  flow.record(packed({ at_ms: 250, lateness_p99_ms: 0, links: [counters(1, 2, { rate_bps: 800, queue_bytes: 50, requested_delay_ms: 20, achieved_delay_ms: 21 })] }));
  flow.record(packed({ at_ms: 500, lateness_p99_ms: 0, links: [counters(2, 1, { rate_bps: 5 })] }));
  expect(flow.latest(1, 2)).toMatchObject({ bytes: 100, rate_bps: 0, queue_bytes: 50 });
  expect(flow.of(1, 2)).toEqual([
    { atMS: 250, rateBPS: 800, utilisationPct: 0, queueBytes: 50, dropped: 0, requestedMS: 20, achievedMS: 21 },
    { atMS: 500, rateBPS: 0, utilisationPct: 0, queueBytes: 50, dropped: 0 },
  ]);
});

it("counts drops from frame to frame, not those from before the first", () => {
  const flow = new Flow();
  for (const [at, lost] of [[1, 7], [2, 7], [3, 9]] as const) {
    flow.record(packed({ at_ms: at, lateness_p99_ms: 0, links: [counters(0, 1, { drops: { random_loss: lost } })] }));
  }
  expect(flow.of(0, 1).map((s) => s.dropped)).toEqual([0, 0, 2]);
});

it("keeps a minute, less where everything moves, and nothing of another stream", () => {
  const flow = new Flow();
  for (let i = 0; i < 300; i++) flow.record(packed({ at_ms: i, lateness_p99_ms: 0 }));
  expect(flow.of(0, 1)).toHaveLength(240);
  const all = Array.from({ length: 30_000 }, (_, i) => counters(i, i + 1));
  for (let i = 0; i < 9; i++) flow.record(packed({ at_ms: 1000 + i, lateness_p99_ms: 0, links: all }));
  expect(flow.of(0, 1).map((s) => s.atMS)).toEqual([1006, 1007, 1008]);
  flow.restart();
  expect(flow.of(0, 1)).toEqual([]);
});

it("names reasons as people read them, the most frequent first", () => {
  expect(reasonsOf(counters(0, 1, { drops: { random_loss: 2, queue_full: 9, no_route: 0 } }))).toEqual([
    { reason: "queue full", count: 9 },
    { reason: "random loss", count: 2 },
  ]);
});
