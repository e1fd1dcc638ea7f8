/** What changes links: pins, cuts, one or many at a time; and what is offered to be undone after it. */
import type { Editing } from "./editor.svelte";
import { api } from "./model/api";
import type { Edit } from "./model/history";
import { ends, linkKey, type LinkKey, type Mesh } from "./model/mesh";
import { PinBook, type Pins, type Replaced } from "./model/pinbook";
import type { LinkPins, PinnedPair } from "./model/types";
import { formatBandwidth, formatLatency } from "./units";

/** What remembers edits, and offers to undo them. */
export interface EditLog {
  remember(edit: Edit): Edit;
  /** Offers to undo an edit for a while; returns what is offered. */
  offer(edit: Edit, text?: string): Edit;
  offered(): Edit | undefined;
  withdraw(): void;
  /** Runs a job for each with progress that can be cancelled. */
  each<T>(text: string, items: readonly T[], job: (item: T) => Promise<unknown>): Promise<void>;
}

export type PinChange = (pins: Pins) => LinkPins;

export class LinkEditor {
  readonly #page: Editing;
  readonly #log: EditLog;
  readonly #pins = new PinBook(async (key, pins) => api.setLink(...ends(key), pins));
  /** Pairs that are pinned or cut and not linked: the canvas has no place for them. */
  apart = $state.raw<readonly [LinkKey, Pins][]>([]);
  /** The link that was edited last, and the edit once the mesh has answered. */
  #last: { readonly key: LinkKey; readonly edit: Promise<Edit | undefined> } | undefined;
  /** The cut that is offered to be undone, and whether the mesh was seen to have made it. */
  #cut: { readonly key: LinkKey; readonly offer: Edit; readonly seen: boolean } | undefined;

  constructor(page: Editing, log: EditLog) {
    this.#page = page;
    this.#log = log;
  }

  /** Takes over what the mesh says of its links. */
  adopted(mesh: Mesh): void {
    this.#pins.adopted(mesh);
    this.#showApart();
    this.#watchCut(mesh);
  }

  /** What is pinned of a pair. */
  pinsOf(key: LinkKey): Pins {
    return this.#pins.of(key);
  }

  /** Changes a link's pins; the change is given them as they are when its turn has come. */
  async set(key: LinkKey, change: PinChange): Promise<void> {
    await this.#set(key, change, `Link ${this.nameOf(key)} changed`);
  }

  async setCut(key: LinkKey, cut: boolean): Promise<void> {
    const text = `Link ${this.nameOf(key)} ${cut ? "cut" : "restored"}`;
    const edit = await this.#set(key, (pins) => ({ ...pins, cut }), text);
    this.#page.announce(text);
    if (cut) this.#cut = { key, offer: this.#log.offer(edit), seen: this.#page.mesh.links.get(key)?.cut ?? false };
  }

  /** Changes the pins of many links in one step that can be undone. `what` completes "12 links …". */
  async setMany(keys: readonly LinkKey[], change: (pins: Pins, key: LinkKey) => LinkPins, what: string): Promise<void> {
    const text = `${String(keys.length)} ${keys.length === 1 ? "link" : "links"} ${what}`;
    const made = new Map<LinkKey, Replaced>();
    try {
      await this.#log.each(text, keys, async (key) => made.set(key, await this.#replace(key, (pins) => change(pins, key))));
    } finally {
      // Also what was done before a refusal or a cancelling is done, and can be undone.
      if (made.size > 0) this.#log.offer(this.#log.remember(this.#groupEdit(text, made)));
    }
    this.#page.announce(text);
  }

  /** Cuts links, or restores them where all are cut. */
  async toggleCut(keys: readonly LinkKey[]): Promise<void> {
    const cut = !keys.every((key) => this.#page.mesh.links.get(key)?.cut);
    await this.setMany(keys, (pins) => ({ ...pins, cut }), cut ? "cut" : "restored");
  }

  /** Pins copies as their originals are pinned among each other; part of another edit. */
  async copyPins(copies: ReadonlyMap<number, number>): Promise<void> {
    const wanted = [...this.#pins.among(new Set(copies.keys()))];
    await this.#log.each("Copying pins", wanted, ([key, { pins_ab, pins_ba, ...more }]) => {
      const [a, b] = ends(key).map((id) => copies.get(id) as number) as [number, number];
      const pins = a < b ? { pins_ab, pins_ba, ...more } : { pins_ab: pins_ba, pins_ba: pins_ab, ...more };
      return this.#replace(linkKey(a, b), () => pins);
    });
  }

  /** Takes over what is pinned of all pairs, linked or not, as the mesh says it. */
  learn(all: readonly PinnedPair[]): void {
    this.#pins.learn(all);
    this.#showApart();
  }

  #groupEdit(text: string, made: ReadonlyMap<LinkKey, Replaced>): Edit {
    const put = (which: keyof Replaced) => () => this.#log.each(text, [...made], ([key, pins]) => this.#replace(key, () => pins[which]));
    return { text, undo: put("before"), redo: put("after") };
  }

  #set(key: LinkKey, change: PinChange, text: string): Promise<Edit> {
    const edit = this.#ask(key, change, text);
    this.#last = { key, edit: edit.catch(() => undefined) };
    return edit;
  }

  async #ask(key: LinkKey, change: PinChange, text: string): Promise<Edit> {
    const { before, after } = await this.#replace(key, change);
    return this.#log.remember({
      text,
      undo: () => this.#replace(key, () => before),
      redo: () => this.#replace(key, () => after),
    });
  }

  async #replace(key: LinkKey, change: PinChange): Promise<Replaced> {
    const replaced = await this.#pins.edit(key, change);
    this.#showApart();
    return replaced;
  }

  /** A link that is seen to be restored, by whomever, need not be offered to be. */
  #watchCut(mesh: Mesh): void {
    if (!this.#cut || this.#cut.offer !== this.#log.offered()) return;
    const isCut = mesh.links.get(this.#cut.key)?.cut ?? this.#cut.seen;
    if (this.#cut.seen && !isCut) this.#log.withdraw();
    this.#cut = { ...this.#cut, seen: isCut };
  }

  #showApart(): void {
    const apart = this.#pins.apart(this.#page.mesh);
    if (apart.length > 0 || this.apart.length > 0) this.apart = apart;
  }

  nameOf(key: LinkKey): string {
    const [a, b] = ends(key);
    return `${this.#page.name(a)} – ${this.#page.name(b)}`;
  }

  /** A pin beyond the mesh's limits unmakes its link: that is said, and can be undone. */
  explainLoss(key: LinkKey): void {
    const { servers, settings } = this.#page.mesh;
    const [a, b] = ends(key);
    if (key !== this.#last?.key || !servers.has(a) || !servers.has(b)) return;
    const { max_latency_ms, min_bandwidth } = settings;
    const limits = [`under ${formatLatency(max_latency_ms)}`, ...(min_bandwidth ? [`above ${formatBandwidth(min_bandwidth)}`] : [])];
    const text = `${this.nameOf(key)} are no longer linked: the settings link only ${limits.join(" and ")}`;
    // The mesh may tell of the loss before it answers the request that caused it.
    void this.#last.edit.then((edit) => edit && this.#log.offer(edit, text));
  }
}
