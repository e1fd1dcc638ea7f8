/**
 * The static scene: from the mesh and the view to what is to be drawn where, in screen pixels. Pure; it
 * measures text with a function it is given and touches no canvas.
 */
import { type LabelBox, Occupancy } from "../geometry/labels";
import { clamp, distance, mix, type Screen, screen, toScreen, type View, type World } from "../geometry/space";
import { type LinkKey, linkKey, type Mesh } from "../model/mesh";
import { linkLatency } from "../model/topology";
import type { Link, Server, ServerState } from "../model/types";
import { formatBandwidth, formatLatency } from "../units";
import { type Colouring, type Scale, scaleOf, stepOf } from "./colouring";
import { hasLink, serversOf, type Target } from "./selection";

export interface SceneInput {
  readonly mesh: Mesh;
  readonly view: View;
  readonly width: number;
  readonly height: number;
  /** Screen pixels around the drawing area that are drawn as well. */
  readonly margin: number;
  /** Positions that are ahead of the mesh's: servers being dragged. */
  readonly moves: ReadonlyMap<number, World>;
  readonly selection: Target;
  readonly hover: Target;
  /** Links that are shown as paths, the others dimmed; undefined where none are. */
  readonly tree: ReadonlySet<string> | undefined;
  /** The colour of the event last processed, by server. */
  readonly tints: ReadonlyMap<number, string>;
  /** What the colours stand for; links and servers keep to it. */
  readonly colouring?: Colouring;
  /** Share of the rate in use, 0 to 1, by link. */
  readonly load: ReadonlyMap<LinkKey, number>;
  /** The width of a text in the label font, in pixels. */
  readonly measure: (text: string) => number;
}

export interface SceneNode {
  readonly id: number;
  readonly name: string;
  readonly state: ServerState;
  readonly at: Screen;
  readonly radius: number;
  readonly tint: string | undefined;
  /** The place of its kind among the kinds of the mesh, where servers are coloured by it. */
  readonly kind: number | undefined;
  readonly selected: boolean;
  readonly hovered: boolean;
  readonly named: boolean;
}

export type LinkLook = "plain" | "hovered" | "selected" | "route" | "dimmed";

export interface SceneLink {
  readonly key: LinkKey;
  readonly a: Screen;
  readonly b: Screen;
  readonly look: LinkLook;
  readonly cut: boolean;
  readonly width: number;
  readonly load: number;
  /** The step of the scale that it is coloured by; undefined where links are not coloured. */
  readonly step: number | undefined;
}

export interface SceneLabel {
  readonly key: LinkKey;
  readonly box: LabelBox;
  readonly strong: string;
  readonly weak: string;
  readonly strongWidth: number;
  readonly look: LinkLook;
  readonly pinned: boolean;
}

export interface Scene {
  readonly nodes: readonly SceneNode[];
  readonly links: readonly SceneLink[];
  readonly labels: readonly SceneLabel[];
}

export const LABEL_HEIGHT = 18;
const LABEL_PAD = 6;
const LABEL_GAP = 5; // between latency and bandwidth
const LABEL_SPOTS = [0.5, 0.42, 0.58, 0.34, 0.66];
const LEAST_NAMED = 2.5; // screen pixels of radius; smaller servers have no names
const CROWD = 40; // servers in sight
const LEAST_LABEL = 34; // screen pixels: no label is narrower
const MOST_CERTAIN = 20; // more selected servers or links than these have names or labels only where there is room
const MOST_LABELS = 400; // more are not read, and measuring them costs a frame

const FAR = 0.35; // zoom below which servers shrink almost as fast as what is between them, so that links stay seen

export function nodeRadius(view: View): number {
  const near = 15 * Math.max(FAR, view.k) ** 0.65;
  return clamp(near * Math.min(1, view.k / FAR) ** 0.9, 1.5, 19);
}

export function positionOf(server: Server, moves: ReadonlyMap<number, World>): World {
  return moves.get(server.id) ?? server;
}

export function buildScene(input: SceneInput): Scene {
  const taken = new Occupancy();
  const nodes = withNames(taken, sceneNodes(input), input);
  const at = new Map(nodes.map((n) => [n.id, n.at]));
  const scale = scaleOf(input.colouring ?? "events", input.mesh);
  const links: SceneLink[] = [];
  for (const link of input.mesh.links.values()) {
    const [a, b] = [at.get(link.a), at.get(link.b)];
    if (a && b && crosses(a, b, input)) links.push(sceneLink(link, a, b, input, scale));
  }
  links.sort((p, q) => rank(p.look) - rank(q.look));
  return { nodes, links, labels: sceneLabels(taken, links, input) };
}

function sceneNodes(input: SceneInput): SceneNode[] {
  const radius = nodeRadius(input.view);
  const chosen = serversOf(input.selection);
  const coloured = (input.colouring ?? "events") !== "events";
  const nodes: SceneNode[] = [];
  for (const s of input.mesh.servers.values()) {
    const selected = chosen.has(s.id);
    const hovered = input.hover?.kind === "server" && input.hover.id === s.id;
    nodes.push({
      id: s.id,
      name: s.name,
      state: s.state,
      at: toScreen(input.view, positionOf(s, input.moves)),
      radius,
      tint: coloured ? undefined : input.tints.get(s.id),
      kind: input.colouring === "kind" ? input.mesh.kinds.indexOf(s.kind) : undefined,
      selected,
      hovered,
      named: false,
    });
  }
  return nodes;
}

function sceneLink(link: Link, a: Screen, b: Screen, input: SceneInput, scale: Scale | undefined): SceneLink {
  const key = linkKey(link.a, link.b);
  return {
    key,
    a,
    b,
    look: lookOf(key, input),
    cut: link.cut,
    width: linkWidth(link),
    load: input.load.get(key) ?? 0,
    step: scale && stepOf(input.colouring ?? "events", scale, link, key, input.load),
  };
}

function lookOf(key: LinkKey, input: SceneInput): LinkLook {
  if (hasLink(input.selection, key)) return "selected";
  if (hasLink(input.hover, key)) return "hovered";
  if (!input.tree) return "plain";
  return input.tree.has(key) ? "route" : "dimmed";
}

function rank(look: LinkLook): number {
  return ["dimmed", "plain", "route", "hovered", "selected"].indexOf(look);
}

/** Wider links carry more: one step for each factor of ten above 10 kbit/s. */
function linkWidth(link: Link): number {
  const rates = [link.ab.bandwidth, link.ba.bandwidth].map((r) => (r === "unlimited" ? 1e9 : r));
  return 1.1 + 0.45 * clamp(Math.log10(Math.max(1, ...rates) / 1e4), 0, 5);
}

/** Whether the segment may be seen: its bounding box meets what is drawn. */
function crosses(a: Screen, b: Screen, { width, height, margin }: SceneInput): boolean {
  const across = Math.max(a.x, b.x) >= -margin && Math.min(a.x, b.x) <= width + margin;
  return across && Math.max(a.y, b.y) >= -margin && Math.min(a.y, b.y) <= height + margin;
}

function sceneLabels(taken: Occupancy, links: readonly SceneLink[], input: SceneInput): SceneLabel[] {
  const labels: SceneLabel[] = [];
  const radius = nodeRadius(input.view);
  const all = links.filter((l) => l.look === "selected").length <= MOST_CERTAIN;
  const urgent = [...links].sort((p, q) => rank(q.look) - rank(p.look));
  for (const link of urgent) {
    if (labels.length >= MOST_LABELS) break;
    if (link.look === "dimmed") continue;
    const certain = link.look === "hovered" || (link.look === "selected" && all);
    const label = placeLabel(taken, link, radius, certain, input);
    if (label) labels.push(label);
  }
  return labels;
}

/**
 * Names those servers whose name has room below them; the hovered one and a few selected ones always, and only the
 * hovered and the selected where too few of a crowd could be named to be of use.
 */
function withNames(taken: Occupancy, nodes: readonly SceneNode[], input: SceneInput): SceneNode[] {
  for (const { at, radius } of nodes) taken.add({ x: at.x - radius, y: at.y - radius, w: 2 * radius, h: 2 * radius });
  const named = new Map<number, LabelBox>();
  const names = new Occupancy();
  let inSight = 0;
  const all = nodes.filter((n) => n.selected).length <= MOST_CERTAIN;
  const inTurn = [...nodes].sort((p, q) => Number(q.selected || q.hovered) - Number(p.selected || p.hovered));
  for (const n of inTurn) {
    if (!crosses(n.at, n.at, input)) continue;
    inSight++;
    if (n.radius < LEAST_NAMED && !n.selected && !n.hovered) continue;
    const w = input.measure(n.name);
    const box = { x: n.at.x - w / 2, y: n.at.y + n.radius + 2, w, h: 15 };
    const certain = n.hovered || (n.selected && all);
    if (!certain && (!taken.free(box) || !names.free(box))) continue;
    names.add(box);
    named.set(n.id, box);
  }
  const useless = inSight > CROWD && named.size < 0.4 * inSight;
  const kept = useless ? inTurn.filter((n) => n.selected || n.hovered) : inTurn;
  const shown = new Set(kept.filter((n) => named.has(n.id)).map((n) => n.id));
  for (const id of shown) taken.add(named.get(id) as LabelBox);
  return nodes.map((n) => ({ ...n, named: shown.has(n.id) }));
}

function placeLabel(taken: Occupancy, link: SceneLink, radius: number, certain: boolean, input: SceneInput): SceneLabel | undefined {
  const model = input.mesh.links.get(link.key);
  if (!model) return undefined;
  const room = distance(link.a, link.b) - 2 * radius;
  if (!certain && room < LEAST_LABEL) return undefined;
  const texts = labelTexts(model, input);
  const strongWidth = input.measure(texts.strong);
  for (const weak of [texts.weak, ""]) {
    const w = strongWidth + (weak ? LABEL_GAP + input.measure(weak) : 0) + 2 * LABEL_PAD;
    if (!certain && room < Math.min(w, 70)) continue;
    const boxes = LABEL_SPOTS.map((t) => boxAt(mix(link.a, link.b, t), w));
    const box = taken.place(boxes) ?? (certain && weak === "" ? boxes[0] : undefined);
    if (box) return { key: link.key, box, strong: texts.strong, weak, strongWidth, look: link.look, pinned: isPinned(model) };
  }
  return undefined;
}

function boxAt(p: Screen, w: number): LabelBox {
  return { x: p.x - w / 2, y: p.y - LABEL_HEIGHT / 2, w, h: LABEL_HEIGHT };
}

function labelTexts(link: Link, input: SceneInput): { strong: string; weak: string } {
  if (link.cut) return { strong: "cut", weak: "" };
  const [a, b] = [input.mesh.servers.get(link.a), input.mesh.servers.get(link.b)];
  const moved = a && b && (input.moves.has(link.a) || input.moves.has(link.b));
  const latency = moved
    ? linkLatency(link, positionOf(a, input.moves), positionOf(b, input.moves), input.mesh.settings)
    : { ab: link.ab.latency_ms, ba: link.ba.latency_ms };
  return {
    strong: both(formatLatency(rounded(latency.ab)), formatLatency(rounded(latency.ba))),
    weak: both(formatBandwidth(link.ab.bandwidth), formatBandwidth(link.ba.bandwidth)),
  };
}

function both(ab: string, ba: string): string {
  return ab === ba ? ab : `${ab} ⇄ ${ba}`;
}

/** On the canvas a tenth of a ms is noise from 10 ms on. */
function rounded(ms: number): number {
  return ms >= 10 ? Math.round(ms) : Math.round(ms * 10) / 10;
}

function isPinned(link: Link): boolean {
  return Object.keys(link.pins_ab).length > 0 || Object.keys(link.pins_ba).length > 0;
}

/** Where the canvas's rings and lines for a server to be placed go; see paint/moving. */
export interface Ghost {
  readonly at: Screen;
  readonly reach: number; // screen pixels
  readonly lines: readonly { readonly to: Screen; readonly text: string }[];
}

export function ghostOf(
  at: World,
  neighbours: readonly { at: World; latencyMS: number }[],
  reachWorld: number,
  view: View,
): Ghost {
  const lines = neighbours.map((n) => ({ to: toScreen(view, n.at), text: formatLatency(rounded(n.latencyMS)) }));
  const p = toScreen(view, at);
  return { at: screen(p.x, p.y), reach: reachWorld * view.k, lines };
}
