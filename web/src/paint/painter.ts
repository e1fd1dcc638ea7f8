/**
 * The painter: keeps what is to be seen and paints it, the still canvas when the mesh or the view changed and the
 * moving one each frame while something moves. It runs in a worker, so that painting never delays the page; where
 * a browser has no canvases for workers it runs in the page. It reads no clock but the one it is given.
 */
import { outgrown, shiftBetween } from "../geometry/shift";
import { type Screen, toScreen, toWorld, type View, type World } from "../geometry/space";
import { type Counters, countOf, loadOf } from "../model/counters";
import { direction, EMPTY, fromSnapshot, linkKey, type Mesh, withDiff } from "../model/mesh";
import { shownAt, skipped } from "../model/playhead";
import { nearest, reach, routesFrom, treeOf } from "../model/topology";
import { packed } from "../scene/hit";
import { Motion } from "../scene/motion";
import { buildScene, type Ghost, ghostOf, nodeRadius, positionOf, type Scene } from "../scene/scene";
import { eventColour } from "./colour";
import { type Context, contextOf, scratch, type Surface } from "./context";
import { paintMoving } from "./moving";
import type { Look, Order, Telling } from "./orders";
import { Sprites } from "./sprites";
import { labelFont, paintStatic, paintTints, type Sheet } from "./static";

/** What the painter needs of where it runs. */
export interface Studio {
  /** Asks for [Painter.paint] at the next frame. */
  frame(): void;
  tell(telling: Telling, transfer: Transferable[]): void;
  /** Wall-clock ms; see model/playhead. */
  now(): number;
}

const TINT_GAP_MS = 200; // between two repaintings that only colours ask for
const LOAD_GAP_MS = 1000; // the same for how loaded links are, in large meshes
const MARGIN = 160; // screen pixels painted beyond the board, which panning brings into sight
const SHIFTED_FROM = 250; // servers; smaller meshes are painted anew for every step of a pan
const SETTLED_MS = 120; // without a further step, after which a pan is over
const SKIP_AFTER_MS = 400; // of nothing to see, after which slow motion skips to what comes next

export class Painter {
  readonly #studio: Studio;
  readonly #motion = new Motion();
  readonly #sprites = new Sprites();
  readonly #widths = new Map<string, number>();
  #surfaces: { readonly still: Surface; readonly moving: Surface } | undefined;
  #picture: Surface = scratch(1, 1); // the still canvas and a margin around it
  #mesh: Mesh = EMPTY;
  #counters: Counters | undefined; // the newest
  #look: Partial<Look> = {};
  #offsetMS: number | undefined;
  #scene: Scene = { nodes: [], links: [], labels: [] };
  #tree: ReadonlySet<string> | undefined;
  #treeStale = true;
  #sceneStale = true;
  #loadStale = false;
  #painted: View | undefined; // what the picture shows
  #shown: View | undefined; // what the still canvas shows
  #viewedMS = 0;
  #paintedMS = 0;
  #tinted = ""; // which colours of servers are painted
  #emptySince: number | undefined;
  #keptFromMS = 0; // what the page was told

  constructor(studio: Studio) {
    this.#studio = studio;
  }

  hang(still: Surface, moving: Surface): void {
    this.#surfaces = { still, moving };
    this.#studio.frame();
  }

  take(order: Order): void {
    switch (order.do) {
      case "surfaces":
        return this.hang(order.still, order.moving);
      case "look":
        this.#takeLook(order.look);
        break;
      case "snapshot":
        this.#adopt(fromSnapshot(order.snapshot));
        break;
      case "diff":
        this.#adopt(withDiff(this.#mesh, order.diff));
        break;
      case "forget":
        this.#motion.last.clear();
        this.#restart();
        break;
      case "happenings":
        this.#motion.add(order.happenings, (from, to) => this.#latency(from, to));
        this.#tellKept();
        break;
      case "counters":
        this.#takeCounters(order.counters);
        break;
      case "clock":
        this.#offsetMS = order.offsetMS;
        if (order.restart) this.#restart();
        break;
    }
    this.#studio.frame();
  }

  #adopt(mesh: Mesh): void {
    this.#mesh = mesh;
    this.#sceneStale = this.#treeStale = true;
  }

  #restart(): void {
    this.#motion.clear();
    this.#tellKept();
    this.#counters = undefined;
    this.#sceneStale = true;
  }

  #tellKept(): void {
    const fromMS = this.#motion.keptFromMS;
    if (fromMS === this.#keptFromMS) return;
    this.#keptFromMS = fromMS;
    this.#studio.tell({ tell: "kept", fromMS }, []);
  }

  #takeLook(look: Partial<Look>): void {
    if (look.theme || look.ratio) {
      this.#widths.clear();
      this.#sprites.restart(look.ratio ?? this.#look.ratio ?? 1);
    }
    if ("selection" in look || "highlight" in look) this.#treeStale = true;
    if ("view" in look) this.#viewedMS = this.#studio.now();
    this.#look = { ...this.#look, ...look };
    this.#sceneStale ||= REPAINTED.some((part) => part in look);
  }

  #takeCounters(counters: Counters): void {
    this.#loadStale ||= countOf(counters) > 0 || (this.#counters !== undefined && countOf(this.#counters) > 0);
    this.#counters = counters;
  }

  #latency(from: number, to: number): number {
    const link = this.#mesh.links.get(linkKey(from, to));
    return link ? direction(link, from).latency_ms : 0;
  }

  /** Paints what changed. `frame` is asked for again while something moves. */
  paint(): void {
    const look = this.#look;
    if (!this.#surfaces || !complete(look)) return;
    const now = this.#studio.now();
    const atMS = this.#momentShown(look, now);
    this.#paintStill(look, atMS, now, this.#surfaces.still);
    const moves = this.#paintMoving(look, atMS, now, this.#surfaces.moving);
    if (moves || this.#loadStale || this.#shown !== this.#painted) this.#studio.frame();
  }

  /** On the stream's clock. */
  #momentShown(look: Look, now: number): number {
    if (this.#offsetMS === undefined) return 0;
    const live = now - this.#offsetMS;
    const at = shownAt(look.head, now, live);
    return look.head.live || look.head.paused || look.head.pace === 1 ? at : this.#skip(look, at, live, now);
  }

  /** In slow motion, passes over what nobody wants to see slowly: nothing. */
  #skip(look: Look, atMS: number, live: number, now: number): number {
    if (this.#motion.visible(atMS) || live - atMS < SKIP_AFTER_MS) {
      this.#emptySince = undefined;
      return atMS;
    }
    this.#emptySince ??= now;
    const next = this.#motion.next(atMS);
    if (next === undefined && now - this.#emptySince < SKIP_AFTER_MS) return atMS;
    const head = skipped(look.head, Math.min(live, next ?? live), now);
    this.#studio.tell({ tell: "skipped", from: look.head, head }, []);
    this.#look = { ...look, head };
    return head.atMS;
  }

  #paintStill(look: Look, atMS: number, now: number, still: Surface): void {
    const { view, width, height } = look;
    const unseen = this.#painted === undefined || this.#painted !== view;
    const large = this.#mesh.servers.size >= SHIFTED_FROM;
    const moving = large && this.#painted && now - this.#viewedMS < SETTLED_MS && !outgrown(this.#painted, view, width, height, MARGIN);
    const loaded = this.#loadStale && now - this.#paintedMS > (large ? LOAD_GAP_MS : TINT_GAP_MS);
    if (this.#sceneStale || loaded || (unseen && !moving)) this.#paintPicture(look, atMS, now);
    else if (this.#tintsOf(look, atMS) !== this.#tinted && now - this.#paintedMS > TINT_GAP_MS) this.#tint(look, atMS, now);
    else if (this.#shown === view) return;
    this.#shown = view;
    const c = prepared(still, width, height, look.ratio, 0);
    const { k, x, y } = shiftBetween(this.#painted ?? view, view);
    c.fillStyle = look.theme.canvas;
    if (k < 1) c.fillRect(0, 0, width, height);
    c.imageSmoothingEnabled = k !== 1;
    c.drawImage(this.#picture, x - MARGIN * k, y - MARGIN * k, (width + 2 * MARGIN) * k, (height + 2 * MARGIN) * k);
  }

  #paintPicture(look: Look, atMS: number, now: number): void {
    const { view, width, height } = look;
    const c = prepared(this.#picture, width, height, look.ratio, MARGIN);
    c.font = labelFont(look.theme);
    this.#sceneStale = this.#loadStale = false;
    this.#painted = view;
    this.#paintedMS = now;
    this.#tinted = this.#tintsOf(look, atMS);
    const measure = (text: string) => this.#measured(c, text);
    const tints = this.#tints(look, atMS);
    const load = this.#counters ? loadOf(this.#counters) : new Map<never, number>();
    this.#scene = buildScene({ ...look, mesh: this.#mesh, margin: MARGIN, tree: this.#treeShown(look), tints, load, measure });
    paintStatic(c, this.#scene, look.theme, this.#sprites, view, sheetOf(look));
    const labels = packed(this.#scene.labels);
    this.#studio.tell({ tell: "labels", view, labels }, [labels.buffer]);
  }

  /** Names the colours that servers have at a moment. */
  #tintsOf({ head }: Look, atMS: number): string {
    return head.live ? `live ${String(this.#motion.last.version)}` : `${String(this.#motion.last.version)} at ${String(atMS)}`;
  }

  /** The colours of servers by the event that they processed last. */
  #tints({ head }: Look, atMS: number): Map<number, string> {
    if (head.live) return this.#motion.last.colours(eventColour);
    return new Map([...this.#motion.lastAt(atMS)].map(([server, event]) => [server, eventColour(event)]));
  }

  #treeShown({ highlight, selection }: Look): ReadonlySet<string> | undefined {
    if (this.#treeStale) {
      this.#treeStale = false;
      this.#tree = highlight ?? (selection?.kind === "server" ? treeOf(routesFrom(this.#mesh, selection.id)) : undefined);
    }
    return this.#tree;
  }

  /** Gives servers the colours of their last events, where nothing else changed. */
  #tint(look: Look, atMS: number, now: number): void {
    this.#paintedMS = now;
    this.#tinted = this.#tintsOf(look, atMS);
    if (look.colouring !== "events") return;
    const tints = this.#tints(look, atMS);
    paintTints(contextOf(this.#picture), this.#scene, tints, look.theme, this.#sprites, sheetOf(look));
    this.#scene = { ...this.#scene, nodes: this.#scene.nodes.map((n) => ({ ...n, tint: tints.get(n.id) })) };
  }

  #paintMoving(look: Look, atMS: number, now: number, moving: Surface): boolean {
    const { view, width, height } = look;
    const c = prepared(moving, width, height, look.ratio, 0);
    const dragged = look.dragging === undefined ? undefined : this.#at(look.dragging, look);
    const dots = this.#motion.dots(atMS);
    const rings = this.#motion.rings(atMS);
    const input = {
      dots,
      rings,
      at: (id: number) => this.#at(id, look),
      radius: nodeRadius(view),
      ghost: this.#ghost(look),
      arriving: look.arriving.map((p) => toScreen(view, p)),
      reach: dragged && { at: dragged, radius: reach(this.#mesh.settings) * view.k },
      calm: look.calm,
      nowMS: now,
    };
    paintMoving(c, input, look.theme, this.#sprites, width, height);
    const late = this.#tintsOf(look, atMS) !== this.#tinted;
    const running = !look.head.paused && (this.#motion.active(atMS) || !look.head.live);
    return running || late || look.arriving.length > 0;
  }

  #at(id: number, { view, moves }: Look): Screen | undefined {
    const server = this.#mesh.servers.get(id);
    return server && toScreen(view, positionOf(server, moves));
  }

  #ghost({ ghost, view, moves }: Look): Ghost | undefined {
    if (!ghost) return undefined;
    const at = toWorld(view, ghost);
    const running: ({ id: number } & World)[] = [];
    for (const s of this.#mesh.servers.values()) {
      const { x, y } = positionOf(s, moves);
      if (s.state === "running" || s.state === "paused") running.push({ id: s.id, x, y });
    }
    return ghostOf(at, nearest(at, running, this.#mesh.settings), reach(this.#mesh.settings), view);
  }

  #measured(c: Context, text: string): number {
    let width = this.#widths.get(text);
    if (width === undefined) {
      if (this.#widths.size > 20_000) this.#widths.clear();
      width = c.measureText(text).width;
      this.#widths.set(text, width);
    }
    return width;
  }
}

/** What the still canvas depends on, beside the view. */
const REPAINTED = ["width", "height", "ratio", "theme", "moves", "selection", "hover", "highlight", "colouring"] as const;

const COMPLETE: Readonly<Record<keyof Look, true>> = {
  view: true,
  width: true,
  height: true,
  ratio: true,
  theme: true,
  calm: true,
  moves: true,
  selection: true,
  hover: true,
  highlight: true,
  colouring: true,
  ghost: true,
  arriving: true,
  dragging: true,
  head: true,
};

function complete(look: Partial<Look>): look is Look {
  return Object.keys(COMPLETE).every((part) => part in look);
}

function sheetOf({ width, height }: Look): Sheet {
  return { width, height, margin: MARGIN };
}

/** Sizes a canvas, with a margin around the board, to the screen's own pixels and clears nothing. */
function prepared(surface: Surface, width: number, height: number, ratio: number, margin: number): Context {
  const [w, h] = [Math.max(1, Math.round((width + 2 * margin) * ratio)), Math.max(1, Math.round((height + 2 * margin) * ratio))];
  if (surface.width !== w || surface.height !== h) {
    surface.width = w;
    surface.height = h;
  }
  const c = contextOf(surface);
  c.setTransform(ratio, 0, 0, ratio, margin * ratio, margin * ratio);
  return c;
}
