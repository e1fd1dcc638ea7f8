/**
 * The state of the page: the mesh as streamed, the traffic, and what the person is doing. Components read it
 * and call its methods; it is the only place that talks to the mesh.
 */
import type { World } from "./geometry/space";
import { Motion } from "./scene/motion";
import type { Target } from "./scene/selection";
import { api, sentenceOf } from "./model/api";
import { StreamClock } from "./model/clock";
import { direction, EMPTY, ends, fromSnapshot, linkKey, type LinkKey, type Mesh, withDiff } from "./model/mesh";
import { Latest } from "./model/latest";
import { type Connection, Stream } from "./model/stream";
import { Traffic } from "./model/traffic";
import { formatBandwidth, formatLatency } from "./units";
import type { CountersFrame, EventsFrame, Frame, LinkCounters, LinkPins, Settings } from "./model/types";

/** A sentence shown where something was refused, in client coordinates. */
export interface Callout {
  readonly text: string;
  readonly x: number;
  readonly y: number;
}

/** Something that was done and can be undone with one click. */
export interface Undoable {
  readonly text: string;
  readonly label: string;
  undo(): Promise<unknown>;
}

export type DockTab = "talk" | "events" | "servers" | "settings";

const MOVE_GAP_MS = 30; // between two positions sent while dragging
const TRAFFIC_GAP_MS = 100; // between two redraws of lists that follow the traffic
const CALLOUT_MS = 7000;
const UNDO_MS = 12_000;

export class App {
  mesh = $state.raw<Mesh>(EMPTY);
  connection = $state.raw<Connection>({ state: "connecting" });
  /** Whether a snapshot was ever received. */
  ready = $state(false);
  selection = $state.raw<Target>(undefined);
  hover = $state.raw<Target>(undefined);
  /** Positions that are ahead of the mesh's. */
  moves = $state.raw<ReadonlyMap<number, World>>(new Map());
  /** Servers asked for and not in the mesh yet. */
  arriving = $state.raw<readonly World[]>([]);
  counters = $state.raw<ReadonlyMap<string, LinkCounters>>(new Map());
  load = $state.raw<ReadonlyMap<LinkKey, number>>(new Map());
  latenessMS = $state(0);
  /** Grows whenever `traffic` has news, at most ten times a second. */
  trafficVersion = $state(0);
  callout = $state.raw<Callout | undefined>(undefined);
  undoable = $state.raw<Undoable | undefined>(undefined);
  dock = $state<DockTab | undefined>("talk");
  /** The room that Talk shows. */
  room = $state<string | undefined>(undefined);
  /** The kind of server that a click places; undefined is the mesh's default. */
  kind = $state<string | undefined>(undefined);
  /** What a screen reader is told. */
  announcement = $state("");

  readonly traffic = new Traffic();
  readonly motion = new Motion();
  readonly clock = new StreamClock();
  /** Called when something began to move. */
  onMotion: () => void = () => undefined;

  readonly #stream: Stream;
  readonly #movers = new Map<number, Latest<World>>();
  readonly #undone: Undoable[] = [];
  /** The link whose pins were set last, and what they were before. */
  #lastEdit: { readonly key: LinkKey; readonly before: LinkPins } | undefined;
  #trafficWaits = false;
  #calloutTimer: ReturnType<typeof setTimeout> | undefined;
  #undoTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string) {
    this.#stream = new Stream(url, {
      opened: () => this.#reopened(),
      frame: (frame) => this.#receive(frame),
      connection: (connection) => (this.connection = connection),
    });
  }

  open(): void {
    this.#stream.open();
  }

  close(): void {
    this.#stream.close();
  }

  retryNow(): void {
    this.#stream.open();
  }

  // What the stream says.

  #receive(frame: Frame): void {
    if (frame.snapshot) this.#adopt(fromSnapshot(frame.snapshot));
    if (frame.diff) this.#adopt(withDiff(this.mesh, frame.diff));
    if (frame.events) this.#receiveEvents(frame.events);
    if (frame.counters) this.#receiveCounters(frame.counters);
  }

  #reopened(): void {
    this.traffic.restart();
    this.clock.restart();
    this.motion.clear();
    this.counters = new Map();
    this.load = new Map();
    this.ready = true;
  }

  #adopt(mesh: Mesh): void {
    this.mesh = mesh;
    if (this.selection && !this.exists(this.selection)) {
      this.#explainLoss(this.selection);
      this.selection = undefined;
    }
    if (this.room === undefined || !mesh.rooms.has(this.room)) this.room = [...mesh.rooms.keys()].at(-1);
    const settled = [...this.moves].filter(([id, p]) => {
      const s = mesh.servers.get(id);
      return !s || (!this.#movers.has(id) && Math.hypot(s.x - p.x, s.y - p.y) < 0.01);
    });
    if (settled.length > 0) this.#dropMoves(settled.map(([id]) => id));
  }

  /** A pin beyond the mesh's limits unmakes its link: that is said, and can be undone. */
  #explainLoss(target: Target): void {
    const edit = this.#lastEdit;
    if (target?.kind !== "link" || edit?.key !== target.key) return;
    const [a, b] = ends(target.key);
    if (!this.mesh.servers.has(a) || !this.mesh.servers.has(b)) return;
    const { max_latency_ms, min_bandwidth } = this.mesh.settings;
    const limits = [`under ${formatLatency(max_latency_ms)}`, ...(min_bandwidth ? [`above ${formatBandwidth(min_bandwidth)}`] : [])];
    const why = `the settings link only ${limits.join(" and ")}`;
    this.offerUndo({
      text: `${this.name(a)} and ${this.name(b)} are no longer linked: ${why}`,
      label: "Undo",
      undo: () => this.setLink(edit.key, edit.before),
    });
  }

  #receiveEvents(frame: EventsFrame): void {
    this.clock.observe(frame.at_ms, performance.now());
    const happenings = this.traffic.record(frame);
    this.motion.add(happenings, (from, to) => {
      const link = this.mesh.links.get(linkKey(from, to));
      return link ? direction(link, from).latency_ms : 0;
    });
    this.#trafficChanged();
    this.onMotion();
  }

  #receiveCounters(frame: CountersFrame): void {
    this.clock.observe(frame.at_ms, performance.now());
    if (frame.lateness_p99_ms !== this.latenessMS) this.latenessMS = frame.lateness_p99_ms;
    const moved = frame.links ?? [];
    if (moved.length === 0 && this.load.size === 0) return;
    const load = new Map<LinkKey, number>();
    const counters = new Map(this.counters);
    for (const c of moved) {
      counters.set(`${String(c.from)}>${String(c.to)}`, c);
      const key = linkKey(c.from, c.to);
      load.set(key, Math.min(1, Math.max(load.get(key) ?? 0, c.utilisation_pct / 100)));
    }
    this.counters = counters;
    this.load = load;
  }

  #trafficChanged(): void {
    if (this.#trafficWaits) return;
    this.#trafficWaits = true;
    setTimeout(() => {
      this.#trafficWaits = false;
      this.trafficVersion++;
    }, TRAFFIC_GAP_MS);
  }

  // What the person does.

  exists(target: Target): boolean {
    if (target?.kind === "server") return this.mesh.servers.has(target.id);
    return target === undefined || this.mesh.links.has(target.key);
  }

  name(id: number): string {
    return this.mesh.servers.get(id)?.name ?? `server ${String(id)}`;
  }

  /** The ids of the running servers, in order. */
  running(): number[] {
    return [...this.mesh.servers.values()].filter((s) => s.state === "running").map((s) => s.id);
  }

  /** Selects the server that many places after the selected one. */
  selectNext(by: number): void {
    const ids = [...this.mesh.servers.keys()].sort((a, b) => a - b);
    if (ids.length === 0) return;
    const at = this.selection?.kind === "server" ? ids.indexOf(this.selection.id) : by > 0 ? -1 : ids.length;
    const id = ids[(at + by + ids.length) % ids.length];
    if (id !== undefined) this.select({ kind: "server", id });
  }

  select(target: Target): void {
    this.selection = target;
    if (target?.kind === "server") this.announce(`${this.name(target.id)} selected`);
    if (target?.kind === "link") {
      const [a, b] = ends(target.key);
      this.announce(`Link ${this.name(a)} to ${this.name(b)} selected`);
    }
  }

  announce(text: string): void {
    this.announcement = text;
  }

  /** Shows a refusal at a place on the screen. */
  refuse(error: unknown, x: number, y: number): void {
    this.callout = { text: sentenceOf(error), x, y };
    clearTimeout(this.#calloutTimer);
    this.#calloutTimer = setTimeout(() => (this.callout = undefined), CALLOUT_MS);
  }

  dismissCallout(): void {
    this.callout = undefined;
  }

  /** Adds a server; client coordinates say where a refusal is to be shown. */
  async place(at: World, client: { x: number; y: number }): Promise<void> {
    this.arriving = [...this.arriving, at];
    try {
      const server = await api.addServer({ x: at.x, y: at.y, ...(this.kind ? { kind: this.kind } : {}) });
      this.announce(`${server.name} placed`);
    } catch (error) {
      this.refuse(error, client.x, client.y);
    } finally {
      this.arriving = this.arriving.filter((p) => p !== at);
    }
  }

  /** Moves a server: at once here, and in the mesh as fast as it takes positions. */
  async move(id: number, to: World, client: { x: number; y: number }): Promise<void> {
    this.moves = new Map(this.moves).set(id, to);
    let mover = this.#movers.get(id);
    if (!mover) {
      mover = new Latest((p: World) => api.moveServer(id, { x: p.x, y: p.y }).then(() => undefined), MOVE_GAP_MS);
      this.#movers.set(id, mover);
    }
    try {
      await mover.push(to);
    } catch (error) {
      this.refuse(error, client.x, client.y);
      this.#dropMoves([id]);
    }
  }

  /** Ends a drag: what the mesh says is then what is shown. */
  async settle(id: number): Promise<void> {
    await this.#movers.get(id)?.idle();
    this.#movers.delete(id);
    setTimeout(() => {
      if (!this.#movers.has(id)) this.#dropMoves([id]);
    }, 300);
  }

  #dropMoves(ids: readonly number[]): void {
    const moves = new Map(this.moves);
    for (const id of ids) moves.delete(id);
    this.moves = moves;
  }

  async remove(id: number): Promise<void> {
    const name = this.name(id);
    await api.removeServer(id);
    this.announce(`${name} removed`);
    this.offerUndo({ text: `${name} removed`, label: "Undo", undo: () => api.act(id, "restore") });
  }

  async setLink(key: LinkKey, pins: LinkPins): Promise<void> {
    const link = this.mesh.links.get(key);
    if (link) this.#lastEdit = { key, before: { pins_ab: link.pins_ab, pins_ba: link.pins_ba, cut: link.cut } };
    const [a, b] = ends(key);
    await api.setLink(a, b, pins);
  }

  async setCut(key: LinkKey, cut: boolean): Promise<void> {
    const link = this.mesh.links.get(key);
    if (!link) return;
    const pins = { pins_ab: link.pins_ab, pins_ba: link.pins_ba };
    await this.setLink(key, { ...pins, cut });
    const text = `Link ${this.name(link.a)} – ${this.name(link.b)} ${cut ? "cut" : "restored"}`;
    this.announce(text);
    if (cut) this.offerUndo({ text, label: "Restore", undo: () => this.setLink(key, { ...pins, cut: false }) });
  }

  async setSettings(settings: Settings): Promise<void> {
    await api.setSettings(settings);
  }

  offerUndo(undoable: Undoable): void {
    this.#undone.push(undoable);
    this.undoable = undoable;
    clearTimeout(this.#undoTimer);
    this.#undoTimer = setTimeout(() => (this.undoable = undefined), UNDO_MS);
  }

  /** Undoes the last removal or cut. */
  async undo(): Promise<void> {
    const last = this.#undone.pop();
    this.undoable = undefined;
    if (!last) return;
    await last.undo();
    this.announce(`Undone: ${last.text}`);
  }
}
