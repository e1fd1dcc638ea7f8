/** The parameters of a link as the inspector shows them. */
import {
  type Bandwidth,
  exactBandwidth,
  formatBytes,
  formatPercent,
  exact,
  grouped,
  parseBandwidth,
  type Parsed,
  parseLatency,
  parsePercent,
  parseWhole,
} from "../units";
import type { PinKey } from "./pins";
import type { Link, LinkParams, Pin } from "./types";

export type ParamValue = number | Bandwidth;

/** Parameters of one number; the others (distribution, bursts) have their own controls. */
export type NumberKey = Exclude<PinKey, "burst" | "jitter_distribution">;

export interface Param {
  readonly key: NumberKey;
  readonly label: string;
  /** Where the value comes from while it is not pinned. */
  readonly derived: string;
  readonly parse: (text: string) => Parsed<ParamValue>;
  readonly format: (value: ParamValue) => string;
}

const ms = (v: ParamValue) => `${String(exact(Number(v), 3))} ms`;
const pct = (v: ParamValue) => formatPercent(Number(v));
const bytes = (v: ParamValue) => (Number(v) < 10_000 ? `${grouped(Number(v))} B` : formatBytes(Number(v)));

export const MAIN_PARAMS: readonly Param[] = [
  { key: "latency_ms", label: "Latency", derived: "distance × scale", parse: (t) => parseLatency(t), format: ms },
  {
    key: "bandwidth",
    label: "Bandwidth",
    derived: "setting and distance",
    parse: parseBandwidth,
    format: (v) => exactBandwidth(v),
  },
  { key: "jitter_pct", label: "Jitter", derived: "mesh setting", parse: (t) => parsePercent(t), format: pct },
  { key: "loss_pct", label: "Loss", derived: "mesh setting", parse: (t) => parsePercent(t), format: pct },
];

export const ADVANCED_PARAMS: readonly Param[] = [
  {
    key: "jitter_correlation_pct",
    label: "Jitter correlation",
    derived: "25 %",
    parse: (t) => parsePercent(t),
    format: pct,
  },
  { key: "duplicate_pct", label: "Duplicated", derived: "none", parse: (t) => parsePercent(t), format: pct },
  { key: "reorder_pct", label: "Reordered", derived: "none", parse: (t) => parsePercent(t), format: pct },
  { key: "corrupt_pct", label: "Corrupted", derived: "none", parse: (t) => parsePercent(t), format: pct },
  {
    key: "queue_bytes",
    label: "Queue",
    derived: "200 ms at the rate",
    parse: (t) => parseWhole(t, 1, 1_073_741_824, "queue in bytes"),
    format: bytes,
  },
  {
    key: "overhead_bytes",
    label: "Overhead a packet",
    derived: "none",
    parse: (t) => parseWhole(t, 0, 65_535, "overhead in bytes"),
    format: bytes,
  },
  { key: "mtu", label: "MTU", derived: "1500 B", parse: (t) => parseWhole(t, 68, 65_535, "MTU in bytes"), format: bytes },
];

const DERIVED: Readonly<Partial<Record<NumberKey, number>>> = {
  jitter_correlation_pct: 25,
  duplicate_pct: 0,
  reorder_pct: 0,
  corrupt_pct: 0,
  overhead_bytes: 0,
};

/** The value in force in one direction. */
export function inForce(link: Link, way: "ab" | "ba", key: NumberKey): ParamValue {
  const pins: Pin = way === "ab" ? link.pins_ab : link.pins_ba;
  const params: LinkParams = link[way];
  const known = params as unknown as Partial<Record<NumberKey, ParamValue>>;
  return known[key] ?? pins[key] ?? DERIVED[key] ?? 0;
}

/** What all of these links have in both directions; undefined where they differ. */
export function common(links: readonly Link[], key: NumberKey): ParamValue | undefined {
  const values = new Set(links.flatMap((l) => [inForce(l, "ab", key), inForce(l, "ba", key)]));
  const [only] = values;
  return values.size === 1 ? only : undefined;
}
