/**
 * Counters of links as rows of numbers: a frame of a large mesh has thousands, four times a second, and rows go from
 * one thread to another as one block. Pure.
 */
import { linkKey, type LinkKey } from "./mesh";
import type { CountersFrame, LinkCounters } from "./types";

/** One frame of the stream. */
export interface Counters {
  readonly atMS: number; // on the stream's clock
  readonly latenessMS: number;
  /** WIDTH numbers for every direction of a link that moved, as `packed` orders them. */
  readonly rows: Float64Array;
  /** Packets dropped, by reason, of the rows that have any. */
  readonly drops: ReadonlyMap<number, Readonly<Record<string, number>>>;
}

/** A row: from, to, packets, bytes, queued bytes, utilisation, rate, requested and achieved delay (NaN where none). */
export const WIDTH = 9;
const [QUEUE, UTILISATION, RATE] = [4, 5, 6];

export function packed(frame: CountersFrame): Counters {
  const links = frame.links ?? [];
  const rows = new Float64Array(links.length * WIDTH);
  const drops = new Map<number, Record<string, number>>();
  links.forEach((c, row) => {
    const delays = [c.requested_delay_ms ?? NaN, c.achieved_delay_ms ?? NaN] as const;
    rows.set([c.from, c.to, c.packets, c.bytes, c.queue_bytes, c.utilisation_pct, c.rate_bps, ...delays], row * WIDTH);
    if (c.drops) drops.set(row, c.drops);
  });
  return { atMS: frame.at_ms, latenessMS: frame.lateness_p99_ms, rows, drops };
}

/** How many directions of links moved. */
export function countOf(counters: Counters): number {
  return counters.rows.length / WIDTH;
}

/** The row of a direction; undefined where it did not move. */
export function rowOf({ rows }: Counters, from: number, to: number): number | undefined {
  for (let at = 0; at < rows.length; at += WIDTH) if (rows[at] === from && rows[at + 1] === to) return at / WIDTH;
  return undefined;
}

/** A row in the words of the stream. */
export function unpacked(rows: Float64Array, row: number, drops?: Readonly<Record<string, number>>): LinkCounters {
  const of = (column: number) => rows[row * WIDTH + column] as number;
  return {
    from: of(0),
    to: of(1),
    packets: of(2),
    bytes: of(3),
    queue_bytes: of(QUEUE),
    utilisation_pct: of(UTILISATION),
    rate_bps: of(RATE),
    ...(Number.isNaN(of(7)) ? {} : { requested_delay_ms: of(7) }),
    ...(Number.isNaN(of(8)) ? {} : { achieved_delay_ms: of(8) }),
    ...(drops ? { drops } : {}),
  };
}

/** The share of its rate that each link uses, 0 to 1; the busier direction counts. */
export function loadOf({ rows }: Counters): Map<LinkKey, number> {
  const load = new Map<LinkKey, number>();
  for (let at = 0; at < rows.length; at += WIDTH) {
    const key = linkKey(rows[at] as number, rows[at + 1] as number);
    const share = (rows[at + UTILISATION] as number) / 100;
    load.set(key, Math.min(1, Math.max(load.get(key) ?? 0, share)));
  }
  return load;
}

const IDS = 2 ** 26; // more than there are addresses for servers

/** What was counted last of every direction that ever moved. */
export class Totals {
  #rows = new Float64Array(64 * WIDTH);
  readonly #places = new Map<number, number>(); // row, by direction
  readonly #drops = new Map<number, Readonly<Record<string, number>>>(); // by row
  readonly #moved = new Map<number, number>(); // by row: in which frame it moved last
  #frames = 0;

  clear(): void {
    this.#places.clear();
    this.#drops.clear();
    this.#moved.clear();
  }

  record({ rows, drops }: Counters): void {
    this.#frames++;
    for (let row = 0; row < rows.length / WIDTH; row++) {
      const at = row * WIDTH;
      const place = this.#place((rows[at] as number) * IDS + (rows[at + 1] as number));
      this.#rows.set(rows.subarray(at, at + WIDTH), place * WIDTH);
      this.#moved.set(place, this.#frames);
      const dropped = drops.get(row);
      if (dropped) this.#drops.set(place, dropped);
    }
  }

  /** A direction that did not move in the last frame carries nothing now; undefined where it never moved. */
  of(from: number, to: number): LinkCounters | undefined {
    const place = this.#places.get(from * IDS + to);
    if (place === undefined) return undefined;
    const counters = unpacked(this.#rows, place, this.#drops.get(place));
    return this.#moved.get(place) === this.#frames ? counters : { ...counters, rate_bps: 0, utilisation_pct: 0 };
  }

  #place(key: number): number {
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const place = this.#places.size;
    this.#places.set(key, place);
    if ((place + 1) * WIDTH > this.#rows.length) {
      const larger = new Float64Array(2 * this.#rows.length);
      larger.set(this.#rows);
      this.#rows = larger;
    }
    return place;
  }
}
