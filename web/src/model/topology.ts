/**
 * What the canvas means, as far as the page computes it itself: latencies while a server is dragged, the
 * links a server would get, and the shortest paths. The mesh decides; this only anticipates it.
 */
import { Heap } from "./heap";
import { distance, type World } from "../geometry/space";
import { direction, linkKey, type Mesh } from "./mesh";
import type { Link, Settings } from "./types";

/** The latency of a distance on the canvas, in ms. */
export function latencyOf(a: World, b: World, settings: Settings): number {
  return (distance(a, b) * settings.latency_scale_pct) / 100;
}

/** The radius in world pixels inside which servers are linked. */
export function reach(settings: Settings): number {
  return (settings.max_latency_ms * 100) / settings.latency_scale_pct;
}

/** The latency of a link with its ends at a and b: the pins where there are some, the distance elsewhere. */
export function linkLatency(link: Link, a: World, b: World, settings: Settings): { ab: number; ba: number } {
  const derived = latencyOf(a, b, settings);
  return { ab: link.pins_ab.latency_ms ?? derived, ba: link.pins_ba.latency_ms ?? derived };
}

export interface Neighbour {
  readonly id: number;
  readonly at: World;
  readonly latencyMS: number;
}

/** The servers that one placed at `at` would link to by its own choice: the nearest within reach. */
export function nearest(at: World, servers: Iterable<{ id: number } & World>, settings: Settings): Neighbour[] {
  const found: Neighbour[] = [];
  for (const s of servers) {
    const latencyMS = latencyOf(at, s, settings);
    if (latencyMS < settings.max_latency_ms) found.push({ id: s.id, at: s, latencyMS });
  }
  found.sort((p, q) => p.latencyMS - q.latencyMS || p.id - q.id);
  return found.slice(0, settings.neighbours);
}

export interface Route {
  readonly to: number;
  readonly via: number; // the server before `to` on the path
  readonly latencyMS: number;
  readonly hops: number;
  readonly cost: number;
}

const UNLIMITED = 100e9; // bit/s that an unlimited link counts as (CONTRACTS.md)

/** The best path from one server to every server it reaches, by the cost function in force. */
export function routesFrom(mesh: Mesh, from: number): Map<number, Route> {
  const neighbours = adjacency(mesh);
  const best = new Map<number, Route>([[from, { to: from, via: from, latencyMS: 0, hops: 0, cost: 0 }]]);
  const open = new Heap();
  open.push(0, from);
  const done = new Set<number>();
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (done.has(id)) continue;
    done.add(id);
    const at = best.get(id) as Route;
    for (const [next, link] of neighbours.get(at.to) ?? []) {
      if (done.has(next)) continue;
      const params = direction(link, at.to);
      const rate = params.bandwidth === "unlimited" ? UNLIMITED : params.bandwidth;
      const cost = at.cost + (mesh.settings.cost_function === "cost_min_latency" ? params.latency_ms : 1 / rate);
      const known = best.get(next);
      if (known && known.cost <= cost) continue;
      best.set(next, { to: next, via: at.to, latencyMS: at.latencyMS + params.latency_ms, hops: at.hops + 1, cost });
      open.push(cost, next);
    }
  }
  return best;
}

/** The links that carry traffic of the routes, as a tree. */
export function treeOf(routes: ReadonlyMap<number, Route>): Set<string> {
  const tree = new Set<string>();
  for (const r of routes.values()) if (r.to !== r.via) tree.add(linkKey(r.to, r.via));
  return tree;
}

function adjacency(mesh: Mesh): Map<number, [number, Link][]> {
  const out = new Map<number, [number, Link][]>();
  const add = (from: number, to: number, link: Link) => {
    const list = out.get(from);
    if (list) list.push([to, link]);
    else out.set(from, [[to, link]]);
  };
  for (const link of mesh.links.values()) {
    if (link.cut) continue;
    add(link.a, link.b, link);
    add(link.b, link.a, link);
  }
  return out;
}
