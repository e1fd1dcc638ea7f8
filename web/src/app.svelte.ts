/**
 * The state of the page: the mesh as streamed, the traffic, and what the person is doing. Components read it
 * and call its methods; it is the only place that talks to the mesh.
 */
import { Editor } from "./editor.svelte";
import { Easel } from "./paint/easel";
import type { Colouring } from "./scene/colouring";
import { linksIn, serversOf, type Target, targetOf, targetOfLinks } from "./scene/selection";
import { api, sentenceOf } from "./model/api";
import { StreamClock } from "./model/clock";
import { Flow } from "./model/flow";
import type { Counters } from "./model/counters";
import { EMPTY, ends, fromSnapshot, type LinkKey, type Mesh, withDiff } from "./model/mesh";
import { LIVE, paced, paused, type Playhead, resumed, scrubbed, toLive, wall } from "./model/playhead";
import type { Connection } from "./model/stream";
import { type Happenings, nothing, Traffic } from "./model/traffic";
import type { DiffFrame, EventsFrame, SnapshotFrame } from "./model/types";
import { Reader } from "./reading/reader";
import type { Report } from "./reading/reports";

/** A sentence shown where something was refused, in client coordinates. */
export interface Callout {
  readonly text: string;
  readonly x: number;
  readonly y: number;
}

export type Following = { readonly kind: "server"; readonly id: number } | { readonly kind: "event"; readonly id: string | undefined };

export type DockTab = "talk" | "events" | "servers" | "settings";

const TRAFFIC_GAP_MS = 100; // between two redraws of lists that follow the traffic
const CALLOUT_MS = 7000;

export class App {
  mesh = $state.raw<Mesh>(EMPTY);
  connection = $state.raw<Connection>({ state: "connecting" });
  /** Whether a snapshot was ever received. */
  ready = $state(false);
  selection = $state.raw<Target>(undefined);
  hover = $state.raw<Target>(undefined);
  latenessMS = $state(0);
  /** Grows with every frame of counters, four times a second. */
  ticks = $state(0);
  /** Grows whenever `traffic` has news, at most ten times a second. */
  trafficVersion = $state(0);
  callout = $state.raw<Callout | undefined>(undefined);
  dock = $state<DockTab | undefined>("talk");
  /** The room that Talk shows. */
  room = $state<string | undefined>(undefined);
  /** Links shown as a path, because something that took them is pointed at. */
  highlight = $state.raw<ReadonlySet<LinkKey> | undefined>(undefined);
  /** Whether one may be about to select more, with Shift held: nothing is then moved or covered under the pointer. */
  gathering = $state(false);
  /** Whether the inspector is shown. */
  inspecting = $state(false);
  /** What a screen reader is told. */
  announcement = $state("");
  /** How many other meshes there were before this one: meshsim was restarted so often. */
  renewals = $state(0);
  /** Whether it is still to be said that it was. */
  renewed = $state(false);

  readonly edit: Editor = new Editor(this);
  readonly traffic = new Traffic();
  readonly flow = new Flow();
  /** Which moment of the traffic is looked at. */
  head = $state.raw<Playhead>(LIVE);
  /** What moved before this moment, on the stream's clock, can not be shown again: 0 where the page began to listen. */
  keptFromMS = $state(0);
  /** What the view follows: a server, an event, or the newest message where no event is named. */
  follow = $state.raw<Following | undefined>(undefined);
  /** What the colours of the canvas stand for. */
  colouring = $state<Colouring>("events");

  /** Paints the canvas. */
  readonly easel = new Easel();
  readonly clock = new StreamClock(); // against the wall clock; see model/playhead

  readonly #reader: Reader;
  #restarted = false; // the stream, and the painter does not know it yet
  #process: string | undefined; // that the mesh lives in; undefined while it is not known
  #trafficWaits = false;
  #calloutTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string) {
    this.#reader = new Reader(url, (reports) => this.#told(reports));
  }

  open(): void {
    this.#reader.open();
  }

  close(): void {
    this.#reader.close();
  }

  retryNow(): void {
    this.#reader.open();
  }

  // What the stream says.

  #told(reports: readonly Report[]): void {
    let happenings = nothing();
    for (const report of reports) {
      if (report.tell === "opened") happenings = nothing(); // on a clock that is over
      this.#hear(report, happenings);
    }
    if (!reports.some((r) => r.tell === "events")) return;
    this.easel.order({ do: "happenings", happenings });
    this.#trafficChanged();
  }

  #hear(report: Report, happenings: Happenings): void {
    switch (report.tell) {
      case "opened":
        return this.#reopened();
      case "connection":
        this.connection = report.connection;
        return;
      case "snapshot":
        return this.#receiveSnapshot(report.snapshot);
      case "diff":
        return this.#receiveDiff(report.diff);
      case "events":
        return this.#receiveEvents(report.events, report.cameMS, happenings);
      case "counters":
        return this.#receiveCounters(report.counters, report.cameMS);
    }
  }

  #receiveSnapshot(snapshot: SnapshotFrame): void {
    if (this.ready && snapshot.version < this.mesh.version) {
      this.#process = undefined; // known to be another: to be learned anew
      this.#forget();
    }
    this.easel.order({ do: "snapshot", snapshot });
    this.#adopt(fromSnapshot(snapshot));
    this.ready = true;
  }

  #receiveDiff(diff: DiffFrame): void {
    this.easel.order({ do: "diff", diff });
    this.#adopt(withDiff(this.mesh, diff));
  }

  #reopened(): void {
    this.traffic.restart();
    this.clock.restart();
    this.head = LIVE;
    this.follow = this.follow?.kind === "event" ? undefined : this.follow;
    this.#restarted = true;
    this.flow.restart();
    void api.version().then(
      ({ pid, seed }) => this.#livesIn(`${String(pid)} ${String(seed)}`),
      () => undefined,
    );
    // The stream tells pins of links only. Without the list the page works, and knows less.
    void api.pins().then(
      (all) => this.edit.links.learn(all),
      () => undefined,
    );
  }

  /** A mesh ends with its process. */
  #livesIn(process: string): void {
    if (this.#process !== undefined && this.#process !== process) this.#forget();
    this.#process = process;
  }

  /** Forgets what was seen of a mesh that is no more, and done to it. */
  #forget(): void {
    this.traffic.forget();
    this.edit.forget();
    this.easel.order({ do: "forget" });
    this.selection = this.follow = this.callout = undefined;
    this.highlight = undefined;
    this.room = [...this.mesh.rooms.keys()].at(-1);
    this.renewals++;
    this.renewed = true;
    this.#trafficChanged();
  }

  #adopt(mesh: Mesh): void {
    const { servers: before } = this.mesh;
    this.mesh = mesh;
    // What was just placed may be selected before the mesh tells of it.
    const stays = (id: number) => mesh.servers.has(id) || !(before.has(id) || mesh.gone.has(id));
    if (this.selection && !this.#exists(this.selection, stays)) {
      if (this.selection.kind === "link") this.edit.links.explainLoss(this.selection.key);
      this.selection =
        targetOf([...serversOf(this.selection)].filter(stays)) ??
        targetOfLinks([...linksIn(this.selection)].filter((key) => mesh.links.has(key)));
    }
    if (this.room === undefined || !mesh.rooms.has(this.room)) this.room = [...mesh.rooms.keys()].at(-1);
    this.edit.adopted(mesh);
  }

  #receiveEvents(frame: EventsFrame, cameMS: number, happenings: Happenings): void {
    this.#observe(frame.at_ms, cameMS);
    this.traffic.record(frame, happenings);
  }

  /** Compares the clocks; the painter hears of the first comparison and of each better one. */
  #observe(atMS: number, cameMS: number): void {
    const before = this.clock.offsetMS;
    this.clock.observe(atMS, cameMS);
    if (this.clock.offsetMS === before) return;
    this.easel.order({ do: "clock", offsetMS: this.clock.offsetMS, restart: this.#restarted });
    this.#restarted = false;
  }

  /** Now, on the stream's clock. */
  liveMS(): number {
    return this.clock.at(wall()) ?? 0;
  }

  #receiveCounters(counters: Counters, cameMS: number): void {
    this.#observe(counters.atMS, cameMS);
    this.easel.order({ do: "counters", counters });
    this.latenessMS = counters.latenessMS;
    this.flow.record(counters);
    this.ticks++;
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

  /** Holds the view, or lets it run on. */
  togglePause(): void {
    this.head = (this.head.paused ? resumed : paused)(this.head, wall(), this.liveMS());
  }

  setPace(pace: number): void {
    this.head = paced(this.head, pace, wall(), this.liveMS());
  }

  showNow(): void {
    this.head = toLive(this.head, wall(), this.liveMS());
  }

  /** Shows a moment of the buffered traffic, on the stream's clock. */
  showMoment(atMS: number): void {
    this.head = scrubbed(this.head, atMS, wall());
  }

  #exists(target: Target, server: (id: number) => boolean): boolean {
    return [...serversOf(target)].every(server) && [...linksIn(target)].every((key) => this.mesh.links.has(key));
  }

  name(id: number): string {
    return this.mesh.servers.get(id)?.name ?? this.mesh.gone.get(id) ?? `server ${String(id)}`;
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
    if (target?.kind === "servers") this.announce(`${String(target.ids.size)} servers selected`);
    if (target?.kind === "links") this.announce(`${String(target.keys.size)} links selected`);
    if (target?.kind === "link") {
      const [a, b] = ends(target.key);
      this.announce(`Link ${this.name(a)} to ${this.name(b)} selected`);
    }
  }

  selectAll(): void {
    this.select(targetOf(this.mesh.servers.keys()));
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
}
