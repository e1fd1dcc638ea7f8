/** The settings of the mesh as the page shows them, with a sentence on what each does. */
import {
  type Bandwidth,
  exact,
  exactBandwidth,
  formatPercent,
  parseBandwidth,
  type Parsed,
  parseLatency,
  parseMinimum,
  parsePercent,
  parseReach,
  parseWhole,
} from "../units";
import type { Settings } from "./types";

type Key = {
  [K in keyof Settings]: Settings[K] extends number | "unlimited" ? K : never;
}[keyof Settings];

export interface Setting {
  readonly key: Key;
  readonly label: string;
  readonly about: string;
  readonly parse: (text: string) => Parsed<Bandwidth>;
  readonly format: (value: Bandwidth) => string;
}

const MAX_SCALE_PCT = 100_000;
const MAX_NEIGHBOURS = 1000;

const ms = (v: Bandwidth) => `${String(exact(Number(v), 3))} ms`;
const pct = (v: Bandwidth) => formatPercent(Number(v));
const rate = (v: Bandwidth) => exactBandwidth(v);

export const SETTING_GROUPS: readonly { readonly title: string; readonly settings: readonly Setting[] }[] = [
  {
    title: "Links",
    settings: [
      {
        key: "bandwidth",
        label: "Bandwidth",
        about: "Of every link that is not pinned, before it falls with distance.",
        parse: parseBandwidth,
        format: rate,
      },
      {
        key: "jitter_pct",
        label: "Jitter",
        about: "By how much of its latency each packet may be early or late.",
        parse: (t) => parsePercent(t),
        format: pct,
      },
      {
        key: "loss_pct",
        label: "Loss",
        about: "The share of packets that every link loses at random.",
        parse: (t) => parsePercent(t),
        format: pct,
      },
    ],
  },
  {
    title: "Wiring",
    settings: [
      {
        key: "latency_scale_pct",
        label: "Latency scale",
        about: "At 100 % a pixel is a millisecond; at 200 % it is two.",
        parse: (t) => parsePercent(t, 0.01, MAX_SCALE_PCT),
        format: pct,
      },
      {
        key: "max_latency_ms",
        label: "Maximum latency",
        about: "Servers that are further apart are not linked.",
        parse: parseReach,
        format: ms,
      },
      {
        key: "min_bandwidth",
        label: "Minimum bandwidth",
        about: "A link that would carry no more than this is not made.",
        parse: parseMinimum,
        format: (v) => (v === 0 ? "none" : rate(v)),
      },
      {
        key: "neighbours",
        label: "Neighbours",
        about: "To how many nearest servers each one links.",
        parse: (t) => parseWhole(t, 0, MAX_NEIGHBOURS, "number of neighbours"),
        format: String,
      },
    ],
  },
  {
    title: "Between a server and its clients",
    settings: [
      { key: "client_latency_ms", label: "Latency", about: "One way.", parse: (t) => parseLatency(t), format: ms },
      { key: "client_bandwidth", label: "Bandwidth", about: "In each direction.", parse: parseBandwidth, format: rate },
      { key: "client_jitter_pct", label: "Jitter", about: "Of the latency.", parse: (t) => parsePercent(t), format: pct },
      { key: "client_loss_pct", label: "Loss", about: "Of packets, at random.", parse: (t) => parsePercent(t), format: pct },
    ],
  },
];

/** How servers may talk to each other, as one chooses it. */
export const TRANSPORTS = [
  { transport: "https", name: "Transport: HTTPS between all servers" },
  { transport: "lowband", name: "Transport: low bandwidth between all servers" },
  { transport: "auto", name: "Transport: low bandwidth on slow paths" },
] as const;
