/** What the colours of the canvas stand for, and the steps of a scale. Pure: which colours they are, paint says. */
import { type LinkKey, type Mesh } from "../model/mesh";
import type { Link } from "../model/types";
import { formatLatency } from "../units";

export const COLOURINGS = ["events", "latency", "load", "loss", "kind"] as const;
export type Colouring = (typeof COLOURINGS)[number];

/** A scale of STEPS steps: a value below bounds[i] is at step i, one beyond the last bound at the last step. */
export interface Scale {
  readonly bounds: readonly number[];
  /** What each step is, in words. */
  readonly labels: readonly string[];
}

export const STEPS = 5;

/** The scale of a colouring of links; undefined where links are not coloured. */
export function scaleOf(colouring: Colouring, mesh: Mesh): Scale | undefined {
  if (colouring === "latency") return steps([0.1, 0.25, 0.5, 0.75].map((share) => rounded(share * mesh.settings.max_latency_ms)), formatLatency);
  if (colouring === "load") return steps([5, 25, 50, 80], percent);
  if (colouring === "loss") return { ...steps([1e-9, 1, 5, 20], percent), labels: ["none", "below 1 %", "1 – 5 %", "5 – 20 %", "20 % or more"] };
  return undefined;
}

/** The step of a link on a scale, from 0 to STEPS - 1. Of the two directions the worse counts. */
export function stepOf(colouring: Colouring, scale: Scale, link: Link, key: LinkKey, load: ReadonlyMap<LinkKey, number>): number {
  const value = {
    latency: () => Math.max(link.ab.latency_ms, link.ba.latency_ms),
    load: () => 100 * (load.get(key) ?? 0),
    loss: () => (link.cut ? 100 : Math.max(link.ab.loss_pct, link.ba.loss_pct)),
    events: () => 0,
    kind: () => 0,
  }[colouring]();
  const step = scale.bounds.findIndex((bound) => value < bound);
  return step < 0 ? scale.bounds.length : step;
}

/** Two significant digits. */
function rounded(value: number): number {
  return Number(value.toPrecision(2));
}

/** A unit that both have is said once. */
function between(from: string, to: string): string {
  const [value = "", unit] = from.split(" ");
  return to.endsWith(` ${unit ?? ""}`) ? `${value} – ${to}` : `${from} – ${to}`;
}

function percent(value: number): string {
  return `${String(value)} %`;
}

function steps(bounds: readonly number[], said: (value: number) => string): Scale {
  const labels = bounds.map((bound, i) => (i === 0 ? `below ${said(bound)}` : between(said(bounds[i - 1] as number), said(bound))));
  return { bounds, labels: [...labels, `${said(bounds.at(-1) as number)} or more`] };
}
