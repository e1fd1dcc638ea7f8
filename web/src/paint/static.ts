/** Paints what changes only when the mesh or the view does: the grid, links, labels and servers. */
import { toWorld, screen, type View } from "../geometry/space";
import type { Scene, SceneLabel, SceneLink, SceneNode } from "../scene/scene";
import type { Theme } from "./theme";

const TAU = 2 * Math.PI;
const GRID = 50; // world pixels

export const LABEL_FONT_SIZE = 11.5;

export function labelFont(theme: Theme): string {
  return `500 ${String(LABEL_FONT_SIZE)}px ${theme.font}`;
}

type Context = CanvasRenderingContext2D;

export function paintStatic(c: Context, scene: Scene, theme: Theme, view: View, width: number, height: number): void {
  c.fillStyle = theme.canvas;
  c.fillRect(0, 0, width, height);
  paintGrid(c, theme, view, width, height);
  for (const link of scene.links) paintLink(c, link, theme);
  c.textBaseline = "middle";
  for (const label of scene.labels) paintLabel(c, label, theme);
  for (const node of scene.nodes) paintNode(c, node, theme);
}

/** Dots every 50 px of the world, coarser when zoomed out: the ruler that distance is read from. */
function paintGrid(c: Context, theme: Theme, view: View, width: number, height: number): void {
  let step = GRID;
  while (step * view.k < 28) step *= 4;
  const first = toWorld(view, screen(0, 0));
  const size = view.k * step > 60 ? 2 : 1.5;
  c.fillStyle = theme.grid;
  for (let x = Math.ceil(first.x / step) * step; x * view.k + view.x < width; x += step) {
    for (let y = Math.ceil(first.y / step) * step; y * view.k + view.y < height; y += step) {
      c.fillRect(x * view.k + view.x - size / 2, y * view.k + view.y - size / 2, size, size);
    }
  }
}

function paintLink(c: Context, link: SceneLink, theme: Theme): void {
  if (link.load > 0.02 && !link.cut) {
    c.globalAlpha = 0.15 + 0.35 * link.load;
    stroke(c, link, theme.accent, link.width + 3 + 5 * link.load);
  }
  c.globalAlpha = link.look === "dimmed" ? 0.35 : 1;
  if (link.cut) c.setLineDash([5, 6]);
  if (link.look === "selected") stroke(c, link, theme.danger, link.width + 1.4);
  else if (link.look === "hovered") stroke(c, link, theme.ink, link.width + 0.8);
  else if (link.look === "route") stroke(c, link, theme.accent, link.width + 0.5);
  else stroke(c, link, theme.link, link.width);
  c.setLineDash([]);
  c.globalAlpha = 1;
}

function stroke(c: Context, link: SceneLink, style: string, width: number): void {
  c.strokeStyle = style;
  c.lineWidth = width;
  c.lineCap = "round";
  c.beginPath();
  c.moveTo(link.a.x, link.a.y);
  c.lineTo(link.b.x, link.b.y);
  c.stroke();
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

function paintNode(c: Context, node: SceneNode, theme: Theme): void {
  const { x, y } = node.at;
  const quiet = node.state !== "running" && node.state !== "paused";
  if (node.selected || node.hovered) {
    c.fillStyle = node.selected ? theme.accent : theme.ink;
    c.globalAlpha = node.selected ? 0.22 : 0.08;
    disc(c, x, y, node.radius + 7);
    c.globalAlpha = 1;
  }
  c.fillStyle = theme.canvas;
  disc(c, x, y, node.radius + 2.5);
  c.fillStyle = quiet ? theme.canvas : (node.tint ?? theme.node);
  disc(c, x, y, node.radius);
  paintEdge(c, node, theme);
  paintGlyph(c, node, theme);
  if (node.named) paintName(c, node, theme);
}

function paintEdge(c: Context, node: SceneNode, theme: Theme): void {
  c.lineWidth = node.selected ? 2.5 : 1.75;
  c.strokeStyle = edgeColour(node, theme);
  if (node.state === "new" || node.state === "starting" || node.state === "stopping") c.setLineDash([3, 3.5]);
  c.beginPath();
  c.arc(node.at.x, node.at.y, node.radius - c.lineWidth / 2, 0, TAU);
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
function paintGlyph(c: Context, { at: { x, y }, radius, state }: SceneNode, theme: Theme): void {
  const s = radius * 0.34;
  c.fillStyle = c.strokeStyle = state === "failed" ? theme.danger : state === "paused" ? theme.ink : theme.muted;
  if (state === "paused") {
    c.fillRect(x - s, y - s * 1.1, s * 0.65, s * 2.2);
    c.fillRect(x + s * 0.35, y - s * 1.1, s * 0.65, s * 2.2);
  } else if (state === "stopped") {
    c.fillRect(x - s * 0.8, y - s * 0.8, s * 1.6, s * 1.6);
  } else if (state === "failed") {
    c.lineWidth = 2;
    c.beginPath();
    c.moveTo(x - s, y - s);
    c.lineTo(x + s, y + s);
    c.moveTo(x + s, y - s);
    c.lineTo(x - s, y + s);
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
