/** Paints what moves, over the static canvas: events, halos, and what follows the pointer. */
import { mix, type Screen } from "../geometry/space";
import { bundled, type Mark } from "../scene/bundle";
import type { Dot, Ring } from "../scene/motion";
import type { Ghost } from "../scene/scene";
import { eventColour } from "./colour";
import type { Context } from "./context";
import type { Sprites } from "./sprites";
import { disc, labelFont } from "./static";
import type { Theme } from "./theme";

const TAU = 2 * Math.PI;
const DOT = 5.5; // screen pixels
const HALO_GROWTH = 34; // the same
const FULL = 9; // the radius of servers, in screen pixels, from which on circles and halos have their full size

/** How large circles are, 1 at most: beside small servers they would hide the mesh. */
function scaleBeside(radius: number): number {
  return Math.min(1, Math.max(0.45, radius / FULL));
}

export interface MovingInput {
  readonly dots: readonly Dot[];
  readonly rings: readonly Ring[];
  /** Where a server is on the screen; undefined where it is gone. */
  readonly at: (server: number) => Screen | undefined;
  readonly radius: number;
  readonly ghost: Ghost | undefined;
  /** Servers asked for and not there yet. */
  readonly arriving: readonly Screen[];
  /** The circle of the largest latency around a server that is dragged. */
  readonly reach: { readonly at: Screen; readonly radius: number } | undefined;
  readonly calm: boolean; // reduced motion
  readonly nowMS: number; // of any clock, for pulses
}

export function paintMoving(c: Context, input: MovingInput, theme: Theme, sprites: Sprites, width: number, height: number): void {
  c.clearRect(0, 0, width, height);
  if (input.reach) paintReach(c, input.reach.at, input.reach.radius, theme);
  if (input.ghost) paintGhost(c, input.ghost, input.radius, theme);
  for (const p of input.arriving) paintArriving(c, p, input, theme);
  paintRings(c, input, theme, sprites);
  paintDots(c, input, theme, sprites, width, height);
}

const FILLED_RINGS = 60; // beyond, halos are outlines: so many filled ones would hide the mesh
const AGES = 10; // steps in which outlines grow and fade, so that they can be stamped

/** A filled halo that grows where an event was processed; a dashed red one that stays where it did not arrive. */
function paintRings(c: Context, input: MovingInput, theme: Theme, sprites: Sprites): void {
  const crowded = input.rings.length > FILLED_RINGS;
  for (const ring of input.rings) {
    const p = input.at(ring.server);
    if (!p) continue;
    if (crowded) stampRing(c, ring, p, input, theme, sprites);
    else paintRing(c, ring, p, input, theme);
  }
}

function stampRing(c: Context, ring: Ring, p: Screen, input: MovingInput, theme: Theme, sprites: Sprites): void {
  const age = Math.floor(ring.age * AGES) / AGES;
  const key = `ring ${ring.failed ? "" : eventColour(ring.event)} ${age} ${Math.round(input.radius)}`;
  sprites.stamp(c, key, input.radius + HALO_GROWTH * scaleBeside(input.radius) + 2, p.x, p.y, (s) => {
    outline(s, { ...ring, age }, { x: 0, y: 0 }, input, theme);
  });
}

function paintRing(c: Context, ring: Ring, p: Screen, input: MovingInput, theme: Theme): void {
  if (!ring.failed) {
    c.fillStyle = eventColour(ring.event);
    c.globalAlpha = 0.28 * (1 - ring.age);
    annulus(c, p, input.radius, input.radius + grown(ring, input));
    c.globalAlpha = 1;
    disc(c, p.x, p.y, input.radius - 1.5);
  }
  outline(c, ring, p, input, theme);
}

function outline(c: Context, ring: Ring, p: Screen, input: MovingInput, theme: Theme): void {
  const fade = 1 - ring.age;
  c.strokeStyle = ring.failed ? theme.danger : eventColour(ring.event);
  c.globalAlpha = 0.9 * fade;
  c.lineWidth = 1 + 1.5 * fade;
  c.setLineDash(ring.failed ? [4, 5] : []);
  c.beginPath();
  c.arc(p.x, p.y, input.radius + grown(ring, input), 0, TAU);
  c.stroke();
  c.setLineDash([]);
  c.globalAlpha = 1;
}

/** By how much a halo is larger than its server, in screen pixels. */
function grown(ring: Ring, input: MovingInput): number {
  const growth = HALO_GROWTH * scaleBeside(input.radius);
  if (ring.failed) return growth / 4;
  return input.calm ? growth / 3 : growth * (1 - (1 - ring.age) ** 3);
}

function annulus(c: Context, p: Screen, inner: number, outer: number): void {
  c.beginPath();
  c.arc(p.x, p.y, outer, 0, TAU);
  c.arc(p.x, p.y, inner, 0, TAU, true);
  c.fill();
}

function paintDots(c: Context, input: MovingInput, theme: Theme, sprites: Sprites, width: number, height: number): void {
  const travelling: Dot[] = [];
  const parked = new Map<number, number>();
  for (const dot of input.dots) {
    const [from, to] = [input.at(dot.place.from), input.at(dot.place.to)];
    if (!from || !to) continue;
    if (dot.waiting) {
      paintWaiting(c, from, to, dot, input, theme, sprites, parked);
    } else if (input.calm) {
      c.strokeStyle = eventColour(dot.event);
      c.lineWidth = 4;
      line(c, from, to);
    } else {
      travelling.push(dot);
    }
  }
  const marks = bundled(travelling, input.at).filter(({ at }) => at.x > -40 && at.y > -40 && at.x < width + 40 && at.y < height + 40);
  const scale = scaleBeside(input.radius);
  paintTrails(c, marks, scale);
  for (const mark of marks) paintMark(c, mark, scale, theme, sprites);
}

/** One event is a circle, a retried one a diamond, several on one spot a larger circle with their number. */
function paintMark(c: Context, mark: Mark, scale: number, theme: Theme, sprites: Sprites): void {
  const colour = eventColour(mark.event);
  const said = mark.count < 2 ? "" : mark.count < 100 ? String(mark.count) : mark.count < 1000 ? "99+" : `${String(Math.floor(mark.count / 1000))}k+`;
  const size = said ? 7.5 + 1.6 * said.length : DOT * scale;
  const key = `mark ${colour} ${said} ${mark.retry} ${mark.mixed} ${size.toFixed(1)}`;
  sprites.stamp(c, key, 1.3 * size + 3.5, mark.at.x, mark.at.y, (s) => {
    const shape = mark.retry ? diamond : disc;
    s.fillStyle = theme.canvas;
    shape(s, 0, 0, size + 1.5);
    s.fillStyle = mark.mixed ? theme.bundle : colour;
    shape(s, 0, 0, size);
    if (!said) return;
    s.fillStyle = ON_EVENT;
    s.font = `650 10px ${theme.font}`;
    s.textAlign = "center";
    s.textBaseline = "middle";
    s.fillText(said, 0, 0.5);
  });
}

const ON_EVENT = "#0c121d"; // on every colour of events it has a contrast of 4.5 or more

function diamond(c: Context, x: number, y: number, radius: number): void {
  const r = radius * 1.3;
  c.beginPath();
  c.moveTo(x, y - r);
  c.lineTo(x + r, y);
  c.lineTo(x, y + r);
  c.lineTo(x - r, y);
  c.closePath();
  c.fill();
}

/** How far behind a circle each band of its trail begins and ends, in screen pixels, and how strong it is. */
const TRAIL = [
  { begin: 36, end: 26, alpha: 0.16 },
  { begin: 26, end: 16, alpha: 0.36 },
  { begin: 16, end: 0, alpha: 0.66 },
] as const;

/** The stretch behind a circle, so that its direction can be seen in a still picture; a path for each colour. */
function paintTrails(c: Context, marks: readonly Mark[], scale: number): void {
  const byColour = Map.groupBy(marks, (m) => eventColour(m.event));
  c.lineWidth = 4 * scale;
  c.lineCap = "butt";
  for (const [colour, group] of byColour) {
    c.strokeStyle = colour;
    for (const { begin, end, alpha } of TRAIL) {
      c.globalAlpha = alpha;
      c.beginPath();
      for (const { from, at } of group) trailBand(c, from, at, begin * scale, end * scale);
      c.stroke();
    }
  }
  c.globalAlpha = 1;
}

function trailBand(c: Context, from: Screen, at: Screen, begin: number, end: number): void {
  const length = Math.hypot(at.x - from.x, at.y - from.y);
  if (length <= end) return;
  const [a, b] = [mix(at, from, Math.min(1, begin / length)), mix(at, from, end / length)];
  c.moveTo(a.x, a.y);
  c.lineTo(b.x, b.y);
}

/**
 * An event that had the time to travel its path and is not processed yet (it is still being transmitted,
 * queued, or its connection set up) stands at its destination's rim, hollow, beside others that wait.
 */
function paintWaiting(
  c: Context,
  from: Screen,
  to: Screen,
  dot: Dot,
  input: MovingInput,
  theme: Theme,
  sprites: Sprites,
  parked: Map<number, number>,
): void {
  const slot = parked.get(dot.place.to) ?? 0;
  parked.set(dot.place.to, slot + 1);
  const angle = Math.atan2(from.y - to.y, from.x - to.x) + slot * 0.42;
  const scale = scaleBeside(input.radius);
  const rim = input.radius + 8 * scale;
  const pulse = input.calm ? 0 : 0.8 * Math.sin(input.nowMS / 220);
  const [x, y] = [to.x + rim * Math.cos(angle), to.y + rim * Math.sin(angle)];
  const colour = eventColour(dot.event);
  const step = Math.round(pulse * 4);
  sprites.stamp(c, `waiting ${colour} ${step} ${scale.toFixed(1)}`, 7, x, y, (s) => {
    s.fillStyle = theme.canvas;
    disc(s, 0, 0, (4.5 + step / 4) * scale);
    s.strokeStyle = colour;
    s.lineWidth = 2 * scale;
    s.beginPath();
    s.arc(0, 0, (3.6 + step / 4) * scale, 0, TAU);
    s.stroke();
  });
}

function paintGhost(c: Context, ghost: Ghost, radius: number, theme: Theme): void {
  paintReach(c, ghost.at, ghost.reach, theme);
  c.strokeStyle = theme.accent;
  c.lineWidth = 1.25;
  c.globalAlpha = 0.55;
  c.setLineDash([2, 5]);
  for (const { to } of ghost.lines) line(c, ghost.at, to);
  c.setLineDash([]);
  c.globalAlpha = 1;
  c.font = labelFont(theme);
  c.textAlign = "center";
  c.textBaseline = "middle";
  for (const { to, text } of ghost.lines) {
    const p = mix(ghost.at, to, 0.5);
    c.strokeStyle = theme.canvas;
    c.lineWidth = 5;
    c.lineJoin = "round";
    c.strokeText(text, p.x, p.y);
    c.fillStyle = theme.accent;
    c.fillText(text, p.x, p.y);
  }
  c.globalAlpha = 0.9;
  c.strokeStyle = theme.accent;
  c.lineWidth = 1.5;
  c.beginPath();
  c.arc(ghost.at.x, ghost.at.y, radius - 1, 0, TAU);
  c.moveTo(ghost.at.x - 5, ghost.at.y);
  c.lineTo(ghost.at.x + 5, ghost.at.y);
  c.moveTo(ghost.at.x, ghost.at.y - 5);
  c.lineTo(ghost.at.x, ghost.at.y + 5);
  c.stroke();
  c.globalAlpha = 1;
}

function paintReach(c: Context, p: Screen, radius: number, theme: Theme): void {
  c.strokeStyle = theme.accent;
  c.globalAlpha = 0.32;
  c.lineWidth = 1;
  c.beginPath();
  c.arc(p.x, p.y, radius, 0, TAU);
  c.stroke();
  c.globalAlpha = 0.022;
  c.fillStyle = theme.accent;
  c.fill();
  c.globalAlpha = 1;
}

function paintArriving(c: Context, p: Screen, input: MovingInput, theme: Theme): void {
  c.strokeStyle = theme.muted;
  c.lineWidth = 1.75;
  c.setLineDash([3, 3.5]);
  c.lineDashOffset = input.calm ? 0 : -input.nowMS / 60;
  c.beginPath();
  c.arc(p.x, p.y, input.radius - 1, 0, TAU);
  c.stroke();
  c.setLineDash([]);
  c.lineDashOffset = 0;
}

function line(c: Context, a: Screen, b: Screen): void {
  c.lineCap = "round";
  c.beginPath();
  c.moveTo(a.x, a.y);
  c.lineTo(b.x, b.y);
  c.stroke();
}
