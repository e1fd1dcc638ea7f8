import { expect, it } from "vitest";
import { link, mesh, server } from "../test/build";
import type { Delivery, Tracked } from "./traffic";
import { linksOf, waterfallOf } from "./waterfall";

const line = mesh(
  [server(0, 0, 0), server(1, 100, 0), server(2, 200, 0)],
  [link(0, 1, { latency_ms: 100, bandwidth: 80_000 }), link(1, 2, { latency_ms: 50, bandwidth: "unlimited" })],
);

function tracked(...deliveries: Delivery[]): Tracked {
  const info = { id: "$e", type: "m.room.message", room: "!r", sender: "@a:hs0", bytes: 1000 };
  return { id: "$e", info, firstMS: 0, deliveries: new Map(deliveries.map((d) => [d.to, d])), open: 0, failed: 0 };
}

it("splits the time into path latency, transmission and the rest, the first received first", () => {
  const bars = waterfallOf(
    tracked(
      { from: 0, to: 2, sentMS: 1010, path: [0, 1, 2], attempt: 1, receivedMS: 1300 },
      { from: 0, to: 1, sentMS: 1000, path: [0, 1], attempt: 1, receivedMS: 1230 },
    ),
    line,
  );
  expect(bars).toMatchObject([
    { server: 1, startMS: 0, pathMS: 100, transmissionMS: 100, restMS: 30, totalMS: 230 },
    { server: 2, startMS: 10, pathMS: 150, transmissionMS: 100, restMS: 40, totalMS: 290 },
  ]);
});

it("has those that were not received last, with the reason", () => {
  const bars = waterfallOf(
    tracked(
      { from: 0, to: 1, sentMS: 0, path: [0, 1], attempt: 3, failure: "timed out" },
      { from: 0, to: 2, sentMS: 5, path: [], attempt: 1, receivedMS: 20 },
    ),
    line,
  );
  expect(bars.map((b) => [b.server, b.totalMS, b.failure])).toEqual([
    [2, 15, undefined],
    [1, undefined, "timed out"],
  ]);
});

it("never says more than the delivery took, whatever the path costs now", () => {
  const [bar] = waterfallOf(tracked({ from: 0, to: 1, sentMS: 0, path: [0, 1], attempt: 1, receivedMS: 120 }), line);
  expect(bar).toMatchObject({ pathMS: 100, transmissionMS: 20, restMS: 0 });
});

it("names the links of paths once", () => {
  expect([...linksOf([[0, 1, 2], [2, 1]])]).toEqual(["0-1", "1-2"]);
});

it("begins when the sender first handed the event to any transport, and shows what then waited for its turn", () => {
  const tried = (to: number, triedMS: number, receivedMS: number): Delivery => ({ from: 0, to, sentMS: triedMS, triedMS, path: [0, to], attempt: 1, receivedMS });
  const bars = waterfallOf(
    { id: "$e", info: undefined, firstMS: 0, deliveries: new Map([[1, tried(1, 100, 250)], [2, tried(2, 1100, 1250)]]), open: 0, failed: 0 },
    mesh([server(0, 0, 0), server(1, 0, 0), server(2, 0, 0)], [link(0, 1), link(0, 2)]),
  );
  expect(bars).toMatchObject([
    { server: 1, startMS: 0, waitedMS: 0, totalMS: 150 },
    { server: 2, startMS: 0, waitedMS: 1000, pathMS: 100, totalMS: 1150 },
  ]);
});
