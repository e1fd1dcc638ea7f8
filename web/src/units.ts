/**
 * Numbers as people write them. Parsing gives a value or a sentence that says what is wrong and what is
 * allowed; formatting gives the shortest text that is still exact enough to act on.
 */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

/** bit/s, or "unlimited". */
export type Bandwidth = number | "unlimited";

const SCALES: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };
const MIN_BANDWIDTH = 100; // bit/s; what links are exact down to
const MAX_BANDWIDTH = 1e12;
const DAY_MS = 86_400_000;

const MAX_MINIMUM = 100e9; // bit/s; what an unlimited link counts as
const TIMES: Readonly<Record<string, number>> = {
  us: 0.001,
  µs: 0.001,
  ms: 1,
  s: 1000,
  sec: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
};

const GO_UNITS: Readonly<Record<string, number>> = { ns: 1e-6, µs: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function good<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

function bad(error: string): { readonly ok: false; readonly error: string } {
  return { ok: false, error };
}

/** A rate: `512 kbit/s`, `512k`, `1.5 Mbit`, `64000`, `unlimited`. */
export function parseBandwidth(text: string): Parsed<Bandwidth> {
  const t = text.trim().toLowerCase();
  if (t === "unlimited" || t === "∞") return good("unlimited");
  const value = rateOf(t);
  if (value === undefined) return bad("Write a rate such as 512 kbit/s, 1.5 Mbit/s or unlimited.");
  if (value < MIN_BANDWIDTH) return bad("A rate is at least 100 bit/s. To carry nothing, cut the link.");
  if (value > MAX_BANDWIDTH) return bad("A rate is at most 1 Tbit/s; write unlimited for no limit.");
  return good(value);
}

/** bit/s, rounded to whole ones; undefined where the text, in lower case, is no rate. */
function rateOf(text: string): number | undefined {
  const m = /^([0-9]*[.,]?[0-9]+)\s*([kmgt]?)\s*(?:bit\/?s?|bps|b\/?s)?$/.exec(text);
  return m ? Math.round(decimal(m[1]) * (SCALES[m[2] ?? ""] ?? 1)) : undefined;
}

/** A least rate, where 0 (or `none`) is no minimum. */
export function parseMinimum(text: string): Parsed<number> {
  const t = text.trim().toLowerCase();
  if (t === "none" || /^0+([.,]0+)?\s*(\D.*)?$/.test(t)) return good(0);
  const value = rateOf(t);
  if (value !== undefined && value >= 1 && value < MAX_MINIMUM) return good(value);
  return bad("Write none, or a rate below 100 Gbit/s such as 64 kbit/s.");
}

/** A time in ms: `20`, `20 ms`, `1.5 s`, `2 min`; at most a day. */
export function parseLatency(text: string): Parsed<number> {
  const m = /^([0-9]*[.,]?[0-9]+)\s*(ms|s|sec|min|m|h|µs|us)?$/.exec(text.trim().toLowerCase());
  if (!m) return bad("Write a time such as 20 ms or 1.5 s.");
  const value = exact(decimal(m[1]) * (TIMES[m[2] ?? "ms"] ?? 1));
  return value > DAY_MS ? bad("A time here is at most 24 h.") : good(value);
}

/** A time in ms that is more than nothing. */
export function parseReach(text: string): Parsed<number> {
  const parsed = parseLatency(text);
  return parsed.ok && parsed.value === 0 ? bad("At 0 ms no two servers would be linked: write a longer time.") : parsed;
}

/** A percentage: `5`, `5 %`, `0.25%`. */
export function parsePercent(text: string, least = 0, most = 100): Parsed<number> {
  const m = /^([0-9]*[.,]?[0-9]+)\s*%?$/.exec(text.trim());
  if (!m) return bad("Write a percentage such as 5 %.");
  const value = decimal(m[1]);
  if (value < least || value > most) return bad(`A percentage here is ${String(least)} to ${String(most)} %.`);
  return good(value);
}

/** A rate of messages: `2`, `0.5 a second`, `10/s`, `30 a minute`; at most 200 a second. */
export function parseRate(text: string): Parsed<number> {
  const m = /^([0-9]*[.,]?[0-9]+)\s*(?:(?:a|per|\/)\s*(s|sec|second|min|minute))?$/.exec(text.trim().toLowerCase());
  if (!m) return bad("Write a rate such as 2 a second or 30 a minute.");
  const value = exact(decimal(m[1]) / (m[2]?.startsWith("min") ? 60 : 1));
  if (value > 200) return bad("A rate here is at most 200 a second.");
  return value > 0 && value < 0.001 ? bad("A rate here is at least 0.001 a second, or 0 for silence.") : good(value);
}

/** A count or a number of bytes; `10 kB` is 10,000. */
export function parseWhole(text: string, least: number, most: number, what = "number"): Parsed<number> {
  const m = /^([0-9]+(?:[.,][0-9]+)?)\s*(k|m)?\s*(?:b|bytes?)?$/.exec(text.trim().toLowerCase());
  const value = m ? decimal(m[1]) * (SCALES[m[2] ?? ""] ?? 1) : NaN;
  if (!Number.isInteger(value) || value < least || value > most) {
    return bad(`A ${what} here is a whole number from ${grouped(least)} to ${grouped(most)}.`);
  }
  return good(value);
}

export function formatBandwidth(value: Bandwidth): string {
  if (value === "unlimited") return "unlimited";
  for (const [scale, unit] of [[1e12, "Tbit/s"], [1e9, "Gbit/s"], [1e6, "Mbit/s"], [1e3, "kbit/s"]] as const) {
    if (value >= scale) return `${figures(value / scale)} ${unit}`;
  }
  return `${String(Math.round(value))} bit/s`;
}

/** The rate without loss of precision, for an input that is to be edited. */
export function exactBandwidth(value: Bandwidth): string {
  if (value === "unlimited") return "unlimited";
  for (const [scale, unit] of [[1e9, "Gbit/s"], [1e6, "Mbit/s"], [1e3, "kbit/s"]] as const) {
    if (value >= scale) return `${String(exact(value / scale, 9))} ${unit}`;
  }
  return `${String(value)} bit/s`;
}

export function formatLatency(ms: number): string {
  if (ms >= 60_000) return `${figures(ms / 60_000)} min`;
  if (ms >= 10_000) return `${figures(ms / 1000)} s`;
  if (ms >= 100 || Number.isInteger(ms)) return `${String(Math.round(ms))} ms`;
  return `${figures(ms)} ms`;
}

/** How long ago something was, in seconds: to a tenth below ten, in whole minutes and seconds from a minute on. */
export function formatAgo(seconds: number): string {
  if (seconds < 59.5) return `${seconds.toFixed(seconds < 9.95 ? 1 : 0)} s`;
  const whole = Math.round(seconds);
  return `${String(Math.floor(whole / 60))} min ${String(whole % 60)} s`;
}

/** Durations that a program wrote, such as `1m30.000482913s` or `1.499382ms`, as people write them. */
export function plainDurations(sentence: string): string {
  return sentence.replace(/(?<![\w.:$%/-])(?:\d+(?:\.\d+)?(?:h|ms|m|s|µs|ns))+(?![\w-])/g, (written) => {
    const parts = [...written.matchAll(/([0-9.]+)(ms|µs|ns|h|m|s)/g)];
    return formatLatency(parts.reduce((ms, [, n, unit]) => ms + Number(n) * (GO_UNITS[unit ?? ""] ?? 0), 0));
  });
}

export function formatPercent(value: number): string {
  return `${String(exact(value, 3))} %`;
}

export function formatBytes(value: number): string {
  for (const [scale, unit] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]] as const) {
    if (value >= scale) return `${figures(value / scale)} ${unit}`;
  }
  return `${String(Math.round(value))} B`;
}

/** Thousands apart by a thin space, whatever the browser's language. */
export function grouped(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

/** value rounded to so many decimals, without the noise of binary fractions. */
export function exact(value: number, decimals = 6): number {
  return Number(value.toFixed(decimals));
}

/** Three significant figures, without trailing zeros. */
function figures(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

function decimal(text: string | undefined): number {
  return Number((text ?? "").replace(",", "."));
}
