/**
 * The mesh as the page knows it, and how frames of the stream change it. Every function is pure: a frame
 * gives a new mesh that shares what did not change, so that a reader may keep an old one.
 */
import type { DiffFrame, Link, Room, Server, Settings, SnapshotFrame, Transport } from "./types";

/** A link's name: its ends, the smaller first. */
export type LinkKey = `${number}-${number}`;

export interface Mesh {
  readonly version: number;
  readonly settings: Settings;
  /** How servers talk to each other. */
  readonly transport: Transport;
  /** By id; servers that are gone are not in it. */
  readonly servers: ReadonlyMap<number, Server>;
  /** The names of servers that are gone, by id. */
  readonly gone: ReadonlyMap<number, string>;
  readonly links: ReadonlyMap<LinkKey, Link>;
  readonly rooms: ReadonlyMap<string, Room>;
  readonly kinds: readonly string[];
}

export const DEFAULTS: Settings = {
  bandwidth: 512_000,
  decay_bandwidth: true,
  max_latency_ms: 300,
  min_bandwidth: 0,
  jitter_pct: 0,
  loss_pct: 0,
  cost_function: "cost_min_latency",
  latency_scale_pct: 100,
  neighbours: 5,
  client_latency_ms: 0,
  client_bandwidth: 512_000,
  client_jitter_pct: 0,
  client_loss_pct: 0,
};

export const EMPTY: Mesh = {
  version: 0,
  settings: DEFAULTS,
  transport: { transport: "https" },
  servers: new Map(),
  gone: new Map(),
  links: new Map(),
  rooms: new Map(),
  kinds: [],
};

export function linkKey(a: number, b: number): LinkKey {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}

export function ends(key: LinkKey): [number, number] {
  const [a, b] = key.split("-");
  return [Number(a), Number(b)];
}

export function fromSnapshot(frame: SnapshotFrame): Mesh {
  const present = (frame.servers ?? []).filter((s) => s.state !== "gone");
  return {
    version: frame.version,
    settings: frame.settings,
    transport: frame.transport,
    servers: new Map(present.map((s) => [s.id, s])),
    gone: withGone(new Map(), frame.servers ?? []),
    links: new Map((frame.links ?? []).map((l) => [linkKey(l.a, l.b), l])),
    rooms: new Map((frame.rooms ?? []).map((r) => [r.id, r])),
    kinds: frame.kinds ?? [],
  };
}

/** A diff that is older than the mesh changes nothing. Rooms change without a new version of the mesh. */
export function withDiff(mesh: Mesh, diff: DiffFrame): Mesh {
  if (diff.version < mesh.version) return mesh;
  return {
    version: diff.version,
    settings: diff.settings ?? mesh.settings,
    transport: diff.transport ?? mesh.transport,
    servers: withServers(mesh.servers, diff.servers ?? []),
    gone: withGone(mesh.gone, diff.servers ?? []),
    links: withLinks(mesh.links, diff),
    rooms: diff.rooms?.length ? new Map([...mesh.rooms, ...diff.rooms.map((r) => [r.id, r] as const)]) : mesh.rooms,
    kinds: mesh.kinds,
  };
}

function withServers(servers: Mesh["servers"], changed: readonly Server[]): Mesh["servers"] {
  if (changed.length === 0) return servers;
  const next = new Map(servers);
  for (const s of changed) {
    if (s.state === "gone") next.delete(s.id);
    else next.set(s.id, s);
  }
  return next;
}

function withGone(names: Mesh["gone"], changed: readonly Server[]): Mesh["gone"] {
  const gone = changed.filter((s) => s.state === "gone");
  return gone.length > 0 ? new Map([...names, ...gone.map((s) => [s.id, s.name] as const)]) : names;
}

function withLinks(links: Mesh["links"], diff: DiffFrame): Mesh["links"] {
  if (!diff.links?.length && !diff.removed_links?.length) return links;
  const next = new Map(links);
  for (const [a, b] of diff.removed_links ?? []) {
    if (a !== undefined && b !== undefined) next.delete(linkKey(a, b));
  }
  for (const l of diff.links ?? []) next.set(linkKey(l.a, l.b), l);
  return next;
}

/** The parameters of a link for packets that go from one end to the other. */
export function direction(link: Link, from: number): Link["ab"] {
  return from === link.a ? link.ab : link.ba;
}
