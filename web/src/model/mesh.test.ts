import { describe, expect, it } from "vitest";
import { link, server } from "../test/build";
import { DEFAULTS, ends, fromSnapshot, linkKey, withDiff } from "./mesh";

const snapshot = fromSnapshot({
  version: 7,
  settings: DEFAULTS,
  transport: { transport: "https", below: 20_000 },
  servers: [server(0, 0, 0), server(1, 100, 0), server(2, 0, 0, { state: "gone" })],
  links: [link(0, 1)],
  rooms: [],
  kinds: ["embedded"],
});

it("names a link by its ends in either order", () => {
  expect(linkKey(12, 3)).toBe("3-12");
  expect(ends(linkKey(12, 3))).toEqual([3, 12]);
});

it("leaves servers that are gone out of a snapshot", () => {
  expect([...snapshot.servers.keys()]).toEqual([0, 1]);
});

it("keeps the names of servers that are gone", () => {
  const next = withDiff(snapshot, { version: 8, servers: [server(1, 0, 0, { state: "gone" })] });
  expect([...next.gone.entries()]).toEqual([
    [2, "hs2"],
    [1, "hs1"],
  ]);
});

describe("a diff", () => {
  it("adds, changes and removes, and leaves the old mesh alone", () => {
    const next = withDiff(snapshot, {
      version: 8,
      servers: [server(1, 150, 0), server(3, 9, 9), server(0, 0, 0, { state: "gone" })],
      links: [link(1, 3)],
      removed_links: [[0, 1]],
    });
    expect([...next.servers.keys()]).toEqual([1, 3]);
    expect(next.servers.get(1)?.x).toBe(150);
    expect([...next.links.keys()]).toEqual(["1-3"]);
    expect(snapshot.servers.get(1)?.x).toBe(100);
    expect([...snapshot.links.keys()]).toEqual(["0-1"]);
  });

  it("shares what it does not name", () => {
    const next = withDiff(snapshot, { version: 8, settings: { ...DEFAULTS, jitter_pct: 5 } });
    expect(next.settings.jitter_pct).toBe(5);
    expect(next.servers).toBe(snapshot.servers);
    expect(next.links).toBe(snapshot.links);
    expect(next.rooms).toBe(snapshot.rooms);
  });

  it("replaces a link that is removed and comes back in one diff", () => {
    const next = withDiff(snapshot, { version: 8, removed_links: [[0, 1]], links: [link(0, 1, { latency_ms: 5 })] });
    expect(next.links.get("0-1")?.ab.latency_ms).toBe(5);
  });

  it("of the same version changes rooms", () => {
    const room = { id: "!r:hs0", name: "r", version: "12", creator: 0, members: [], chatter_per_second: 0 };
    expect(withDiff(snapshot, { version: 7, rooms: [room] }).rooms.get("!r:hs0")).toBe(room);
  });

  it("that is old changes nothing", () => {
    expect(withDiff(snapshot, { version: 6, servers: [server(9, 0, 0)] })).toBe(snapshot);
  });
});

it("follows how servers talk to each other, and keeps it where a diff does not say", () => {
  const lowband = withDiff(snapshot, { version: 7, transport: { transport: "lowband" } });
  expect([snapshot, lowband, withDiff(lowband, { version: 8 })].map((m) => m.transport.transport)).toEqual(["https", "lowband", "lowband"]);
});
