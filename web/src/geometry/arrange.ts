/** Lining up and spreading out: pure functions from places to places, by id. */
import { boundsOf, type World, world } from "./space";

export type Side = "left" | "centre" | "right" | "top" | "middle" | "bottom";
export type Axis = "x" | "y";
export type Places = ReadonlyMap<number, World>;

/** All on one line: at a side of what they span, or in its middle. */
export function align(places: Places, side: Side): Places {
  const box = boundsOf(places.values());
  if (!box) return places;
  const { min, max } = box;
  const line: { x?: number; y?: number } = {
    left: { x: min.x },
    centre: { x: (min.x + max.x) / 2 },
    right: { x: max.x },
    top: { y: min.y },
    middle: { y: (min.y + max.y) / 2 },
    bottom: { y: max.y },
  }[side];
  return mapped(places, (p) => world(line.x ?? p.x, line.y ?? p.y));
}

/** The same distance from each to the next along an axis; the outermost stay. */
export function distribute(places: Places, axis: Axis): Places {
  const inOrder = [...places].sort(([, p], [, q]) => p[axis] - q[axis]);
  const [first, last] = [inOrder[0]?.[1], inOrder.at(-1)?.[1]];
  if (!first || !last || inOrder.length < 3) return places;
  const step = (last[axis] - first[axis]) / (inOrder.length - 1);
  return new Map(inOrder.map(([id, p], i) => [id, { ...p, [axis]: first[axis] + i * step }]));
}

export function shifted(places: Places, dx: number, dy: number): Places {
  return mapped(places, (p) => world(p.x + dx, p.y + dy));
}

function mapped(places: Places, change: (p: World) => World): Places {
  return new Map([...places].map(([id, p]) => [id, change(p)]));
}
