/**
 * What moves: events in flight, the halos where they are processed, and the colour a server keeps from the
 * last one. Times are those of the stream's clock, in ms. What is over is kept for a while, so that one can look
 * back; what is kept is bounded.
 */
import { duration, type Journey, journey, type Place, placeAt } from "../geometry/journey";
import type { Happenings } from "../model/traffic";

export interface Flight {
  readonly event: string;
  readonly from: number;
  readonly to: number;
  readonly startMS: number;
  readonly way: Journey;
  readonly retry: boolean;
  /** When it is over; Infinity while it is not known. */
  endMS: number;
}

export interface Halo {
  readonly server: number;
  readonly event: string;
  readonly startMS: number;
  readonly failed: boolean;
}

/** A circle to draw. Waiting ones have travelled their path and are not processed yet. */
export interface Dot {
  readonly event: string;
  readonly place: Place;
  readonly waiting: boolean;
  /** Whether its transaction was sent before, in vain. */
  readonly retry: boolean;
}

export interface Ring {
  readonly server: number;
  readonly event: string;
  /** 0 when it appears to 1 when it is gone. */
  readonly age: number;
  readonly failed: boolean;
}

export const HALO_MS = 1000;
/** How far one can look back, at most. */
export const BUFFER_MS = 5 * 60_000;
const PATIENCE_MS = 120_000; // a flight that is not heard of again is dropped
const MOST_FLIGHTS = 60_000;
const MOST_HALOS = 60_000;

/** The event each server sent or processed last; the server keeps its colour. */
export class LastEvents {
  /** Grows with every change. */
  version = 0;
  readonly #events = new Map<number, string>();

  set(server: number, event: string): void {
    if (this.#events.get(server) === event) return;
    this.#events.set(server, event);
    this.version++;
  }

  clear(): void {
    this.#events.clear();
    this.version++;
  }

  /** By server. */
  colours(colourOf: (event: string) => string): Map<number, string> {
    return new Map([...this.#events].map(([server, event]) => [server, colourOf(event)]));
  }
}

export class Motion {
  #flights: Flight[] = []; // in the order in which they were heard of
  readonly #open = new Map<string, Flight>(); // those that are not over
  #halos: Halo[] = [];
  /** Those that may be seen at `#seenMS` or later: what is looked at runs on, and most of what is kept is over. */
  #current: { flights: Flight[]; halos: Halo[] } = { flights: [], halos: [] };
  #seenMS = -Infinity;
  #fresh = false; // something was added or ended since
  #newestMS = -Infinity;
  #over = -Infinity; // the moment from which nothing of the past moves any more
  #keptFromMS = 0; // what began before is not kept
  readonly last = new LastEvents();

  /** latencyMS is that of a link in one direction, as it is now. */
  add(happenings: Happenings, latencyMS: (from: number, to: number) => number): void {
    for (const d of happenings.departures) this.#depart(d, latencyMS);
    for (const a of happenings.arrivals) {
      this.#end(flightKey(a), a.atMS);
      this.#halo({ server: a.to, event: a.event, startMS: a.atMS, failed: a.outcome === "rejected" });
      this.last.set(a.to, a.event);
    }
    for (const f of happenings.failures) {
      this.#end(flightKey(f), f.atMS);
      this.#halo({ server: f.to, event: f.event, startMS: f.atMS, failed: true });
    }
    this.#forget();
  }

  clear(): void {
    this.#flights = [];
    this.#open.clear();
    this.#halos = [];
    this.#current = { flights: [], halos: [] };
    this.#seenMS = this.#newestMS = this.#over = -Infinity;
    this.#keptFromMS = 0;
  }

  /** Whether anything is to be drawn at this time, or later. */
  active(nowMS: number): boolean {
    if (nowMS < this.#over) return true;
    for (const [key, f] of this.#open) {
      if (!isOver(f, nowMS)) return true;
      this.#open.delete(key);
    }
    return false;
  }

  /** Whether anything is to be drawn at this time. */
  visible(atMS: number): boolean {
    const { flights, halos } = this.#seen(atMS);
    return flights.some((f) => f.startMS <= atMS) || halos.some((h) => h.startMS <= atMS);
  }

  /** When something begins after this time; undefined where nothing does. */
  next(atMS: number): number | undefined {
    let least = Infinity;
    for (const f of this.#flights) if (f.startMS > atMS && f.startMS < least) least = f.startMS;
    for (const h of this.#halos) if (h.startMS > atMS && h.startMS < least) least = h.startMS;
    return least < Infinity ? least : undefined;
  }

  /** Of what moved before this moment, some is not kept: it was too much. 0, where the stream begins, before that. */
  get keptFromMS(): number {
    return this.#keptFromMS;
  }

  dots(nowMS: number): Dot[] {
    const dots: Dot[] = [];
    for (const f of this.#seen(nowMS).flights) {
      const age = nowMS - f.startMS;
      if (age < 0) continue;
      dots.push({ event: f.event, place: placeAt(f.way, age), waiting: age >= duration(f.way), retry: f.retry });
    }
    return dots;
  }

  /** The newest halo of each server, and the newest of those where something failed. */
  rings(nowMS: number): Ring[] {
    const rings = new Map<number, Ring>();
    for (const h of this.#seen(nowMS).halos) {
      const age = (nowMS - h.startMS) / HALO_MS;
      if (age < 0) continue;
      const key = h.failed ? -1 - h.server : h.server;
      const newest = rings.get(key);
      if (!newest || age < newest.age) rings.set(key, { server: h.server, event: h.event, age, failed: h.failed });
    }
    return [...rings.values()];
  }

  /** What is not over at a time: it moves, or begins later. */
  #seen(atMS: number): { readonly flights: readonly Flight[]; readonly halos: readonly Halo[] } {
    const from = atMS >= this.#seenMS ? this.#current : { flights: this.#flights, halos: this.#halos };
    if (atMS !== this.#seenMS || this.#fresh) {
      this.#current = {
        flights: from.flights.filter((f) => !isOver(f, atMS)),
        halos: from.halos.filter((h) => atMS < h.startMS + HALO_MS),
      };
      this.#seenMS = atMS;
      this.#fresh = false;
    }
    return this.#current;
  }

  /** The event that each server had sent or processed last at a time, as far as it is known. */
  lastAt(atMS: number): Map<number, string> {
    const last = new Map<number, { event: string; ms: number }>();
    const note = (server: number, event: string, ms: number) => {
      if (ms <= atMS && ms >= (last.get(server)?.ms ?? -Infinity)) last.set(server, { event, ms });
    };
    for (const f of this.#flights) note(f.from, f.event, f.startMS);
    for (const h of this.#halos) if (!h.failed) note(h.server, h.event, h.startMS);
    return new Map([...last].map(([server, { event }]) => [server, event]));
  }

  #depart(d: Happenings["departures"][number], latencyMS: (from: number, to: number) => number): void {
    const nodes = d.path.length > 1 ? d.path : [d.from, d.to];
    const key = flightKey(d);
    this.#end(key, d.atMS); // sent once more before it was heard of again
    const way = journey(nodes, latencyMS);
    const flight: Flight = { event: d.event, from: d.from, to: d.to, startMS: d.atMS, way, retry: d.attempt > 1, endMS: Infinity };
    this.#flights.push(flight);
    this.#current.flights.push(flight);
    this.#fresh = true;
    this.#open.set(key, flight);
    this.#newestMS = Math.max(this.#newestMS, d.atMS);
    this.last.set(d.from, d.event);
  }

  #halo(halo: Halo): void {
    this.#halos.push(halo);
    this.#current.halos.push(halo);
    this.#fresh = true;
    this.#newestMS = Math.max(this.#newestMS, halo.startMS);
    this.#over = Math.max(this.#over, halo.startMS + HALO_MS);
  }

  #end(key: string, atMS: number): void {
    const flight = this.#open.get(key);
    if (!flight) return;
    flight.endMS = atMS;
    this.#fresh = true;
    this.#open.delete(key);
    this.#over = Math.max(this.#over, atMS);
  }

  /** Drops what is too old or too much; a tenth at a time, so that it costs little. */
  #forget(): void {
    const since = this.#newestMS - BUFFER_MS;
    this.#flights = this.#trimmed(this.#flights, MOST_FLIGHTS, since);
    this.#halos = this.#trimmed(this.#halos, MOST_HALOS, since);
  }

  #trimmed<T extends { readonly startMS: number }>(list: T[], most: number, since: number): T[] {
    const tenth = list[Math.floor(list.length / 10)];
    if (list.length <= most && (!tenth || list.length < 100 || tenth.startMS >= since)) return list;
    const kept = list.slice(Math.ceil(list.length / 10));
    this.#keptFromMS = Math.max(this.#keptFromMS, kept[0]?.startMS ?? 0);
    return kept;
  }
}

function isOver(f: Flight, nowMS: number): boolean {
  return nowMS >= f.endMS || nowMS - f.startMS > PATIENCE_MS + duration(f.way);
}

function flightKey(f: { event: string; from: number; to: number }): string {
  return `${f.event}|${String(f.to)}`;
}
