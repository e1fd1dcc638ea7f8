/** Resources for tests, with what a test does not care about filled in. */
import { DEFAULTS, EMPTY, linkKey, type Mesh } from "../model/mesh";
import type { Link, LinkParams, Server } from "../model/types";

export function server(id: number, x: number, y: number, more: Partial<Server> = {}): Server {
  return {
    id,
    name: `hs${String(id)}`,
    kind: "embedded",
    x,
    y,
    state: "running",
    client_url: `http://hs${String(id)}.localhost:3000`,
    ipv4: "10.0.0.1",
    ipv6: "fd6d:6573:6873::1",
    ...more,
  };
}

export function link(a: number, b: number, ab: Partial<LinkParams> = {}, more: Partial<Link> = {}): Link {
  const params = { latency_ms: 100, bandwidth: 512_000, jitter_pct: 0, loss_pct: 0, queue_bytes: 12_800, mtu: 1500, ...ab };
  return { a, b, ab: params, ba: params, pins_ab: {}, pins_ba: {}, cut: false, linked: false, ...more };
}

export function mesh(servers: readonly Server[], links: readonly Link[], more: Partial<Mesh> = {}): Mesh {
  return {
    ...EMPTY,
    version: 1,
    settings: DEFAULTS,
    servers: new Map(servers.map((s) => [s.id, s])),
    links: new Map(links.map((l) => [linkKey(l.a, l.b), l])),
    ...more,
  };
}
