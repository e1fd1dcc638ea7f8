/** Where N servers stand that are placed at once. Pure: chance comes from the generator that is passed. */
import { type World, world } from "./space";

export const SHAPES = ["grid", "ring", "line", "star", "cloud", "clusters"] as const;
export type Shape = (typeof SHAPES)[number];

const CLUSTER = 8; // servers of one cluster, about
const TURN = 2 * Math.PI;

/** `spacing` is the distance between neighbours, in world pixels; the places are centred around the origin. */
export function placesOf(shape: Shape, count: number, spacing: number, random: () => number): World[] {
  const places = MAKERS[shape](count, spacing, random);
  const mid = (values: number[]) => (Math.min(...values) + Math.max(...values)) / 2;
  if (shape === "ring" || shape === "star" || places.length === 0) return places;
  const [cx, cy] = [mid(places.map((p) => p.x)), mid(places.map((p) => p.y))];
  return places.map((p) => world(p.x - cx, p.y - cy));
}

type Maker = (count: number, spacing: number, random: () => number) => World[];

const MAKERS: Readonly<Record<Shape, Maker>> = { grid, ring, line, star, cloud, clusters };

function numbered<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

function grid(count: number, spacing: number): World[] {
  const columns = Math.ceil(Math.sqrt(count));
  return numbered(count, (i) => world((i % columns) * spacing, Math.floor(i / columns) * spacing));
}

function ring(count: number, spacing: number): World[] {
  const radius = count < 2 ? 0 : spacing / (2 * Math.sin(Math.PI / count));
  return numbered(count, (i) => around(radius, i / count));
}

function line(count: number, spacing: number): World[] {
  return numbered(count, (i) => world(i * spacing, 0));
}

/** One in the middle, the others around it: on as many rings as keep them apart. */
function star(count: number, spacing: number): World[] {
  const places = [world(0, 0)];
  for (let r = 1; places.length < count; r++) {
    const n = Math.min(6 * r, count - places.length);
    for (let i = 0; i < n; i++) places.push(around(r * spacing, i / n));
  }
  return places.slice(0, count);
}

/** At random, none nearer to another than half the spacing while there is room. */
function cloud(count: number, spacing: number, random: () => number): World[] {
  const side = spacing * Math.sqrt(count);
  const places: World[] = [];
  for (let i = 0; i < count; i++) places.push(freePlace(places, side, spacing / 2, random));
  return places;
}

const TRIES = 12;

function freePlace(taken: readonly World[], side: number, apart: number, random: () => number): World {
  let best = world(random() * side, random() * side);
  for (let i = 0; i < TRIES && !taken.every((t) => Math.hypot(t.x - best.x, t.y - best.y) >= apart); i++) {
    best = world(random() * side, random() * side);
  }
  return best;
}

/** Groups of near ones, far from each other. */
function clusters(count: number, spacing: number, random: () => number): World[] {
  const groups = Math.max(1, Math.round(count / CLUSTER));
  const centres = grid(groups, spacing * 4.5);
  return numbered(count, (i) => {
    const centre = centres[i % groups] as World;
    const p = around(spacing * (0.35 + Math.sqrt(random())), Math.floor(i / groups) / Math.ceil(count / groups) + random() * 0.05);
    return world(centre.x + p.x, centre.y + p.y);
  });
}

function around(radius: number, turns: number): World {
  return world(radius * Math.cos(turns * TURN - TURN / 4), radius * Math.sin(turns * TURN - TURN / 4));
}
