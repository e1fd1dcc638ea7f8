/** What several servers have of a room, side by side, with what differs. Pure. */
import type { Message } from "../model/types";
import type { Views } from "./ledger";

export interface Cell {
  readonly server: number;
  /** Undefined where the server was not asked or could not answer. */
  readonly has: boolean | undefined;
  /** The server has it at another place than the others do. */
  readonly moved: boolean;
}

export interface Row {
  readonly event: Message;
  readonly cells: readonly Cell[];
  /** Whether the servers differ in it, be it only in its place. */
  readonly differs: boolean;
  /** Whether one has it that another has not. */
  readonly lacked: boolean;
}

/**
 * One row an event, in the order given; a cell for each of the servers. A server's own order is that of its view: of
 * events that stand in another order there, the fewest are said to have moved.
 */
export function compared(events: readonly Message[], servers: readonly number[], views: Views): Row[] {
  const rank = new Map(events.map((e, i) => [e.event_id, i]));
  const moved = new Map(servers.map((s) => [s, outOfOrder([...(views.get(s) ?? [])], rank)]));
  return events.map((event) => {
    const cells = servers.map((server): Cell => {
      const view = views.get(server);
      return { server, has: view?.has(event.event_id), moved: moved.get(server)?.has(event.event_id) ?? false };
    });
    const known = cells.filter((c) => c.has !== undefined);
    const lacked = new Set(known.map((c) => c.has)).size > 1;
    return { event, cells, differs: lacked || cells.some((c) => c.moved), lacked };
  });
}

/** So many of the servers, in their order, that are worth comparing: up to half of them cut off from the most, the rest of those. */
export function firstCompared(servers: readonly number[], count: number, joined: (a: number, b: number) => boolean): number[] {
  const parts: number[][] = [];
  for (const id of servers) {
    const part = parts.find(([first]) => first !== undefined && joined(first, id));
    if (part) part.push(id);
    else parts.push([id]);
  }
  parts.sort((a, b) => b.length - a.length);
  const [most = [], ...others] = parts;
  const apart = others.flat().slice(0, Math.max(count >> 1, count - most.length));
  const chosen = new Set([...apart, ...most.slice(0, count - apart.length)]);
  return servers.filter((id) => chosen.has(id));
}

/** Those that are to be taken out, as few as possible, so that the rest stands in order of rank. */
export function outOfOrder(ids: readonly string[], rank: ReadonlyMap<string, number>): Set<string> {
  const known = ids.filter((id) => rank.has(id));
  const ranks = known.map((id) => rank.get(id) as number);
  const kept = longestIncreasing(ranks);
  return new Set(known.filter((_, i) => !kept.has(i)));
}

/** The places of a longest increasing subsequence (patience sorting). */
function longestIncreasing(values: readonly number[]): Set<number> {
  const tails: number[] = []; // the place of the least last value of a subsequence of each length
  const before: (number | undefined)[] = [];
  values.forEach((value, i) => {
    let [low, high] = [0, tails.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((values[tails[middle] as number] as number) < value) low = middle + 1;
      else high = middle;
    }
    before[i] = tails[low - 1];
    tails[low] = i;
  });
  const kept = new Set<number>();
  for (let at = tails.at(-1); at !== undefined; at = before[at]) kept.add(at);
  return kept;
}
