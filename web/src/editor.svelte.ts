/** What changes the mesh (links: LinkEditor): asks for it, shows it ahead of the answer, and remembers how to undo it. */
import type { World } from "./geometry/space";
import { type Places, shifted } from "./geometry/arrange";
import { api, type LifeCycleAction, Refusal } from "./model/api";
import { type Edit, History } from "./model/history";
import { Latest } from "./model/latest";
import { LinkEditor } from "./links.svelte";
import type { Mesh } from "./model/mesh";
import type { Imported, NewImport, Server, Settings, Transport } from "./model/types";

export interface ClientPoint {
  readonly x: number;
  readonly y: number;
}

/** What an editor needs of the page. */
export interface Editing {
  readonly mesh: Mesh;
  name(id: number): string;
  announce(text: string): void;
  refuse(error: unknown, x: number, y: number): void;
}

/** A long job that is under way. */
export interface Progress {
  readonly text: string;
  readonly done: number;
  readonly of: number;
  /** What is counted, where it is not the job itself: "run". */
  readonly counted?: string;
  /** What cancelling does, where it is more than to leave out the rest. */
  readonly cancels?: string;
  cancel(): void;
}

const MOVE_GAP_MS = 30; // between two positions sent while dragging
const SETTLE_MS = 300; // until the mesh's own position is what is shown
const SNAPPING = "meshsim.snapping";
const UNDO_MS = 12_000;
const AT_ONCE = 6; // requests side by side, as many as a browser sends anyway

const OPPOSITE: Readonly<Partial<Record<LifeCycleAction, LifeCycleAction>>> = {
  start: "stop",
  stop: "start",
  pause: "resume",
  resume: "pause",
};

export class Editor {
  /** Positions that are ahead of the mesh's. */
  moves = $state.raw<ReadonlyMap<number, World>>(new Map());
  /** Servers asked for and not in the mesh yet. */
  arriving = $state.raw<readonly World[]>([]);
  /** What was just done that one may regret. */
  undoable = $state.raw<Edit | undefined>(undefined);
  /** What undo and redo would do. */
  last = $state.raw<Edit | undefined>(undefined);
  next = $state.raw<Edit | undefined>(undefined);
  progress = $state.raw<Progress | undefined>(undefined);
  /** The kind of server that a click places; undefined is the mesh's default. */
  kind = $state<string | undefined>(undefined);

  /** What changes links. */
  readonly links: LinkEditor;
  /** Whether dragged servers are drawn to round latencies; remembered. */
  snapping = $state(globalThis.localStorage?.getItem(SNAPPING) !== "off");
  readonly #page: Editing;
  readonly #history = new History();
  readonly #held = new Set<number>(); // servers in the hand
  #unsent = new Map<number, World>();
  readonly #mover = new Latest<undefined>(() => this.#sendMoves(), MOVE_GAP_MS);
  #starting: readonly number[] = []; // containers that were placed together, until all of them run
  #starts: Progress | undefined; // what is shown of them
  #undoTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(page: Editing) {
    this.#page = page;
    this.links = new LinkEditor(page, {
      remember: (edit) => this.#remember(edit),
      offer: (edit, text) => this.#offer(edit, text),
      offered: () => this.undoable,
      withdraw: () => (this.undoable = undefined),
      each: (text, items, job) => this.#each(text, items, job),
    });
  }

  toggleSnapping(): void {
    this.snapping = !this.snapping;
    localStorage.setItem(SNAPPING, this.snapping ? "on" : "off");
    this.#page.announce(this.snapping ? "Servers are drawn to round latencies" : "Servers are placed freely");
  }

  // Servers.

  /** Adds a server; client coordinates say where a refusal is to be shown. */
  async place(at: World, client: ClientPoint): Promise<void> {
    try {
      const { id, name } = await this.#add(at);
      this.#page.announce(`${name} placed`);
      this.#remember({ text: `${name} placed`, undo: () => api.removeServer(id), redo: () => api.act(id, "restore") });
    } catch (error) {
      this.#page.refuse(error, client.x, client.y);
    }
  }

  /** Adds many servers, with progress that can be cancelled; what was placed by then stays. Returns their ids. */
  async placeMany(places: readonly World[], kinds: readonly (string | undefined)[] = []): Promise<number[]> {
    const placed: Server[] = [];
    const place = async (i: number) => placed.push(await this.#add(places[i] as World, kinds[i]));
    try {
      // One by one, so that they are numbered in their order.
      await this.#each(`Placing ${String(places.length)} servers`, [...places.keys()], place, 1);
    } finally {
      this.#placed(placed);
    }
    return placed.map((s) => s.id);
  }

  #placed(servers: readonly Server[]): void {
    if (servers.length === 0) return;
    const ids = servers.map((s) => s.id);
    const text = ids.length === 1 ? `${(servers[0] as Server).name} placed` : `${String(ids.length)} servers placed`;
    this.#page.announce(text);
    this.#rememberGroup(text, ids, { undo: "remove", redo: "restore" });
    const containers = ids.filter((_, i) => servers[i]?.kind !== "embedded");
    this.#starting = containers.length > 1 ? containers : [];
    this.#showStarts(this.#page.mesh);
  }

  /** Shows how many of the containers that were placed together run, until none of them is on its way. */
  #showStarts(mesh: Mesh): void {
    if (this.#starting.length === 0 || (this.progress && this.progress !== this.#starts)) return;
    const pending = this.#starting.filter((id) => onItsWay(mesh, id));
    const done = this.#starting.filter((id) => mesh.servers.get(id)?.state === "running").length;
    const of = this.#starting.length;
    const cancel = () => void this.#cancelStarts();
    const text = `${String(of)} containers start`;
    this.#starts = pending.length === 0 ? undefined : { text, done, of, counted: "run", cancels: "Remove those that do not run yet", cancel };
    if (pending.length === 0) this.#starting = [];
    this.progress = this.#starts;
  }

  async #cancelStarts(): Promise<void> {
    const pending = this.#starting.filter((id) => onItsWay(this.#page.mesh, id));
    this.#starting = [];
    this.progress = this.#starts = undefined;
    try {
      await this.remove(pending);
    } catch (error) {
      this.#page.refuse(error, innerWidth / 2, innerHeight / 2);
    }
  }

  /** Asks for a server, and shows where until there is an answer. */
  async #add(at: World, kind = this.kind): Promise<Server> {
    this.arriving = [...this.arriving, at];
    try {
      return await api.addServer({ x: at.x, y: at.y, ...(kind ? { kind } : {}) });
    } finally {
      this.arriving = this.arriving.filter((p) => p !== at);
    }
  }

  /** Copies beside the originals, of the same kinds, pinned among each other as the originals are. */
  async duplicate(ids: Iterable<number>, offset: number): Promise<number[]> {
    const servers = [...ids].flatMap((id) => this.#page.mesh.servers.get(id) ?? []);
    const places = shifted(this.places(servers.map((s) => s.id)), offset, offset);
    const kinds = servers.map((s) => s.kind);
    const copies = await this.placeMany([...places.values()], kinds);
    await this.links.copyPins(new Map(copies.map((copy, i) => [(servers[i] as Server).id, copy])));
    return copies;
  }

  /** Adds the servers of a file, all or none; returns them and what could not be taken over, in sentences. Where the signal aborts before that, none. */
  async importMesh(source: NewImport, signal: AbortSignal): Promise<Imported> {
    const before = this.#page.mesh.settings;
    const imported = await api.importMesh(source, signal);
    const ids = (imported.servers ?? []).map((s) => s.id);
    const text = `${String(ids.length)} ${ids.length === 1 ? "server" : "servers"} imported`;
    const after = source.settings ? await api.settings() : before;
    this.#remember({
      text,
      undo: async () => {
        await this.#each(text, ids, (id) => api.removeServer(id));
        if (source.settings) await api.setSettings(before);
      },
      redo: async () => {
        await this.#each(text, ids, (id) => api.act(id, "restore"));
        if (source.settings) await api.setSettings(after);
      },
    });
    this.#page.announce(text);
    return imported;
  }

  async remove(ids: readonly number[]): Promise<void> {
    const [first] = ids;
    if (first === undefined) return;
    const text = ids.length === 1 ? `${this.#page.name(first)} removed` : `${String(ids.length)} servers removed`;
    await this.#each(`Removing ${String(ids.length)} servers`, ids, (id) => api.removeServer(id));
    this.#page.announce(text);
    const edit = this.#rememberGroup(text, ids, { undo: "restore", redo: "remove" });
    this.#offer(edit, ids.length === 1 ? text : `${text}; Ctrl Z brings them back`);
  }

  /** Starts, stops, pauses or resumes servers. */
  async act(ids: readonly number[], action: LifeCycleAction): Promise<void> {
    const opposite = OPPOSITE[action];
    const who = ids.length === 1 ? this.#page.name(ids[0] as number) : `${String(ids.length)} servers`;
    await this.#each(`${who}: ${action}`, ids, (id) => api.act(id, action));
    if (opposite) this.#rememberGroup(`${who}: ${action}`, ids, { undo: opposite, redo: action });
  }

  #rememberGroup(text: string, ids: readonly number[], ways: { undo: GroupAction; redo: GroupAction }): Edit {
    const run = (action: GroupAction) => () =>
      this.#each(text, ids, (id) => (action === "remove" ? api.removeServer(id) : api.act(id, action)));
    const edit = { text, undo: run(ways.undo), redo: run(ways.redo) };
    if (ids.length > 0) this.#remember(edit);
    return edit;
  }

  /** Runs a job for each, some side by side. A cancelled job ends after those under way. */
  async #each<T>(text: string, items: readonly T[], job: (item: T) => Promise<unknown>, atOnce = AT_ONCE): Promise<void> {
    const waiting = [...items];
    let done = 0;
    const show = () => {
      const cancel = () => (waiting.length = 0);
      if (items.length > AT_ONCE) this.progress = { text, done, of: items.length, cancel };
    };
    const worker = async () => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
        await job(item);
        done++;
        show();
      }
    };
    show();
    try {
      await Promise.all(Array.from({ length: atOnce }, worker));
    } finally {
      waiting.length = 0;
      this.progress = undefined;
    }
  }

  // Moving.

  /** Where servers are shown. */
  places(ids: Iterable<number>): Map<number, World> {
    const places = new Map<number, World>();
    for (const id of ids) {
      const at = this.moves.get(id) ?? this.#page.mesh.servers.get(id);
      if (at) places.set(id, { x: at.x, y: at.y });
    }
    return places;
  }

  /** Moves servers: at once here, and in the mesh as fast as it takes positions. */
  async move(to: Places, client: ClientPoint): Promise<void> {
    this.moves = new Map([...this.moves, ...to]);
    for (const [id, p] of to) {
      this.#held.add(id);
      this.#unsent.set(id, p);
    }
    try {
      await this.#mover.push(undefined);
    } catch (error) {
      this.#page.refuse(error, client.x, client.y);
      this.#dropMoves(to.keys());
    }
  }

  async #sendMoves(): Promise<void> {
    const batch = [...this.#unsent];
    this.#unsent = new Map();
    const worker = async () => {
      for (let next = batch.shift(); next; next = batch.shift()) await api.moveServer(next[0], next[1]);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  /** Ends a move that began at `from`: what the mesh says is then what is shown. */
  async settle(from: Places, series?: string): Promise<void> {
    const ids = [...from.keys()];
    const to = this.places(ids);
    const text = ids.length === 1 ? `${this.#page.name(ids[0] as number)} moved` : `${String(ids.length)} servers moved`;
    const go = (places: Places) => async () => {
      await this.move(places, { x: innerWidth / 2, y: innerHeight / 2 });
      await this.#release(ids);
    };
    this.#remember({ text, undo: go(from), redo: go(to), ...(series ? { series: `${series} ${ids.join()}` } : {}) });
    await this.#release(ids);
  }

  /** Moves servers in one step that can be undone. */
  async rearrange(to: Places, client: ClientPoint, series?: string): Promise<void> {
    const from = this.places(to.keys());
    await this.move(to, client);
    await this.settle(from, series);
  }

  async #release(ids: readonly number[]): Promise<void> {
    await this.#mover.idle();
    for (const id of ids) this.#held.delete(id);
    setTimeout(() => this.#dropMoves(ids.filter((id) => !this.#held.has(id))), SETTLE_MS);
  }

  /** The mesh said where its servers are: what is no longer ahead of it is forgotten. */
  adopted(mesh: Mesh): void {
    const settled = [...this.moves].filter(([id, p]) => {
      const s = mesh.servers.get(id);
      return !s || (!this.#held.has(id) && Math.hypot(s.x - p.x, s.y - p.y) < 0.01);
    });
    if (settled.length > 0) this.#dropMoves(settled.map(([id]) => id));
    this.links.adopted(mesh);
    this.#showStarts(mesh);
  }

  #dropMoves(ids: Iterable<number>): void {
    const moves = new Map(this.moves);
    for (const id of ids) moves.delete(id);
    this.moves = moves;
  }

  // Settings.

  async setSettings(settings: Settings): Promise<void> {
    const before = this.#page.mesh.settings;
    await api.setSettings(settings);
    const text = "Settings changed";
    this.#remember({ text, undo: () => api.setSettings(before), redo: () => api.setSettings(settings) });
  }

  async setTransport(wanted: Transport): Promise<void> {
    const before = await api.transport();
    await api.setTransport(wanted);
    this.#remember({ text: "Transport changed", undo: () => api.setTransport(before), redo: () => api.setTransport(wanted) });
  }

  // Undoing.

  /** Forgets what was done: the mesh is another one. */
  forget(): void {
    this.#history.clear();
    this.undoable = undefined;
    this.moves = new Map();
    this.#starting = [];
    if (this.progress === this.#starts) this.progress = undefined;
    this.#show();
  }

  #remember(edit: Edit): Edit {
    this.#history.add(edit, performance.now());
    this.undoable = undefined;
    this.#show();
    return edit;
  }

  #show(): void {
    this.last = this.#history.last;
    this.next = this.#history.next;
  }

  #offer(edit: Edit, text = edit.text): Edit {
    const offer = { ...edit, text };
    this.undoable = offer;
    clearTimeout(this.#undoTimer);
    this.#undoTimer = setTimeout(() => (this.undoable = undefined), UNDO_MS);
    return offer;
  }

  async undo(): Promise<void> {
    this.undoable = undefined;
    await this.#report("Undone", this.#history.undo());
  }

  async redo(): Promise<void> {
    await this.#report("Done again", this.#history.redo());
  }

  async #report(what: string, step: Promise<Edit | undefined>): Promise<void> {
    try {
      const edit = await step;
      if (edit) this.#page.announce(`${what}: ${edit.text}`);
    } catch (error) {
      if (error instanceof Refusal) throw new Refusal(error.status, `That can not be taken back: ${error.message}`);
      throw error;
    } finally {
      this.#show();
    }
  }
}

/** Whether a server that was asked for may come to run. */
function onItsWay(mesh: Mesh, id: number): boolean {
  const state = mesh.servers.get(id)?.state;
  return state === undefined ? !mesh.gone.has(id) : state === "new" || state === "starting";
}

type GroupAction = LifeCycleAction | "remove";
