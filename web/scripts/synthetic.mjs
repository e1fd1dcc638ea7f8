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
    return { type: "snapshot", snapshot: { version: 1, settings, transport: { transport: "https" }, servers, links, rooms: [], kinds: ["embedded"] } };
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

const PROCESSING_MS = 8; // from the last hop to received
const ROOM_VERSION = "12";

/**
 * Rooms in which servers talk, as the stream tells of it: each message goes to every other member of its room, over the
 * path with the fewest links. Its frames are those of a mesh that keeps up: few events each, many a second.
 */
export class SyntheticCrowd extends SyntheticMesh {
  constructor(count, { members, messagesPerSecond }) {
    super(count);
    this.rooms = Array.from({ length: Math.floor(count / members) }, (_, n) => this.#room(n, members));
    this.gapMS = 1000 / messagesPerSecond;
    this.saidMS = 0;
    this.coming = []; // receipts, the next one last
    this.neighbours = new Map(this.servers.map((s) => [s.id, []]));
    for (const { a, b } of this.links) {
      this.neighbours.get(a).push(b);
      this.neighbours.get(b).push(a);
    }
    this.trees = new Map();
    this.told = new Map(); // ids of paths, by ends
    this.carried = new Map(); // packets and bytes, by direction of a link
  }

  #room(n, members) {
    const servers = new Set();
    while (servers.size < members) servers.add(Math.floor(this.random() * this.servers.length));
    const all = [...servers];
    return {
      id: `!room-${n}`,
      name: `room ${n}`,
      version: ROOM_VERSION,
      creator: all[0],
      members: all.map((server) => ({ server, state: "joined" })),
      chatter_per_second: 0,
    };
  }

  snapshot(settings) {
    const frame = super.snapshot(settings);
    frame.snapshot.rooms = this.rooms;
    return frame;
  }

  /** What was sent and received since the frame before; undefined where nothing was. */
  happened(atMS) {
    const events = { at_ms: atMS, events: [], paths: [], sent: [], received: [] };
    for (; this.saidMS + this.gapMS <= atMS; this.saidMS += this.gapMS) this.#say(this.saidMS + this.gapMS, events);
    this.coming.sort((p, q) => q.atMS - p.atMS);
    const groups = new Map();
    while ((this.coming.at(-1)?.atMS ?? Infinity) <= atMS) {
      const { event, from, to, atMS: received } = this.coming.pop();
      let group = groups.get(event);
      if (!group) groups.set(event, (group = { event, from: [], to: [], at_ms: [], basis: [], outcome: [] }));
      group.from.push(from);
      group.to.push(to);
      group.at_ms.push(received);
      group.basis.push("processed");
      group.outcome.push("accepted");
    }
    events.received.push(...groups.values());
    return events.sent.length + events.received.length > 0 ? { type: "events", events } : undefined;
  }

  #say(atMS, events) {
    const room = this.rooms[Math.floor(this.random() * this.rooms.length)];
    const from = room.members[Math.floor(this.random() * room.members.length)].server;
    const [event, path] = [`$synthetic-${this.events++}-0123456789012345678901234567890`, []];
    const to = room.members.map((m) => m.server).filter((id) => id !== from && this.#way(from, id));
    for (const id of to) {
      const way = this.#way(from, id);
      const key = `${from}>${id}`;
      if (!this.told.has(key)) {
        this.told.set(key, this.paths);
        events.paths.push({ id: this.paths++, nodes: way.nodes });
      }
      path.push(this.told.get(key));
      this.#carry(way.nodes);
      this.coming.push({ event, from, to: id, atMS: atMS + way.ms + PROCESSING_MS });
    }
    events.events.push({ id: event, type: "m.room.message", room: room.id, sender: `@matthew:hs${from}`, bytes: 700 });
    events.sent.push({ event, from, to, path, at_ms: to.map(() => atMS), transport: "https" });
  }

  #carry(nodes) {
    for (let i = 1; i < nodes.length; i++) {
      const key = `${nodes[i - 1]}>${nodes[i]}`;
      const totals = this.carried.get(key) ?? { packets: 0, bytes: 0, moved: 0 };
      this.carried.set(key, { packets: totals.packets + 4, bytes: totals.bytes + 2400, moved: totals.moved + 2400 });
    }
  }

  /** The counters of what moved since the frame before. */
  counters(atMS) {
    const links = [];
    for (const [key, totals] of this.carried) {
      if (totals.moved === 0) continue;
      const [from, to] = key.split(">").map(Number);
      const { packets, bytes, moved } = totals;
      const rate_bps = moved * 32;
      links.push({ from, to, packets, bytes, queue_bytes: 0, utilisation_pct: rate_bps / 5120, rate_bps, requested_delay_ms: 61.25, achieved_delay_ms: 61.31 });
      totals.moved = 0;
    }
    return { type: "counters", counters: { at_ms: atMS, links, lateness_p99_ms: 0.4 } };
  }

  #way(from, to) {
    let tree = this.trees.get(from);
    if (!tree) this.trees.set(from, (tree = this.#tree(from)));
    if (!tree.has(to)) return undefined;
    const nodes = [to];
    while (nodes[0] !== from) nodes.unshift(tree.get(nodes[0]));
    let ms = 0;
    for (let i = 1; i < nodes.length; i++) ms += this.#latency(nodes[i - 1], nodes[i]);
    return { nodes, ms };
  }

  #latency(a, b) {
    return Math.hypot(this.servers[a].x - this.servers[b].x, this.servers[a].y - this.servers[b].y);
  }

  /** For each server that is reached, the one before it. */
  #tree(from) {
    const before = new Map([[from, from]]);
    for (const id of before.keys()) for (const next of this.neighbours.get(id)) if (!before.has(next)) before.set(next, id);
    return before;
  }
}
