/**
 * What went over links in the last minute, as the stream counted it: every frame is kept as it came, so that a link
 * that is looked at has a past, and no other costs more than its frames. Bounded.
 */
import { type Counters, countOf, rowOf, Totals, unpacked } from "./counters";
import type { LinkCounters } from "./types";

/** One direction of a link between two frames. */
export interface FlowSample {
  readonly atMS: number; // on the stream's clock
  readonly rateBPS: number;
  readonly utilisationPct: number;
  readonly queueBytes: number;
  readonly dropped: number; // packets, since the sample before
  /** Mean delay that the packets which arrived were to have, and had; absent where none arrived. */
  readonly requestedMS?: number;
  readonly achievedMS?: number;
}

const KEPT_FRAMES = 240; // a minute, at four a second
const KEPT_COUNTERS = 100_000; // of all frames: a mesh that moves everywhere at once has a shorter past

export class Flow {
  #frames: Counters[] = [];
  #counters = 0;
  readonly #totals = new Totals();

  /** Forgets all: a new stream has a new clock. */
  restart(): void {
    this.#frames = [];
    this.#counters = 0;
    this.#totals.clear();
  }

  record(counters: Counters): void {
    this.#totals.record(counters);
    this.#frames.push(counters);
    this.#counters += countOf(counters);
    while (this.#frames.length > KEPT_FRAMES || (this.#counters > KEPT_COUNTERS && this.#frames.length > 1)) {
      const oldest = this.#frames.shift();
      if (oldest) this.#counters -= countOf(oldest);
    }
  }

  /** What was counted last of one direction; undefined where the stream has told nothing of it. */
  latest(from: number, to: number): LinkCounters | undefined {
    return this.#totals.of(from, to);
  }

  /** One direction, one sample a frame, the oldest first. A frame that does not name it says that nothing moved. */
  of(from: number, to: number): FlowSample[] {
    let last: LinkCounters | undefined;
    return this.#frames.map((frame) => {
      const row = rowOf(frame, from, to);
      const now = row === undefined ? undefined : unpacked(frame.rows, row, frame.drops.get(row));
      const sample = now ? sampleOf(frame.atMS, now, last) : still(frame.atMS, last);
      last = now ?? last;
      return sample;
    });
  }
}

function sampleOf(atMS: number, now: LinkCounters, last: LinkCounters | undefined): FlowSample {
  return {
    atMS,
    rateBPS: now.rate_bps,
    utilisationPct: now.utilisation_pct,
    queueBytes: now.queue_bytes,
    dropped: last ? Math.max(0, droppedOf(now) - droppedOf(last)) : 0,
    ...(now.requested_delay_ms === undefined ? {} : { requestedMS: now.requested_delay_ms }),
    ...(now.achieved_delay_ms === undefined ? {} : { achievedMS: now.achieved_delay_ms }),
  };
}

function still(atMS: number, last: LinkCounters | undefined): FlowSample {
  return { atMS, rateBPS: 0, utilisationPct: 0, queueBytes: last?.queue_bytes ?? 0, dropped: 0 };
}

/** How many packets a direction has dropped, for whatever reason. */
export function droppedOf(c: LinkCounters): number {
  return Object.values(c.drops ?? {}).reduce((sum, n) => sum + n, 0);
}

/** Why a direction has dropped packets, the most frequent reason first. */
export function reasonsOf(c: LinkCounters | undefined): readonly { readonly reason: string; readonly count: number }[] {
  return Object.entries(c?.drops ?? {})
    .filter(([, count]) => count > 0)
    .sort(([, p], [, q]) => q - p)
    .map(([reason, count]) => ({ reason: reason.replaceAll("_", " "), count }));
}
