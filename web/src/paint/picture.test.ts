import { expect, it } from "vitest";
import { link, mesh, server } from "../test/build";
import { meshPicture } from "./picture";

const COLOURS = {
  canvas: "#fff",
  link: "#999",
  label: "#333",
  labelMuted: "#666",
  ink: "#111",
  muted: "#777",
  node: "#fefefe",
  nodeEdge: "#222",
  danger: "#d00",
  warn: "#a60",
  font: "system-ui, \"Noto Sans\"",
};
const draw = (m: Parameters<typeof meshPicture>[0]) => meshPicture(m, COLOURS, { width: 800, height: 500 }, (t) => 6 * t.length);
const count = (text: string, what: RegExp) => text.match(what)?.length ?? 0;

it("has every server and every link, and what it is called", () => {
  const servers = [server(0, 0, 0), server(1, 300, 0), server(2, 150, 200, { state: "stopped" })];
  const svg = draw(mesh(servers, [link(0, 1), link(1, 2, {}, { cut: true })]));
  expect(count(svg, /<circle /g)).toBe(3);
  expect(count(svg, /<path /g)).toBe(2);
  expect(count(svg, /stroke-dasharray/g)).toBe(1);
  expect(svg).toContain(">hs1<");
  expect(svg).toContain(">hs2 (stopped)<");
  expect(svg).toContain("100 ms <tspan");
  expect(svg).toContain(">cut<");
});

it("lies inside its size, whatever the mesh's", () => {
  const svg = draw(mesh([server(0, -90_000, 0), server(1, 90_000, 12)], []));
  for (const [, cx] of svg.matchAll(/cx="([\d.-]+)"/g)) expect(Number(cx)).toBeGreaterThanOrEqual(0);
  for (const [, cx] of svg.matchAll(/cx="([\d.-]+)"/g)) expect(Number(cx)).toBeLessThanOrEqual(800);
});

it("quotes what would end a text or an attribute", () => {
  const svg = draw(mesh([server(0, 0, 0, { name: "a<b&\"c\"" })], []));
  expect(svg).toContain("a&#60;b&#38;&#34;c&#34;");
  expect(svg).not.toContain("\"Noto");
});

it("is a picture also of nothing", () => {
  expect(draw(mesh([], []))).toMatch(/^<svg [^]*<\/svg>$/);
});
