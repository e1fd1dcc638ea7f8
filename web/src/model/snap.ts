/** Places at which latencies are round: near to where one holds a server, it is drawn to them. Pure. */
import { distance, type World, world } from "../geometry/space";
import type { Settings } from "./types";

const LEAST_STEP = 20; // screen pixels between two round latencies
const PULL = 4; // screen pixels from which on a server is drawn to one

/** A round latency in ms, 1, 2 or 5 times a power of ten, whose multiples lie at least LEAST_STEP apart on the screen. */
export function roundStep(pixelsPerMS: number): number {
  const least = LEAST_STEP / pixelsPerMS;
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5, 10].find((m) => m * power >= least * 0.999_999) ?? 10) * power;
}

/**
 * The place near `at` at which the latencies to the nearest one or two of these neighbours are round; `at` itself where
 * there is none within a few pixels of the screen at this zoom.
 */
export function snapped(at: World, neighbours: readonly World[], settings: Settings, zoom: number): World {
  const perPixel = settings.latency_scale_pct / 100;
  const step = roundStep(zoom / perPixel) / perPixel; // world pixels
  const pull = PULL / zoom;
  const rings = neighbours.flatMap((centre) => {
    const r = distance(at, centre);
    const round = Math.round(r / step) * step;
    return round > 0 && Math.abs(round - r) <= pull ? [{ centre, r, round }] : [];
  });
  const [first, ...others] = rings.sort((p, q) => Math.abs(p.round - p.r) - Math.abs(q.round - q.r));
  if (!first) return at;
  for (const other of others) {
    const both = crossing(at, first, other);
    if (both && distance(at, both) <= 1.5 * pull) return both;
  }
  const { centre, r, round } = first;
  return world(centre.x + ((at.x - centre.x) / r) * round, centre.y + ((at.y - centre.y) / r) * round);
}

interface Ring {
  readonly centre: World;
  readonly round: number;
}

/** Where two circles cross, nearest to a point; undefined where they do not. */
function crossing(near: World, a: Ring, b: Ring): World | undefined {
  const d = distance(a.centre, b.centre);
  if (d === 0 || d > a.round + b.round || d < Math.abs(a.round - b.round)) return undefined;
  const along = (a.round ** 2 - b.round ** 2 + d ** 2) / (2 * d);
  const across = Math.sqrt(Math.max(0, a.round ** 2 - along ** 2));
  const [ux, uy] = [(b.centre.x - a.centre.x) / d, (b.centre.y - a.centre.y) / d];
  const sides = [across, -across].map((h) => world(a.centre.x + along * ux - h * uy, a.centre.y + along * uy + h * ux));
  return sides.sort((p, q) => distance(near, p) - distance(near, q))[0];
}
