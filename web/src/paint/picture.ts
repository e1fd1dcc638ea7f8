/** The mesh as an SVG document of its own: to be saved, printed, put into a paper. Pure; it touches no page. */
import { type LabelBox, Occupancy } from "../geometry/labels";
import { boundsOf, distance, mix, type Screen, toScreen, type View } from "../geometry/space";
import type { Mesh } from "../model/mesh";
import type { Link, Server } from "../model/types";
import { formatBandwidth, formatLatency } from "../units";

export interface PictureColours {
  readonly canvas: string;
  readonly link: string;
  readonly label: string;
  readonly labelMuted: string;
  readonly ink: string;
  readonly muted: string;
  readonly node: string;
  readonly nodeEdge: string;
  readonly danger: string;
  readonly warn: string;
  readonly font: string;
}

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

const MARGIN = 60;
const LABEL_HEIGHT = 16;
const SPOTS = [0.5, 0.42, 0.58, 0.34, 0.66];

/** The whole mesh, its latencies and rates where there is room for them, in a picture of this size in pixels. */
export function meshPicture(mesh: Mesh, colours: PictureColours, size: PictureSize, measure: (text: string) => number): string {
  const servers = [...mesh.servers.values()];
  const view = wholeIn(servers, size);
  const at = new Map(servers.map((s) => [s.id, toScreen(view, s)]));
  const radius = Math.max(3, Math.min(16, 15 * view.k ** 0.65));
  const taken = new Occupancy();
  for (const p of at.values()) taken.add({ x: p.x - radius, y: p.y - radius, w: 2 * radius, h: 2 * radius });
  const names = servers.map((s) => name(s, at.get(s.id) as Screen, radius, taken, colours, measure));
  const links = [...mesh.links.values()].flatMap((l) => {
    const [a, b] = [at.get(l.a), at.get(l.b)];
    return a && b ? [{ l, a, b }] : [];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" font-family="${escaped(colours.font)}" font-size="11.5" font-weight="500">`,
    `<title>${escaped(`A mesh of ${servers.length} servers and ${links.length} links`)}</title>`,
    `<rect width="100%" height="100%" fill="${colours.canvas}"/>`,
    `<g fill="none" stroke="${colours.link}" stroke-linecap="round">${links.map(({ l, a, b }) => line(l, a, b)).join("")}</g>`,
    `<g>${links.map(({ l, a, b }) => label(l, a, b, radius, taken, colours, measure)).join("")}</g>`,
    `<g>${servers.map((s) => node(s, at.get(s.id) as Screen, radius, colours)).join("")}</g>`,
    `<g text-anchor="middle">${names.join("")}</g>`,
    "</svg>",
  ].join("\n");
}

/** The view that shows all of them, however far apart they are. */
function wholeIn(servers: readonly Server[], { width, height }: PictureSize): View {
  const box = boundsOf(servers);
  if (!box) return { k: 1, x: 0, y: 0 };
  const span = { x: Math.max(1, box.max.x - box.min.x), y: Math.max(1, box.max.y - box.min.y) };
  const k = Math.min((width - 2 * MARGIN) / span.x, (height - 2 * MARGIN) / span.y, 1.6);
  return { k, x: width / 2 - (k * (box.min.x + box.max.x)) / 2, y: height / 2 - (k * (box.min.y + box.max.y)) / 2 };
}

function line(l: Link, a: Screen, b: Screen): string {
  const dash = l.cut ? ' stroke-dasharray="5 6"' : "";
  return `<path d="M${px(a.x)} ${px(a.y)}L${px(b.x)} ${px(b.y)}" stroke-width="1.6"${dash}/>`;
}

function label(l: Link, a: Screen, b: Screen, radius: number, taken: Occupancy, c: PictureColours, measure: (t: string) => number): string {
  const strong = l.cut ? "cut" : both(formatLatency(rounded(l.ab.latency_ms)), formatLatency(rounded(l.ba.latency_ms)));
  const rates = both(formatBandwidth(l.ab.bandwidth), formatBandwidth(l.ba.bandwidth));
  for (const weak of l.cut ? [""] : [rates, ""]) {
    const w = measure(weak ? `${strong} ${weak}` : strong) + 10;
    if (distance(a, b) - 2 * radius < Math.min(w, 70)) continue;
    const box = taken.place(SPOTS.map((t) => around(mix(a, b, t), w)));
    if (!box) continue;
    const pinned = l.cut || Object.keys(l.pins_ab).length + Object.keys(l.pins_ba).length > 0;
    const more = weak ? ` <tspan fill="${c.labelMuted}">${escaped(weak)}</tspan>` : "";
    const text = `<text x="${px(box.x + 5)}" y="${px(box.y + 12)}" fill="${pinned ? c.danger : c.label}">${escaped(strong)}${more}</text>`;
    return `<rect x="${px(box.x)}" y="${px(box.y)}" width="${px(w)}" height="${LABEL_HEIGHT}" rx="8" fill="${c.canvas}" fill-opacity="0.92"/>${text}`;
  }
  return "";
}

function around(p: Screen, w: number): LabelBox {
  return { x: p.x - w / 2, y: p.y - LABEL_HEIGHT / 2, w, h: LABEL_HEIGHT };
}

function node(s: Server, { x, y }: Screen, radius: number, c: PictureColours): string {
  const runs = s.state === "running" || s.state === "paused";
  const edge = s.state === "failed" ? c.danger : s.state === "paused" ? c.warn : runs ? c.nodeEdge : c.muted;
  return `<circle cx="${px(x)}" cy="${px(y)}" r="${px(radius)}" fill="${runs ? c.node : c.canvas}" stroke="${edge}" stroke-width="1.75"/>`;
}

function name(s: Server, at: Screen, radius: number, taken: Occupancy, c: PictureColours, measure: (t: string) => number): string {
  const w = measure(s.name);
  const box = { x: at.x - w / 2, y: at.y + radius + 2, w, h: 15 };
  if (!taken.free(box)) return "";
  taken.add(box);
  const said = s.state === "running" ? s.name : `${s.name} (${s.state})`;
  return `<text x="${px(at.x)}" y="${px(at.y + radius + 14)}" fill="${c.ink}" stroke="${c.canvas}" stroke-width="4" stroke-linejoin="round" paint-order="stroke">${escaped(said)}</text>`;
}

function both(ab: string, ba: string): string {
  return ab === ba ? ab : `${ab} ⇄ ${ba}`;
}

function rounded(ms: number): number {
  return ms >= 10 ? Math.round(ms) : Math.round(ms * 10) / 10;
}

function px(n: number): string {
  return String(Math.round(n * 10) / 10);
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${String(c.charCodeAt(0))};`);
}
