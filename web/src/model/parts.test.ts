import { expect, it } from "vitest";
import { link, mesh, server } from "../test/build";
import { partsOf } from "./parts";

const servers = [0, 1, 2, 3].map((id) => server(id, 0, 0));

it.each([
  ["nothing", [], [], 0],
  ["no-links", servers, [], 4],
  ["a-chain", servers, [link(0, 1), link(1, 2), link(2, 3)], 1],
  ["two-pairs", servers, [link(0, 1), link(2, 3)], 2],
  ["a-cut-link", servers, [link(0, 1), link(1, 2), link(2, 3, {}, { cut: true })], 2],
  ["a-circle", servers, [link(0, 1), link(1, 2), link(0, 2)], 2],
  ["a-stopped-server", [...servers.slice(0, 3), server(3, 0, 0, { state: "stopped" })], [link(0, 1), link(1, 2)], 1],
])("%s", (_, all, links, parts) => {
  expect(partsOf(mesh(all, links)).count).toBe(parts);
});

it("knows who is joined to whom, also to those that are not there", () => {
  const parts = partsOf(mesh(servers, [link(0, 1), link(1, 2), link(2, 3, {}, { cut: true })]));
  expect([parts.joined(0, 2), parts.joined(2, 3), parts.joined(0, 9)]).toEqual([true, false, false]);
});
