import { expect, it } from "vitest";
import { loadOf, packed, rowOf, Totals, unpacked } from "./counters";
import type { LinkCounters } from "./types";

function counters(from: number, to: number, more: Partial<LinkCounters> = {}): LinkCounters {
  return { from, to, packets: 1, bytes: 100, queue_bytes: 0, utilisation_pct: 0, rate_bps: 0, ...more };
}

const frame = (...links: LinkCounters[]) => packed({ at_ms: 250, lateness_p99_ms: 0.5, links });

it("says in rows what the stream said in words", () => {
  const links = [
    counters(7, 3, { bytes: 2 ** 40, queue_bytes: 3, utilisation_pct: 12.5, rate_bps: 800, requested_delay_ms: 20, achieved_delay_ms: 21 }),
    counters(3, 7, { drops: { random_loss: 2 } }),
  ];
  const { rows, drops, ...rest } = frame(...links);
  expect(rest).toEqual({ atMS: 250, latenessMS: 0.5 });
  expect([0, 1].map((row) => unpacked(rows, row, drops.get(row)))).toEqual(links);
  expect(packed({ at_ms: 1, lateness_p99_ms: 0 }).rows).toHaveLength(0);
});

it("finds a direction, and the load of the busier one", () => {
  const both = frame(counters(1, 2, { utilisation_pct: 20 }), counters(2, 1, { utilisation_pct: 70 }), counters(2, 3, { utilisation_pct: 130 }));
  expect([rowOf(both, 2, 1), rowOf(both, 3, 2)]).toEqual([1, undefined]);
  expect(loadOf(both)).toEqual(new Map([["1-2", 0.7], ["2-3", 1]]));
});

it("keeps the totals of what does not move, which carries nothing now", () => {
  const totals = new Totals();
  totals.record(frame(counters(0, 1, { bytes: 900, rate_bps: 7200, utilisation_pct: 5, drops: { queue_full: 1 } })));
  totals.record(frame(...Array.from({ length: 500 }, (_, i) => counters(i, i + 2, { rate_bps: i }))));
  expect(totals.of(0, 1)).toEqual(counters(0, 1, { bytes: 900, drops: { queue_full: 1 } }));
  expect(totals.of(499, 501)?.rate_bps).toBe(499);
  expect(totals.of(1, 0)).toBeUndefined();
  totals.clear();
  expect(totals.of(0, 1)).toBeUndefined();
});
