/** A small map of the whole mesh: where the world and what the board shows lie on it. Pure. */
import { type Box, toWorld, type View, type World, world } from "./space";

/** How the world is shown on the map: map = world * k + (x, y), in the map's own pixels. */
export type MapView = View;

export interface Frame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const PAD = 8; // the map's pixels around what it shows
const LEAST = 200; // world pixels that a map shows at least

/** The whole box, in the middle. */
export function mapOf(box: Box<World>, width: number, height: number): MapView {
  const across = Math.max(LEAST, box.max.x - box.min.x);
  const down = Math.max(LEAST, box.max.y - box.min.y);
  const k = Math.min((width - 2 * PAD) / across, (height - 2 * PAD) / down);
  const [midX, midY] = [(box.min.x + box.max.x) / 2, (box.min.y + box.max.y) / 2];
  return { k, x: width / 2 - midX * k, y: height / 2 - midY * k };
}

/** What the board shows, on the map. */
export function frameOf(map: MapView, view: View, width: number, height: number): Frame {
  const a = toWorld(view, { x: 0, y: 0 });
  const b = toWorld(view, { x: width, y: height });
  return { left: a.x * map.k + map.x, top: a.y * map.k + map.y, width: (b.x - a.x) * map.k, height: (b.y - a.y) * map.k };
}

/** The view of the same zoom that has a point of the map in its middle. */
export function centredOn(map: MapView, x: number, y: number, view: View, width: number, height: number): View {
  const at = world((x - map.x) / map.k, (y - map.y) / map.k);
  return { k: view.k, x: width / 2 - at.x * view.k, y: height / 2 - at.y * view.k };
}

/** Whether the board shows the whole box. */
export function showsAll(box: Box<World>, view: View, width: number, height: number): boolean {
  const [a, b] = [toWorld(view, { x: 0, y: 0 }), toWorld(view, { x: width, y: height })];
  return box.min.x >= a.x && box.min.y >= a.y && box.max.x <= b.x && box.max.y <= b.y;
}
