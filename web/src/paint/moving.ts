/** Paints what moves, over the static canvas: events, halos, and what follows the pointer. */
import { mix, type Screen } from "../geometry/space";
import type { Dot, Ring } from "../scene/motion";
import type { Ghost } from "../scene/scene";
import { eventColour } from "./colour";
import { disc, labelFont } from "./static";
import type { Theme } from "./theme";

const TAU = 2 * Math.PI;
const DOT = 5.5; // screen pixels
const HALO_GROWTH = 34;

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

type Context = CanvasRenderingContext2D;

export function paintMoving(c: Context, input: MovingInput, theme: Theme, width: number, height: number): void {
  c.clearRect(0, 0, width, height);
  if (input.reach) paintReach(c, input.reach.at, input.reach.radius, theme);
  if (input.ghost) paintGhost(c, input.ghost, input.radius, theme);
  for (const p of input.arriving) paintArriving(c, p, input, theme);
  for (const ring of input.rings) paintRing(c, ring, input, theme);
  const parked = new Map<string, number>();
  for (const dot of input.dots) paintDot(c, dot, input, theme, parked);
}

/** A filled halo that grows where an event was processed; a dashed red one that stays where it did not arrive. */
function paintRing(c: Context, ring: Ring, input: MovingInput, theme: Theme): void {
  const p = input.at(ring.server);
  if (!p) return;
  const grown = input.calm ? HALO_GROWTH / 3 : HALO_GROWTH * (1 - (1 - ring.age) ** 3);
  const colour = ring.failed ? theme.danger : eventColour(ring.event);
  const fade = 1 - ring.age;
  c.fillStyle = c.strokeStyle = colour;
  if (!ring.failed) {
    c.globalAlpha = 0.28 * fade;
    annulus(c, p, input.radius, input.radius + grown);
  }
  c.globalAlpha = 0.9 * fade;
  c.lineWidth = 1 + 1.5 * fade;
  c.setLineDash(ring.failed ? [4, 5] : []);
  c.beginPath();
  c.arc(p.x, p.y, input.radius + (ring.failed ? HALO_GROWTH / 4 : grown), 0, TAU);
  c.stroke();
  c.setLineDash([]);
  c.globalAlpha = 1;
  if (ring.failed) return;
  disc(c, p.x, p.y, input.radius - 1.5);
}

function annulus(c: Context, p: Screen, inner: number, outer: number): void {
  c.beginPath();
  c.arc(p.x, p.y, outer, 0, TAU);
  c.arc(p.x, p.y, inner, 0, TAU, true);
  c.fill();
}

function paintDot(c: Context, dot: Dot, input: MovingInput, theme: Theme, parked: Map<string, number>): void {
  const [from, to] = [input.at(dot.place.from), input.at(dot.place.to)];
  if (!from || !to) return;
  const colour = eventColour(dot.event);
  if (dot.waiting) {
    paintWaiting(c, from, to, dot, input, theme, parked);
    return;
  }
  if (input.calm) {
    c.strokeStyle = colour;
    c.lineWidth = 4;
    line(c, from, to);
    return;
  }
  const p = mix(from, to, dot.place.along);
  paintTrail(c, from, p, colour);
  c.fillStyle = theme.canvas;
  disc(c, p.x, p.y, DOT + 1.5);
  c.fillStyle = colour;
  disc(c, p.x, p.y, DOT);
}

/** The stretch behind a circle, so that its direction can be seen in a still picture. */
function paintTrail(c: Context, from: Screen, p: Screen, colour: string): void {
  const length = Math.hypot(p.x - from.x, p.y - from.y);
  if (length < 1) return;
  const tail = mix(p, from, Math.min(1, 36 / length));
  const fade = c.createLinearGradient(tail.x, tail.y, p.x, p.y);
  fade.addColorStop(0, `${colour}00`);
  fade.addColorStop(1, `${colour}cc`);
  c.strokeStyle = fade;
  c.lineWidth = 4;
  line(c, tail, p);
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
  parked: Map<string, number>,
): void {
  const slot = parked.get(String(dot.place.to)) ?? 0;
  parked.set(String(dot.place.to), slot + 1);
  const angle = Math.atan2(from.y - to.y, from.x - to.x) + slot * 0.42;
  const rim = input.radius + 8;
  const pulse = input.calm ? 0 : 0.8 * Math.sin(input.nowMS / 220);
  const [x, y] = [to.x + rim * Math.cos(angle), to.y + rim * Math.sin(angle)];
  c.fillStyle = theme.canvas;
  disc(c, x, y, 4.5 + pulse);
  c.strokeStyle = eventColour(dot.event);
  c.lineWidth = 2;
  c.beginPath();
  c.arc(x, y, 3.6 + pulse, 0, TAU);
  c.stroke();
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
