/**
 * The events that the stream reported: what was sent where, who has received it, and when. Bounded: the
 * oldest events are forgotten. Pure but for the one object, which only [record] changes.
 */
import { Timeline } from "./timeline";
import type { EventInfo, EventsFrame } from "./types";

export interface Delivery {
  readonly from: number;
  readonly to: number;
  sentMS: number; // on the stream's clock, of the first attempt seen; NaN where none was
  triedMS?: number; // when the first attempt was sent or, where it could not be, failed; absent where it was not seen
  readonly path: readonly number[];
  attempt: number;
  transport?: string;
  receivedMS?: number;
  basis?: string;
  outcome?: string;
  failure?: string;
  wire?: Wire;
}

/**
 * What an event took on the wire on its way to one server, in bytes: its share of the transactions that carried it, tries
 * in vain included. There is from sender to receiver, back the other way.
 */
export interface Wire {
  readonly there: number;
  readonly back: number;
  /** Whether the headers of TCP, UDP and IP are counted. */
  readonly headers: boolean;
}

export function wireSum(a: Wire | undefined, b: Wire): Wire {
  return a ? { there: a.there + b.there, back: a.back + b.back, headers: a.headers && b.headers } : b;
}

export interface Tracked {
  readonly id: string;
  info: EventInfo | undefined;
  readonly firstMS: number;
  /** By destination. */
  readonly deliveries: Map<number, Delivery>;
  /** How many deliveries are under way, and how many failed and are not made good. */
  open: number;
  failed: number;
}

/**
 * When each server first handed an event to the transport, for whichever destination: what then waits for its
 * turn behind an unreachable server's retries is late from here on. Without those whose first attempt was not seen.
 */
export function handings(tracked: Tracked): ReadonlyMap<number, number> {
  const handed = new Map<number, number>();
  for (const { from, triedMS } of tracked.deliveries.values()) {
    if (triedMS !== undefined) handed.set(from, Math.min(triedMS, handed.get(from) ?? Infinity));
  }
  return handed;
}

/** How long the slowest delivery so far took, from its sender's first sending; undefined where none is known. */
export function slowestMS(tracked: Tracked): number | undefined {
  const handed = handings(tracked);
  let slowest = -Infinity;
  for (const d of tracked.deliveries.values()) {
    const ms = (d.receivedMS ?? NaN) - (handed.get(d.from) ?? NaN);
    if (ms > slowest) slowest = ms;
  }
  return slowest >= 0 ? slowest : undefined;
}

/** What one frame started and ended, for those who animate it. */
export interface Happenings {
  readonly departures: { event: string; from: number; to: number; path: readonly number[]; atMS: number; attempt: number }[];
  readonly arrivals: { event: string; from: number; to: number; atMS: number; outcome: string }[];
  readonly failures: { event: string; from: number; to: number; atMS: number; reason: string }[];
}

/** Of a frame in which nothing happened. */
export function nothing(): Happenings {
  return { departures: [], arrivals: [], failures: [] };
}

const KEPT = 400; // events; a feed of more is not read

export class Traffic {
  readonly events = new Map<string, Tracked>(); // the oldest first
  readonly #paths = new Map<number, readonly number[]>();
  received = 0;
  lost = 0;
  readonly timeline = new Timeline();
  readonly #delays: number[] = [];

  /** Forgets what is told on a stream's own clock and by its own ids: a new stream has new ones. */
  restart(): void {
    this.#paths.clear();
    this.timeline.clear();
  }

  /** Forgets all: the mesh is another one. */
  forget(): void {
    this.restart();
    this.events.clear();
    this.#delays.length = 0;
    this.received = this.lost = 0;
  }

  /** Adds what the frame started and ended to `out`, and returns it. */
  record(frame: EventsFrame, out = nothing()): Happenings {
    for (const p of frame.paths ?? []) this.#paths.set(p.id, p.nodes ?? []);
    for (const info of frame.events ?? []) this.#track(info.id, frame.at_ms).info = info;
    this.lost += frame.lost ?? 0;
    this.#recordSent(frame, out);
    this.#recordReceived(frame, out);
    this.#recordFailed(frame, out);
    this.#recordCarried(frame);
    while (this.events.size > KEPT) this.events.delete(this.events.keys().next().value as string);
    return out;
  }

  /** The median time from sent to received over the last deliveries, in ms; undefined before the first. */
  medianDelayMS(): number | undefined {
    if (this.#delays.length === 0) return undefined;
    const sorted = [...this.#delays].sort((a, b) => a - b);
    return sorted[sorted.length >> 1];
  }

  /** How many deliveries are under way. */
  pending(): number {
    let n = 0;
    for (const e of this.events.values()) n += e.open;
    return n;
  }

  /** How many events have not reached all servers that they were sent to. */
  notEverywhere(): number {
    let n = 0;
    for (const e of this.events.values()) if (e.open + e.failed > 0) n++;
    return n;
  }

  #track(id: string, atMS: number): Tracked {
    let tracked = this.events.get(id);
    if (!tracked) {
      tracked = { id, info: undefined, firstMS: atMS, deliveries: new Map(), open: 0, failed: 0 };
      this.events.set(id, tracked);
    }
    return tracked;
  }

  #recordSent(frame: EventsFrame, out: Happenings): void {
    for (const group of frame.sent ?? []) {
      const tracked = this.#track(group.event, frame.at_ms);
      (group.to ?? []).forEach((to, i) => {
        const sentMS = group.at_ms?.[i] ?? frame.at_ms;
        const path = this.#paths.get(group.path?.[i] ?? -1) ?? [];
        const attempt = group.attempt?.[i] ?? 1;
        const known = tracked.deliveries.get(to);
        this.timeline.sent(sentMS);
        if (known && known.receivedMS === undefined && known.from === group.from) {
          if (known.failure !== undefined) counted(tracked, { open: 1, failed: -1 });
          Object.assign(known, { attempt, failure: undefined, transport: group.transport });
          if (Number.isNaN(known.sentMS)) known.sentMS = sentMS;
        } else if (!known) {
          const tried = attempt === 1 ? { triedMS: sentMS } : {};
          tracked.deliveries.set(to, { from: group.from, to, sentMS, path, attempt, transport: group.transport, ...tried });
          tracked.open++;
        }
        out.departures.push({ event: group.event, from: group.from, to, path, atMS: sentMS, attempt });
      });
    }
  }

  #recordReceived(frame: EventsFrame, out: Happenings): void {
    for (const group of frame.received ?? []) {
      const tracked = this.#track(group.event, frame.at_ms);
      (group.to ?? []).forEach((to, i) => {
        const atMS = group.at_ms?.[i] ?? frame.at_ms;
        const from = group.from?.[i] ?? -1;
        const outcome = group.outcome?.[i] ?? "accepted";
        const delivery = known(tracked, { from, to, sentMS: NaN, path: [], attempt: 1 });
        out.arrivals.push({ event: group.event, from, to, atMS, outcome });
        if (delivery.receivedMS !== undefined) return;
        counted(tracked, delivery.failure === undefined ? { open: -1 } : { failed: -1 });
        Object.assign(delivery, { receivedMS: atMS, basis: group.basis?.[i], outcome });
        delete delivery.failure;
        this.received++;
        const delayMS = atMS - (delivery.triedMS ?? NaN);
        this.timeline.received(atMS, delayMS);
        this.#delay(delayMS);
      });
    }
  }

  #recordFailed(frame: EventsFrame, out: Happenings): void {
    for (const txn of frame.failed ?? []) {
      for (const event of txn.events ?? []) {
        const tracked = this.#track(event, frame.at_ms);
        const delivery = known(tracked, { from: txn.from, to: txn.to, sentMS: NaN, path: [], attempt: txn.attempt });
        if (txn.attempt === 1) delivery.triedMS ??= txn.at_ms;
        this.timeline.failed(txn.at_ms);
        if (delivery.receivedMS === undefined) {
          if (delivery.failure === undefined) counted(tracked, { open: -1, failed: 1 });
          delivery.failure = txn.reason;
        }
        out.failures.push({ event, from: txn.from, to: txn.to, atMS: txn.at_ms, reason: txn.reason });
      }
    }
  }

  /** What was carried was sent before: an event that is forgotten stays so. */
  #recordCarried(frame: EventsFrame): void {
    for (const group of frame.carried ?? []) {
      const tracked = this.events.get(group.event);
      (group.to ?? []).forEach((to, i) => {
        const delivery = tracked?.deliveries.get(to);
        if (delivery?.from !== group.from) return;
        const took = { there: group.bytes_there?.[i] ?? 0, back: group.bytes_back?.[i] ?? 0, headers: group.headers };
        delivery.wire = wireSum(delivery.wire, took);
      });
    }
  }

  #delay(ms: number): void {
    if (!Number.isFinite(ms)) return;
    this.#delays.push(ms);
    if (this.#delays.length > 500) this.#delays.shift();
  }
}

/** The delivery that is known of, or this one from now on. */
function known(tracked: Tracked, otherwise: Delivery): Delivery {
  const delivery = tracked.deliveries.get(otherwise.to);
  if (delivery) return delivery;
  tracked.deliveries.set(otherwise.to, otherwise);
  tracked.open++;
  return otherwise;
}

function counted(tracked: Tracked, { open = 0, failed = 0 }: { open?: number; failed?: number }): void {
  tracked.open += open;
  tracked.failed += failed;
}
