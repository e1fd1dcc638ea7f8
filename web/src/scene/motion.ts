/**
 * What moves: events in flight, the halos where they are processed, and the colour a server keeps from the
 * last one. Times are those of the stream's clock, in ms.
 */
import { duration, type Journey, journey, type Place, placeAt } from "../geometry/journey";
import type { Happenings } from "../model/traffic";

export interface Flight {
  readonly event: string;
  readonly from: number;
  readonly to: number;
  readonly startMS: number;
  readonly way: Journey;
  ended?: { readonly atMS: number; readonly failed: boolean };
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
}

export interface Ring {
  readonly server: number;
  readonly event: string;
  /** 0 when it appears to 1 when it is gone. */
  readonly age: number;
  readonly failed: boolean;
}

export const HALO_MS = 1000;
const PATIENCE_MS = 120_000; // a flight that is not heard of again is dropped
// Bounds for a tab that is hidden, where nothing is drawn and so nothing is forgotten.
const MOST_FLIGHTS = 5000;
const MOST_HALOS = 5000;

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

  /** By server. */
  colours(colourOf: (event: string) => string): Map<number, string> {
    return new Map([...this.#events].map(([server, event]) => [server, colourOf(event)]));
  }
}

export class Motion {
  #flights = new Map<string, Flight>();
  #halos: Halo[] = [];
  readonly last = new LastEvents();

  /** latencyMS is that of a link in one direction, as it is now. */
  add(happenings: Happenings, latencyMS: (from: number, to: number) => number): void {
    for (const d of happenings.departures) {
      const nodes = d.path.length > 1 ? d.path : [d.from, d.to];
      if (this.#flights.size >= MOST_FLIGHTS) this.#flights.delete(this.#flights.keys().next().value as string);
      const flight = { event: d.event, from: d.from, to: d.to, startMS: d.atMS, way: journey(nodes, latencyMS) };
      this.#flights.set(flightKey(d), flight);
      this.last.set(d.from, d.event);
    }
    for (const a of happenings.arrivals) {
      this.#end(flightKey(a), a.atMS, false);
      this.#halos.push({ server: a.to, event: a.event, startMS: a.atMS, failed: a.outcome === "rejected" });
      this.last.set(a.to, a.event);
    }
    for (const f of happenings.failures) {
      this.#end(flightKey(f), f.atMS, true);
      this.#halos.push({ server: f.to, event: f.event, startMS: f.atMS, failed: true });
    }
    if (this.#halos.length > MOST_HALOS) this.#halos = this.#halos.slice(-MOST_HALOS);
  }

  clear(): void {
    this.#flights.clear();
    this.#halos = [];
  }

  /** Whether anything is to be drawn at this time. Forgets what is over. */
  active(nowMS: number): boolean {
    this.#halos = this.#halos.filter((h) => nowMS - h.startMS < HALO_MS);
    for (const [key, f] of this.#flights) if (isOver(f, nowMS)) this.#flights.delete(key);
    return this.#flights.size > 0 || this.#halos.length > 0;
  }

  dots(nowMS: number): Dot[] {
    const dots: Dot[] = [];
    for (const f of this.#flights.values()) {
      const age = nowMS - f.startMS;
      if (age < 0 || isOver(f, nowMS)) continue;
      dots.push({ event: f.event, place: placeAt(f.way, age), waiting: age >= duration(f.way) });
    }
    return dots;
  }

  /** The newest halo of each server, and the newest of those where something failed. */
  rings(nowMS: number): Ring[] {
    const rings = new Map<number, Ring>();
    for (const h of this.#halos) {
      const age = (nowMS - h.startMS) / HALO_MS;
      if (age < 0 || age >= 1) continue;
      const key = h.failed ? -1 - h.server : h.server;
      const newest = rings.get(key);
      if (!newest || age < newest.age) rings.set(key, { server: h.server, event: h.event, age, failed: h.failed });
    }
    return [...rings.values()];
  }

  #end(key: string, atMS: number, failed: boolean): void {
    const flight = this.#flights.get(key);
    if (flight && !flight.ended) flight.ended = { atMS, failed };
  }
}

function isOver(f: Flight, nowMS: number): boolean {
  if (f.ended) return nowMS >= f.ended.atMS;
  return nowMS - f.startMS > PATIENCE_MS + duration(f.way);
}

function flightKey(f: { event: string; from: number; to: number }): string {
  return `${f.event}|${String(f.to)}`;
}
