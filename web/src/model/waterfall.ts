/** How one event came to every server: when it was sent and received, and what took the time. Pure. */
import { direction, linkKey, type LinkKey, type Mesh } from "./mesh";
import { type Delivery, handings, type Tracked, type Wire, wireSum } from "./traffic";

export interface Bar {
  readonly server: number;
  readonly from: number;
  readonly path: readonly number[];
  /** From the first sending of the event to the one by this bar's sender, in ms. */
  readonly startMS: number;
  /**
   * From when its sender first handed the event to any transport to when it did for this server: what waits its turn
   * behind an unreachable server's retries waits here.
   */
  readonly waitedMS: number;
  /** The latencies of the links of the path, as they are now. */
  readonly pathMS: number;
  /** What the event's bytes alone need to be transmitted at the rates of the path, hop by hop. */
  readonly transmissionMS: number;
  /** The rest: connecting, queueing, other bytes, retries, and handling at both ends. */
  readonly restMS: number;
  /** From the sender's first sending to received; undefined where it is under way or failed. */
  readonly totalMS: number | undefined;
  readonly attempt: number;
  readonly transport: string | undefined;
  readonly failure: string | undefined;
  /** Undefined until an exchange that carried it is over. */
  readonly wire: Wire | undefined;
}

/** In the order of receiving, those not received last. */
export function waterfallOf(event: Tracked, mesh: Mesh): Bar[] {
  const deliveries = [...event.deliveries.values()];
  const handed = handings(event);
  const firstOf = (d: Delivery) => Math.min(handed.get(d.from) ?? Infinity, finite(d.triedMS), finite(d.sentMS));
  const began = deliveries.reduce((least, d) => Math.min(least, firstOf(d)), Infinity);
  const bars = deliveries.map((d) => barOf(d, firstOf(d), began, event.info?.bytes ?? 0, mesh));
  const end = (b: Bar) => (b.totalMS === undefined ? Infinity : b.startMS + b.totalMS);
  return bars.sort((p, q) => (end(p) === end(q) ? p.server - q.server : end(p) - end(q)));
}

/** The time, or never where there is none. */
function finite(ms: number | undefined): number {
  return ms !== undefined && Number.isFinite(ms) ? ms : Infinity;
}

/** `first` is when its sender first handed the event to a transport, `began` when any server did. */
function barOf(d: Delivery, first: number, began: number, bytes: number, mesh: Mesh): Bar {
  const total = (d.receivedMS ?? NaN) - first;
  const totalMS = Number.isFinite(total) ? total : undefined;
  const waitedMS = Math.min(Math.max(0, finite(d.triedMS ?? d.sentMS) - first) || 0, totalMS ?? Infinity);
  const left = (totalMS ?? Infinity) - waitedMS;
  const cost = costOf(d.path, bytes, mesh);
  // A path that changed meanwhile may be longer now than the whole delivery took.
  const pathMS = Math.min(cost.pathMS, left);
  const transmissionMS = Math.min(cost.transmissionMS, left - pathMS);
  return {
    server: d.to,
    from: d.from,
    path: d.path,
    startMS: Number.isFinite(first) ? first - began : 0,
    waitedMS: Number.isFinite(waitedMS) ? waitedMS : 0,
    pathMS,
    transmissionMS,
    restMS: totalMS === undefined ? 0 : totalMS - waitedMS - pathMS - transmissionMS,
    totalMS,
    attempt: d.attempt,
    transport: d.transport,
    failure: d.failure,
    wire: d.wire,
  };
}

function costOf(path: readonly number[], bytes: number, mesh: Mesh): { pathMS: number; transmissionMS: number } {
  let [pathMS, transmissionMS] = [0, 0];
  for (let i = 1; i < path.length; i++) {
    const [from, to] = [path[i - 1] as number, path[i] as number];
    const link = mesh.links.get(linkKey(from, to));
    if (!link) continue;
    const { latency_ms, bandwidth } = direction(link, from);
    pathMS += latency_ms;
    if (bandwidth !== "unlimited") transmissionMS += (8000 * bytes) / bandwidth;
  }
  return { pathMS, transmissionMS };
}

/** The links of paths. */
export function linksOf(paths: Iterable<readonly number[]>): Set<LinkKey> {
  const links = new Set<LinkKey>();
  for (const path of paths) {
    for (let i = 1; i < path.length; i++) links.add(linkKey(path[i - 1] as number, path[i] as number));
  }
  return links;
}

/** What an event took on the wire to all servers of which it is known, and how many these are; undefined for none. */
export function wireOf(event: Tracked): { readonly sum: Wire; readonly of: number } | undefined {
  let [sum, of]: [Wire | undefined, number] = [undefined, 0];
  for (const { wire } of event.deliveries.values()) {
    if (!wire) continue;
    sum = wireSum(sum, wire);
    of++;
  }
  return sum && { sum, of };
}

/** What one delivery took on the wire on average, there and back, in bytes; undefined where it is not known. */
export function wireEach(event: Tracked): number | undefined {
  const all = wireOf(event);
  return all && Math.round((all.sum.there + all.sum.back) / all.of);
}

/** The transports that an event took, in words; empty where none is known. */
export function transportsOf(event: Tracked): string {
  const transports = new Set<string>();
  for (const { transport } of event.deliveries.values()) if (transport !== undefined) transports.add(transport);
  return [...transports].sort().join(" and ");
}
