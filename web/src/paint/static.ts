/** Paints what changes only when the mesh or the view does: the grid, links, labels and servers. */
import { toWorld, screen, type View } from "../geometry/space";
import type { LinkLook, Scene, SceneLabel, SceneLink, SceneNode } from "../scene/scene";
import type { Context } from "./context";
import type { Sprites } from "./sprites";
import type { Theme } from "./theme";

const TAU = 2 * Math.PI;
const GRID = 50; // world pixels

export const LABEL_FONT_SIZE = 11.5;

export function labelFont(theme: Theme): string {
  return `500 ${String(LABEL_FONT_SIZE)}px ${theme.font}`;
}

/** The board and a margin around it, in screen pixels: what is painted is wider than what is seen. */
export interface Sheet {
  readonly width: number;
  readonly height: number;
  readonly margin: number;
}

export function paintStatic(c: Context, scene: Scene, theme: Theme, sprites: Sprites, view: View, sheet: Sheet): void {
  c.fillStyle = theme.canvas;
  c.fillRect(-sheet.margin, -sheet.margin, sheet.width + 2 * sheet.margin, sheet.height + 2 * sheet.margin);
  paintGrid(c, theme, view, sheet);
  paintLinks(c, scene.links, theme);
  c.textBaseline = "middle";
  for (const label of scene.labels) paintLabel(c, label, theme);
  for (const node of scene.nodes) if (on(sheet, node)) paintNode(c, node, theme, sprites);
}

function on({ width, height, margin }: Sheet, { at, radius }: SceneNode): boolean {
  const most = margin + radius + 20; // the name stands below
  return at.x > -most && at.y > -most && at.x < width + most && at.y < height + most;
}

/** Dots every 50 px of the world, coarser when zoomed out: the ruler that distance is read from. */
function paintGrid(c: Context, theme: Theme, view: View, { width, height, margin }: Sheet): void {
  let step = GRID;
  while (step * view.k < 28) step *= 4;
  const first = toWorld(view, screen(-margin, -margin));
  const size = view.k * step > 60 ? 2 : 1.5;
  c.fillStyle = theme.grid;
  for (let x = Math.ceil(first.x / step) * step; x * view.k + view.x < width + margin; x += step) {
    for (let y = Math.ceil(first.y / step) * step; y * view.k + view.y < height + margin; y += step) {
      c.fillRect(x * view.k + view.x - size / 2, y * view.k + view.y - size / 2, size, size);
    }
  }
}

const LOADS = 8; // steps in which the load of links is shown

/** Links of the same look are one path; the scene's order, from dimmed to selected, is kept. */
function paintLinks(c: Context, links: readonly SceneLink[], theme: Theme): void {
  c.lineCap = "round";
  c.strokeStyle = theme.accent;
  const loaded = links.filter((l) => l.load > 0.02 && !l.cut && l.step === undefined);
  for (const group of Map.groupBy(loaded, (l) => `${Math.ceil(l.load * LOADS)} ${l.width.toFixed(1)}`).values()) {
    const { load, width } = group[0] as SceneLink;
    c.globalAlpha = 0.15 + 0.35 * load;
    stroke(c, group, width + 3 + 5 * load);
  }
  for (const group of Map.groupBy(links, (l) => `${l.look} ${l.cut} ${l.width.toFixed(1)} ${l.step ?? ""}`).values()) {
    const { look, cut, width, step } = group[0] as SceneLink;
    c.globalAlpha = look === "dimmed" ? 0.35 : 1;
    c.setLineDash(cut ? [5, 6] : []);
    c.strokeStyle = styleOf(look, theme, step);
    stroke(c, group, width + WIDENED[look] + (step === undefined ? 0 : 0.9));
  }
  c.setLineDash([]);
  c.globalAlpha = 1;
}

const WIDENED: Readonly<Record<LinkLook, number>> = { dimmed: 0, plain: 0, route: 0.5, hovered: 0.8, selected: 1.4 };

function styleOf(look: LinkLook, theme: Theme, step: number | undefined): string {
  if (look === "selected") return theme.danger;
  if (look === "hovered") return theme.ink;
  if (step !== undefined) return theme.scale[step] ?? theme.link;
  return look === "route" ? theme.accent : theme.link;
}

const SEGMENTS = 64; // of one path; longer ones cost more than they save

function stroke(c: Context, links: readonly SceneLink[], width: number): void {
  c.lineWidth = width;
  for (let i = 0; i < links.length; i += SEGMENTS) {
    c.beginPath();
    for (const { a, b } of links.slice(i, i + SEGMENTS)) {
      c.moveTo(a.x, a.y);
      c.lineTo(b.x, b.y);
    }
    c.stroke();
  }
}

function paintLabel(c: Context, label: SceneLabel, theme: Theme): void {
  const { box } = label;
  const selected = label.look === "selected";
  c.font = labelFont(theme);
  c.fillStyle = selected ? theme.danger : theme.canvas;
  c.globalAlpha = selected ? 1 : 0.92;
  c.beginPath();
  c.roundRect(box.x, box.y, box.w, box.h, box.h / 2);
  c.fill();
  c.globalAlpha = 1;
  const y = box.y + box.h / 2 + 0.5;
  c.textAlign = "left";
  c.fillStyle = selected ? theme.canvas : label.pinned || label.strong === "cut" ? theme.danger : theme.label;
  c.fillText(label.strong, box.x + 6, y);
  if (!label.weak) return;
  c.fillStyle = selected ? theme.canvas : theme.labelMuted;
  c.fillText(label.weak, box.x + 6 + label.strongWidth + 5, y);
}

function paintNode(c: Context, node: SceneNode, theme: Theme, sprites: Sprites): void {
  const { x, y } = node.at;
  if (node.selected || node.hovered) {
    c.fillStyle = node.selected ? theme.accent : theme.ink;
    c.globalAlpha = node.selected ? 0.22 : 0.08;
    disc(c, x, y, node.radius + 7);
    c.globalAlpha = 1;
  }
  stampBody(c, node, theme, sprites);
  if (node.named) paintName(c, node, theme);
}

/** Paints servers again that took another colour, over what is painted. */
export function paintTints(c: Context, scene: Scene, tints: ReadonlyMap<number, string>, theme: Theme, sprites: Sprites, sheet: Sheet): void {
  for (const node of scene.nodes) {
    const tint = tints.get(node.id);
    if (tint !== node.tint && on(sheet, node)) stampBody(c, { ...node, tint }, theme, sprites);
  }
}

function stampBody(c: Context, node: SceneNode, theme: Theme, sprites: Sprites): void {
  const key = `node ${node.radius} ${node.state} ${node.tint ?? node.kind ?? ""} ${node.selected}`;
  sprites.stamp(c, key, node.radius + 4, node.at.x, node.at.y, (s) => paintBody(s, node, theme));
}

/** A server without its name, around the origin. */
function paintBody(c: Context, node: SceneNode, theme: Theme): void {
  const quiet = node.state !== "running" && node.state !== "paused";
  c.fillStyle = theme.canvas;
  disc(c, 0, 0, node.radius + Math.min(2.5, 0.3 * node.radius));
  c.fillStyle = quiet ? theme.canvas : (node.tint ?? kindColour(node, theme) ?? theme.node);
  disc(c, 0, 0, node.radius);
  paintEdge(c, node, theme);
  paintGlyph(c, node, theme);
}

function kindColour({ kind }: SceneNode, theme: Theme): string | undefined {
  return kind === undefined || kind < 0 ? undefined : theme.kinds[kind % theme.kinds.length];
}

function paintEdge(c: Context, node: SceneNode, theme: Theme): void {
  c.lineWidth = node.selected ? 2.5 : Math.min(1.75, 0.22 * node.radius);
  c.strokeStyle = edgeColour(node, theme);
  if (node.state === "new" || node.state === "starting" || node.state === "stopping") c.setLineDash([3, 3.5]);
  c.beginPath();
  c.arc(0, 0, node.radius - c.lineWidth / 2, 0, TAU);
  c.stroke();
  c.setLineDash([]);
}

function edgeColour(node: SceneNode, theme: Theme): string {
  if (node.state === "failed") return theme.danger;
  if (node.state === "paused") return theme.warn;
  if (node.selected) return theme.accent;
  return node.state === "running" ? theme.nodeEdge : theme.muted;
}

/** The state that colour alone must not carry: bars for paused, a cross for failed, a square for stopped. */
function paintGlyph(c: Context, { radius, state }: SceneNode, theme: Theme): void {
  const s = radius * 0.34;
  c.fillStyle = c.strokeStyle = state === "failed" ? theme.danger : state === "paused" ? theme.ink : theme.muted;
  if (state === "paused") {
    c.fillRect(-s, -s * 1.1, s * 0.65, s * 2.2);
    c.fillRect(s * 0.35, -s * 1.1, s * 0.65, s * 2.2);
  } else if (state === "stopped") {
    c.fillRect(-s * 0.8, -s * 0.8, s * 1.6, s * 1.6);
  } else if (state === "failed") {
    c.lineWidth = 2;
    c.beginPath();
    c.moveTo(-s, -s);
    c.lineTo(s, s);
    c.moveTo(s, -s);
    c.lineTo(-s, s);
    c.stroke();
  }
}

function paintName(c: Context, node: SceneNode, theme: Theme): void {
  c.font = labelFont(theme);
  c.textAlign = "center";
  const y = node.at.y + node.radius + 10;
  c.lineWidth = 4;
  c.lineJoin = "round";
  c.strokeStyle = theme.canvas;
  c.strokeText(node.name, node.at.x, y);
  c.fillStyle = node.state === "running" ? theme.ink : theme.muted;
  c.fillText(node.name, node.at.x, y);
}

export function disc(c: Context, x: number, y: number, radius: number): void {
  c.beginPath();
  c.arc(x, y, radius, 0, TAU);
  c.fill();
}
