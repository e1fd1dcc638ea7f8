/**
 * Where something is that travels hop by hop: pure functions of time. A journey knows hops and their
 * latencies, not positions, because servers are dragged while events travel.
 */
export interface Journey {
  /** Server ids from source to destination; at least one. */
  readonly nodes: readonly number[];
  /** The moment each node is reached, in ms after the departure; the first is 0. */
  readonly reached: readonly number[];
}

/** A place on a journey: between two neighbouring servers, `along` from 0 at `from` to 1 at `to`. */
export interface Place {
  readonly from: number;
  readonly to: number;
  readonly along: number;
}

/** latencyMS gives the latency of the hop between two neighbours in that direction, in ms. */
export function journey(nodes: readonly number[], latencyMS: (from: number, to: number) => number): Journey {
  const reached = [0];
  for (let i = 1; i < nodes.length; i++) {
    const [from, to] = [nodes[i - 1] as number, nodes[i] as number];
    reached.push((reached[i - 1] as number) + Math.max(0, latencyMS(from, to)));
  }
  return { nodes, reached };
}

/** The path latency, in ms. */
export function duration(j: Journey): number {
  return j.reached[j.reached.length - 1] ?? 0;
}

/** Where the traveller is after `ms`; before the departure at the source, after the arrival at the end. */
export function placeAt(j: Journey, ms: number): Place {
  const last = j.nodes.length - 1;
  const end = j.nodes[last] ?? 0;
  if (last < 1) return { from: end, to: end, along: 0 };
  let hop = 1;
  while (hop < last && ms >= (j.reached[hop] as number)) hop++;
  const [from, to] = [j.nodes[hop - 1] as number, j.nodes[hop] as number];
  const [left, arrives] = [j.reached[hop - 1] as number, j.reached[hop] as number];
  if (arrives <= left) return { from, to, along: ms >= arrives ? 1 : 0 };
  return { from, to, along: Math.min(1, Math.max(0, (ms - left) / (arrives - left))) };
}
