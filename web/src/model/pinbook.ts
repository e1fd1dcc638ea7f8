/**
 * The pins of every pair as far as this page knows them, and the edits of them. The mesh replaces all pins of a
 * pair at once, so edits of one pair are made one after the other, each on what the one before has left.
 */
import { linkKey, type LinkKey, type Mesh } from "./mesh";
import type { LinkPins, PinnedPair } from "./types";

/** Pins with nothing left out. */
export type Pins = Required<LinkPins>;

export interface Replaced {
  readonly before: Pins;
  readonly after: Pins;
}

export const NONE: Pins = { pins_ab: {}, pins_ba: {}, cut: false, linked: false };

const AHEAD_MS = 3000; // how long an answer counts as newer than what the stream says

export class PinBook {
  readonly #put: (key: LinkKey, pins: Pins) => Promise<LinkPins>;
  readonly #now: () => number;
  /** Of links as last streamed, and of pairs that are not linked. Pairs without any are not in it. */
  #known: ReadonlyMap<LinkKey, Pins> = new Map();
  readonly #answers = new Map<LinkKey, { readonly pins: Pins; readonly atMS: number }>();
  readonly #tails = new Map<LinkKey, Promise<unknown>>();
  #links: Mesh["links"] | undefined;

  constructor(put: (key: LinkKey, pins: Pins) => Promise<LinkPins>, now: () => number = () => performance.now()) {
    this.#put = put;
    this.#now = now;
  }

  /** Takes over what the mesh says of its links; it says nothing of pairs that are not linked. */
  adopted({ links }: Mesh): void {
    if (links === this.#links) return;
    this.#links = links;
    const known = new Map([...this.#known].filter(([key]) => !links.has(key)));
    for (const l of links.values()) {
      const key = linkKey(l.a, l.b);
      const pins = { pins_ab: l.pins_ab, pins_ba: l.pins_ba, cut: l.cut, linked: l.linked };
      if (!isNone(pins)) known.set(key, pins);
      if (same(pins, this.#answers.get(key)?.pins)) this.#answers.delete(key);
    }
    this.#known = known;
  }

  /** Takes over all pins, as the mesh lists them: also those of pairs that are not linked. */
  learn(all: readonly PinnedPair[]): void {
    const known = new Map(this.#known);
    for (const { a, b, pins_ab, pins_ba, cut, linked } of all) {
      known.set(linkKey(a, b), { pins_ab: pins_ab ?? {}, pins_ba: pins_ba ?? {}, cut: cut ?? false, linked: linked ?? false });
    }
    this.#known = known;
  }

  /** What is pinned of pairs with both ends among these servers. */
  *among(ids: ReadonlySet<number>): Generator<readonly [LinkKey, Pins]> {
    for (const key of this.#known.keys()) {
      const pins = this.of(key);
      if (!isNone(pins) && key.split("-").every((id) => ids.has(Number(id)))) yield [key, pins];
    }
  }

  /** What holds for a pair: the mesh's last answer while the stream has not caught up with it. */
  of(key: LinkKey): Pins {
    const answer = this.#answers.get(key);
    if (answer && this.#now() - answer.atMS < AHEAD_MS) return answer.pins;
    return this.#known.get(key) ?? NONE;
  }

  /** Changes the pins of a pair, after the edits of it that are under way. */
  edit(key: LinkKey, change: (pins: Pins) => LinkPins): Promise<Replaced> {
    const edit = (this.#tails.get(key) ?? Promise.resolve()).then(() => this.#replace(key, change));
    const tail = edit
      .catch(() => undefined)
      .finally(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    this.#tails.set(key, tail);
    return edit;
  }

  async #replace(key: LinkKey, change: (pins: Pins) => LinkPins): Promise<Replaced> {
    const before = this.of(key);
    const { pins_ab, pins_ba, cut, linked } = await this.#put(key, { ...NONE, ...change(before) });
    const after = { pins_ab: pins_ab ?? {}, pins_ba: pins_ba ?? {}, cut: cut ?? false, linked: linked ?? false };
    this.#answers.set(key, { pins: after, atMS: this.#now() });
    const known = new Map(this.#known);
    if (isNone(after)) known.delete(key);
    else known.set(key, after);
    this.#known = known;
    return { before, after };
  }

  /** The pairs of running servers that are pinned or cut, and not linked. */
  apart({ links, servers }: Mesh): [LinkKey, Pins][] {
    const runs = (id: string) => servers.get(Number(id))?.state === "running";
    return [...this.#known].filter(([key]) => !links.has(key) && key.split("-").every(runs));
  }
}

function isNone(pins: Pins): boolean {
  return !pins.cut && !pins.linked && Object.keys(pins.pins_ab).length === 0 && Object.keys(pins.pins_ba).length === 0;
}

function same(a: Pins, b: Pins | undefined): boolean {
  const flat = (p: Pins) => JSON.stringify([sorted(p.pins_ab), sorted(p.pins_ba), p.cut, p.linked]);
  return b !== undefined && flat(a) === flat(b);
}

function sorted(pin: object): unknown {
  return Object.entries(pin).sort(([p], [q]) => (p < q ? -1 : 1));
}
