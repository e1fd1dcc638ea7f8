import { describe, expect, it } from "vitest";
import { world } from "../geometry/space";
import { link, mesh, server } from "../test/build";
import { DEFAULTS } from "./mesh";
import { latencyOf, linkLatency, nearest, reach, routesFrom, treeOf } from "./topology";

const scaled = { ...DEFAULTS, latency_scale_pct: 200 };

it("turns distance into latency and back", () => {
  expect(latencyOf(world(0, 0), world(30, 40), scaled)).toBe(100);
  expect(reach(scaled)).toBe(150);
});

it("lets a pin hold whatever the distance", () => {
  const l = link(0, 1, {}, { pins_ab: { latency_ms: 7 } });
  expect(linkLatency(l, world(0, 0), world(60, 80), DEFAULTS)).toEqual({ ab: 7, ba: 100 });
});

it("proposes the nearest within reach, in order", () => {
  const servers = [server(0, 290, 0), server(1, 10, 0), server(2, 301, 0), server(3, 50, 0)];
  expect(nearest(world(0, 0), servers, { ...DEFAULTS, neighbours: 2 }).map((n) => n.id)).toEqual([1, 3]);
  expect(nearest(world(0, 0), servers, DEFAULTS).map((n) => n.id)).toEqual([1, 3, 0]);
});

describe("routes", () => {
  const servers = [0, 1, 2, 3].map((id) => server(id, 0, 0));
  const thin = { latency_ms: 10, bandwidth: 1000 };
  const links = [link(0, 1, { latency_ms: 100 }), link(0, 2, thin), link(1, 2, thin)];

  it("go round where that is quicker", () => {
    const routes = routesFrom(mesh(servers, links), 0);
    expect(routes.get(1)).toMatchObject({ via: 2, hops: 2, latencyMS: 20 });
    expect(treeOf(routes)).toEqual(new Set(["0-2", "1-2"]));
    expect(routes.has(3)).toBe(false);
  });

  it("go straight where bandwidth counts", () => {
    const settings = { ...DEFAULTS, cost_function: "cost_max_bandwidth" as const };
    expect(routesFrom(mesh(servers, links, { settings }), 0).get(1)).toMatchObject({ via: 0, hops: 1 });
  });

  it("cross no link that is cut, and mind the direction", () => {
    const cut = [links[0], { ...link(0, 2), cut: true, linked: false }, links[2]].flatMap((l) => l ?? []);
    expect(routesFrom(mesh(servers, cut), 0).get(2)).toMatchObject({ via: 1 });
    const oneWay = [link(0, 1, { latency_ms: 1 }, { ba: { ...link(0, 1).ba, latency_ms: 500 } })];
    expect(routesFrom(mesh(servers, oneWay), 1).get(0)?.latencyMS).toBe(500);
  });
});
