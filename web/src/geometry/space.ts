/**
 * The two spaces of the page. World is the canvas of the mesh, in the pixels whose distance is latency;
 * screen is CSS pixels from the top left of the drawing area. They are distinct types, so that one can not
 * be passed for the other.
 */
declare const space: unique symbol;

interface Point<Space> {
  readonly x: number;
  readonly y: number;
  readonly [space]?: Space;
}

export type World = Point<"world">;
export type Screen = Point<"screen">;

/** How the world is shown: screen = world * k + (x, y). */
export interface View {
  readonly k: number;
  readonly x: number;
  readonly y: number;
}

export function sameView(a: View, b: View): boolean {
  return a.k === b.k && a.x === b.x && a.y === b.y;
}

export interface Box<P> {
  readonly min: P;
  readonly max: P;
}

/** Space around what is fitted, in screen pixels, taken by panels and margins. */
export interface Insets {
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly left: number;
}

export const MIN_ZOOM = 0.05;
export const MAX_ZOOM = 8;

export function world(x: number, y: number): World {
  return { x, y };
}

export function screen(x: number, y: number): Screen {
  return { x, y };
}

export function toScreen(view: View, p: World): Screen {
  return { x: p.x * view.k + view.x, y: p.y * view.k + view.y };
}

export function toWorld(view: View, p: Screen): World {
  return { x: (p.x - view.x) / view.k, y: (p.y - view.y) / view.k };
}

/** The distance between two points of the same space, in that space's pixels. */
export function distance<P extends World | Screen>(a: P, b: P): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

export function mix<P extends World | Screen>(a: P, b: P, t: number): P {
  return { x: a.x + (b.x - a.x) * t, y: a.y + (b.y - a.y) * t } as P;
}

export function boundsOf(points: Iterable<World>): Box<World> | undefined {
  let found = false;
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const p of points) {
    found = true;
    x0 = Math.min(x0, p.x);
    y0 = Math.min(y0, p.y);
    x1 = Math.max(x1, p.x);
    y1 = Math.max(y1, p.y);
  }
  return found ? { min: world(x0, y0), max: world(x1, y1) } : undefined;
}

/** The view that shows the whole box inside the insets, never larger than 1:1 pixels times `limit`. */
export function fit(box: Box<World>, width: number, height: number, insets: Insets, limit = 1.6): View {
  const roomX = Math.max(80, width - insets.left - insets.right);
  const roomY = Math.max(80, height - insets.top - insets.bottom);
  const spanX = Math.max(1, box.max.x - box.min.x);
  const spanY = Math.max(1, box.max.y - box.min.y);
  const k = clamp(Math.min(roomX / spanX, roomY / spanY), MIN_ZOOM, limit);
  const midX = (box.min.x + box.max.x) / 2;
  const midY = (box.min.y + box.max.y) / 2;
  return { k, x: insets.left + roomX / 2 - midX * k, y: insets.top + roomY / 2 - midY * k };
}

/** The view moved by the least that brings the box inside the insets; where it does not fit, its start. */
export function reveal(view: View, box: Box<World>, width: number, height: number, insets: Insets): View {
  const [a, b] = [toScreen(view, box.min), toScreen(view, box.max)];
  return {
    k: view.k,
    x: view.x + shift(a.x, b.x, insets.left, width - insets.right),
    y: view.y + shift(a.y, b.y, insets.top, height - insets.bottom),
  };
}

/** By how much [a, b] is to be moved to lie in [least, most]. */
function shift(a: number, b: number, least: number, most: number): number {
  if (a < least) return least - a;
  return b > most ? Math.max(most - b, least - a) : 0;
}

export function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

/** How far p is from the segment ab, in the space of the three. */
export function distanceToSegment<P extends World | Screen>(p: P, a: P, b: P): number {
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const squared = dx * dx + dy * dy;
  if (squared === 0) return distance(p, a);
  const t = clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / squared, 0, 1);
  return Math.hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}
