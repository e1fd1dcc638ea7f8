// A mesh as the stream tells of it, without a mesh behind it: so that the page alone is measured, at sizes that
// would keep this machine busy otherwise. The same numbers every time.

const SPACING = 90; // pixels between neighbouring servers, before they are scattered
const NEIGHBOURS = 3;

/** mulberry32: a small generator, so that every run draws the same mesh. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class SyntheticMesh {
  constructor(count) {
    this.random = generator(count);
    this.servers = Array.from({ length: count }, (_, id) => this.#server(id, Math.ceil(Math.sqrt(count))));
    this.near = this.servers.map((s) => this.#nearest(s));
    this.links = this.#links();
    this.flights = [];
    this.events = 0;
    this.paths = 0;
  }

  #server(id, columns) {
    const scatter = () => (this.random() - 0.5) * SPACING * 0.7;
    const [x, y] = [(id % columns) * SPACING + scatter(), Math.floor(id / columns) * SPACING + scatter()];
    const name = `hs${id}`;
    return { id, name, kind: "embedded", x, y, state: "running", client_url: `http://${name}.localhost`, ipv4: "10.0.0.1", ipv6: "fd6d::1" };
  }

  #nearest(s) {
    const distance = (o) => Math.hypot(o.x - s.x, o.y - s.y);
    const others = this.servers.filter((o) => o.id !== s.id);
    return others.sort((p, q) => distance(p) - distance(q)).slice(0, NEIGHBOURS).map((o) => o.id);
  }

  #links() {
    const keys = new Set();
    for (const [id, near] of this.near.entries()) for (const other of near) keys.add(`${Math.min(id, other)}-${Math.max(id, other)}`);
    return [...keys].map((key) => {
      const [a, b] = key.split("-").map(Number);
      const latency_ms = Math.hypot(this.servers[a].x - this.servers[b].x, this.servers[a].y - this.servers[b].y);
      const params = { latency_ms, bandwidth: 512_000, jitter_pct: 0, loss_pct: 0, queue_bytes: 12_800, mtu: 1500 };
      return { a, b, ab: params, ba: params, pins_ab: {}, pins_ba: {}, cut: false };
    });
  }

  snapshot(settings) {
    const { servers, links } = this;
    return { type: "snapshot", snapshot: { version: 1, settings, servers, links, rooms: [], kinds: ["embedded"] } };
  }

  /** The traffic since the frame before, such that this many events are on their way. */
  traffic(atMS, inFlight) {
    const events = { at_ms: atMS, events: [], paths: [], sent: [], received: [] };
    const arrived = this.flights.filter((f) => f.arrives <= atMS);
    this.flights = this.flights.filter((f) => f.arrives > atMS);
    for (const f of arrived) {
      events.received.push({ event: f.event, from: [f.from], to: [f.to], at_ms: [f.arrives], basis: ["processed"], outcome: ["accepted"] });
    }
    while (this.flights.length < inFlight) this.#depart(atMS, events);
    return { type: "events", events };
  }

  #depart(atMS, events) {
    const nodes = [Math.floor(this.random() * this.servers.length)];
    for (let hop = 0; hop < 6; hop++) {
      const next = this.near[nodes.at(-1)].find((id) => !nodes.includes(id));
      if (next !== undefined) nodes.push(next);
    }
    const [event, path] = [`$synthetic-${this.events++}`, this.paths++];
    const [from, to] = [nodes[0], nodes.at(-1)];
    events.events.push({ id: event, type: "m.room.message", room: "!synthetic", sender: `@matthew:hs${from}`, bytes: 700 });
    events.paths.push({ id: path, nodes });
    events.sent.push({ event, from, to: [to], path: [path], at_ms: [atMS], transport: "https" });
    this.flights.push({ event, from, to, arrives: atMS + (nodes.length - 1) * SPACING });
  }
}
