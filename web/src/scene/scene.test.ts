import { describe, expect, it } from "vitest";
import { overlap } from "../geometry/labels";
import { screen, world } from "../geometry/space";
import { link, mesh, server } from "../test/build";
import { HitTest } from "./hit";
import { buildScene, type SceneInput } from "./scene";

const two = mesh([server(0, 100, 100), server(1, 400, 100)], [link(0, 1, { latency_ms: 300 })]);

function input(more: Partial<SceneInput> = {}): SceneInput {
  return {
    mesh: two,
    view: { k: 1, x: 0, y: 0 },
    width: 800,
    height: 600,
    margin: 0,
    moves: new Map(),
    selection: undefined,
    hover: undefined,
    tree: undefined,
    tints: new Map(),
    load: new Map(),
    measure: (text) => 6 * text.length,
    ...more,
  };
}

describe("the scene", () => {
  it("labels a link with latency and bandwidth in its middle", () => {
    const [label] = buildScene(input()).labels;
    expect(label).toMatchObject({ key: "0-1", strong: "300 ms", weak: "512 kbit/s", pinned: false });
    expect((label?.box.x ?? 0) + (label?.box.w ?? 0) / 2).toBeCloseTo(250);
  });

  it("follows a server while it is dragged, before the mesh answers", () => {
    const scene = buildScene(input({ moves: new Map([[1, world(100, 220)]]) }));
    expect(scene.nodes[1]?.at).toEqual({ x: 100, y: 220 });
    expect(scene.labels[0]?.strong).toBe("120 ms");
  });

  it("keeps a pinned latency while dragging", () => {
    const pinned = mesh([...two.servers.values()], [link(0, 1, {}, { pins_ab: { latency_ms: 7 }, pins_ba: { latency_ms: 9 } })]);
    expect(buildScene(input({ mesh: pinned, moves: new Map([[1, world(1, 1)]]) })).labels[0]).toMatchObject({
      strong: "7 ms ⇄ 9 ms",
      pinned: true,
    });
  });

  it("says of a cut link that it is cut", () => {
    const cut = mesh([...two.servers.values()], [link(0, 1, {}, { cut: true, linked: false })]);
    expect(buildScene(input({ mesh: cut })).labels[0]?.strong).toBe("cut");
  });

  it("draws the selected link last, and labels it even where there is no room", () => {
    const near = mesh(
      [server(0, 0, 0), server(1, 30, 0), server(2, 300, 0)],
      [link(0, 1), link(0, 2), link(1, 2)],
    );
    expect(buildScene(input({ mesh: near })).labels.map((l) => l.key)).not.toContain("0-1");
    const scene = buildScene(input({ mesh: near, selection: { kind: "link", key: "0-1" } }));
    expect(scene.links.at(-1)).toMatchObject({ key: "0-1", look: "selected" });
    expect(scene.labels.map((l) => l.key)).toContain("0-1");
  });

  it("crowds nothing with labels and names where many are selected", () => {
    const servers = Array.from({ length: 30 }, (_, id) => server(id, 100 + 8 * id, 100));
    const links = servers.slice(1).map((s) => link(s.id - 1, s.id));
    const dense = mesh(servers, links);
    const keys = new Set(dense.links.keys());
    const byLinks = buildScene(input({ mesh: dense, selection: { kind: "links", keys } }));
    expect(byLinks.links.every((l) => l.look === "selected")).toBe(true);
    expect(byLinks.labels).toHaveLength(0);
    const byServers = buildScene(input({ mesh: dense, selection: { kind: "servers", ids: new Set(dense.servers.keys()) } }));
    expect(byServers.nodes.every((n) => n.selected)).toBe(true);
    expect(byServers.nodes.filter((n) => n.named).length).toBeLessThan(16);
  });

  it("shows the routes of the selected server and dims the rest", () => {
    const scene = buildScene(input({ selection: { kind: "server", id: 0 }, tree: new Set(["0-1"]) }));
    expect(scene.links[0]?.look).toBe("route");
    expect(buildScene(input({ selection: { kind: "server", id: 0 }, tree: new Set() })).links[0]?.look).toBe("dimmed");
  });

  it("leaves out links that are out of sight", () => {
    expect(buildScene(input({ view: { k: 1, x: -2000, y: 0 } })).links).toHaveLength(0);
  });

  it("places no label on another or on a server", () => {
    const servers = Array.from({ length: 60 }, (_, i) => server(i, 40 + (i % 10) * 75, 40 + Math.floor(i / 10) * 90));
    const links = servers.flatMap((s) => [link(s.id, (s.id + 1) % 60), link(s.id, (s.id + 11) % 60)]);
    const { labels, nodes } = buildScene(input({ mesh: mesh(servers, links) }));
    expect(labels.length).toBeGreaterThan(20);
    for (const [i, a] of labels.entries()) {
      for (const b of labels.slice(i + 1)) expect(overlap(a.box, b.box)).toBe(false);
      for (const n of nodes) {
        expect(overlap(a.box, { x: n.at.x - n.radius, y: n.at.y - n.radius, w: 2 * n.radius, h: 2 * n.radius })).toBe(false);
      }
    }
  });
});

describe("what is under the pointer", () => {
  const hits = new HitTest(buildScene(input()));

  it.each([
    ["a-server", screen(105, 92), { kind: "server", id: 0 }],
    ["a-server-before-its-links", screen(112, 100), { kind: "server", id: 0 }],
    ["a-link", screen(180, 104), { kind: "link", key: "0-1" }],
    ["a-label", screen(225, 108), { kind: "link", key: "0-1" }],
    ["nothing", screen(180, 140), undefined],
  ])("%s", (_, p, want) => {
    expect(hits.at(p)).toEqual(want);
  });

  it("is wider for fingers", () => {
    expect(hits.at(screen(100, 127))).toBeUndefined();
    expect(hits.at(screen(100, 127), 14)).toEqual({ kind: "server", id: 0 });
  });
});

it("names servers where there is room, and the selected one always", () => {
  const crowd = mesh([server(0, 100, 100), server(1, 100, 118), server(2, 300, 100)], []);
  const named = (more: Partial<SceneInput>) => buildScene(input({ mesh: crowd, ...more })).nodes.filter((n) => n.named).map((n) => n.id);
  expect(named({})).toEqual([1, 2]);
  expect(named({ selection: { kind: "server", id: 0 } })).toEqual([0, 1, 2]);
});
