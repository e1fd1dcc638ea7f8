/** How one event came to every server: when it was sent and received, and what took the time. Pure. */
import { direction, linkKey, type LinkKey, type Mesh } from "./mesh";
import type { Delivery, Tracked } from "./traffic";

export interface Bar {
  readonly server: number;
  readonly from: number;
  readonly path: readonly number[];
  /** From the first sending of the event to this one, in ms. */
  readonly startMS: number;
  /** The latencies of the links of the path, as they are now. */
  readonly pathMS: number;
  /** What the event's bytes alone need to be transmitted at the rates of the path, hop by hop. */
  readonly transmissionMS: number;
  /** The rest: connecting, queueing, other bytes, retries, and handling at both ends. */
  readonly restMS: number;
  /** From sent to received; undefined where it is under way or failed. */
  readonly totalMS: number | undefined;
  readonly attempt: number;
  readonly failure: string | undefined;
}

/** In the order of receiving, those not received last. */
export function waterfallOf(event: Tracked, mesh: Mesh): Bar[] {
  const deliveries = [...event.deliveries.values()];
  const began = Math.min(...deliveries.map((d) => d.sentMS).filter(Number.isFinite), Infinity);
  const bars = deliveries.map((d) => barOf(d, began, event.info?.bytes ?? 0, mesh));
  const end = (b: Bar) => (b.totalMS === undefined ? Infinity : b.startMS + b.totalMS);
  return bars.sort((p, q) => (end(p) === end(q) ? p.server - q.server : end(p) - end(q)));
}

function barOf(d: Delivery, began: number, bytes: number, mesh: Mesh): Bar {
  const total = (d.receivedMS ?? NaN) - d.sentMS;
  const totalMS = Number.isFinite(total) ? total : undefined;
  const cost = costOf(d.path, bytes, mesh);
  // A path that changed meanwhile may be longer now than the whole delivery took.
  const pathMS = Math.min(cost.pathMS, totalMS ?? Infinity);
  const transmissionMS = Math.min(cost.transmissionMS, (totalMS ?? Infinity) - pathMS);
  return {
    server: d.to,
    from: d.from,
    path: d.path,
    startMS: Number.isFinite(d.sentMS) ? d.sentMS - began : 0,
    pathMS,
    transmissionMS,
    restMS: totalMS === undefined ? 0 : totalMS - pathMS - transmissionMS,
    totalMS,
    attempt: d.attempt,
    failure: d.failure,
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
