import { describe, expect, it } from "vitest";
import type { Tracked } from "../model/traffic";
import { entryOf, inOrder, reachOf, sayReach, serverOf } from "./ledger";

const message = { event_id: "$a", type: "m.room.message", sender: "@matthew:hs0", body: "hello", ts: 5 };
const idOf = (name: string) => (name.startsWith("hs") ? Number(name.slice(2)) : undefined);

function delivery(to: number, more: object = {}) {
  return [to, { from: 0, to, sentMS: 100, triedMS: 100, path: [], attempt: 1, ...more }] as const;
}

const tracked: Tracked = {
  id: "$a",
  info: undefined,
  firstMS: 100,
  deliveries: new Map([delivery(1, { receivedMS: 340 }), delivery(2), delivery(3, { failure: "refused" })]),
  open: 1,
  failed: 1,
};

describe("who has a message", () => {
  const views = new Map([
    [4, new Set(["$a"])],
    [5, new Set<string>()],
  ]);
  const entry = entryOf(message, [0, 1, 2, 3, 4, 5, 6], views, tracked, idOf);

  it("joins what servers say with what was seen", () => {
    expect(entry.holdings).toEqual([
      { server: 0, state: "author" },
      { server: 1, state: "has", delayMS: 240 },
      { server: 2, state: "waiting" },
      { server: 3, state: "failed", why: "refused" },
      { server: 4, state: "has" },
      { server: 5, state: "missing" },
      { server: 6, state: "unknown" },
    ]);
  });

  it("says what bars the way to those that have it not, whether an attempt was seen to fail or not", () => {
    const all = entryOf(message, [0, 1, 3, 4, 5, 6], views, tracked, idOf, (from) => (from === 0 ? "no path" : undefined));
    expect(all.holdings).toEqual([
      { server: 0, state: "author" },
      { server: 1, state: "has", delayMS: 240 },
      { server: 3, state: "barred", why: "refused", bar: "no path" },
      { server: 4, state: "has" },
      { server: 5, state: "barred", bar: "no path" },
      { server: 6, state: "unknown" },
    ]);
    expect(reachOf(all)).toEqual({ have: 2, of: 5, unknown: 1, joining: 0 });
  });

  it("does not count the author", () => {
    expect(reachOf(entry)).toEqual({ have: 2, of: 6, unknown: 1, joining: 0 });
  });

  it("counts those that are joining among those that have it not, whatever was seen to reach them", () => {
    const early = entryOf(message, [0, 4], views, tracked, idOf, () => "no path", [1, 7]);
    expect(early.holdings.slice(2)).toEqual([
      { server: 1, state: "joining" },
      { server: 7, state: "joining" },
    ]);
    expect(reachOf(early)).toEqual({ have: 1, of: 3, unknown: 0, joining: 2 });
  });

  it("counts the delay of a retried one from the first handing, and says that it was retried", () => {
    const late = delivery(1, { sentMS: 9000, triedMS: undefined, attempt: 3, receivedMS: 10_113 });
    const holdings = entryOf(message, [1], new Map(), { ...tracked, deliveries: new Map([late, delivery(2)]) }, idOf).holdings;
    expect(holdings).toEqual([{ server: 1, state: "has", delayMS: 10_013, retried: true }]);
    const unseen = entryOf(message, [1], new Map(), { ...tracked, deliveries: new Map([late]) }, idOf).holdings;
    expect(unseen).toEqual([{ server: 1, state: "has", retried: true }]);
  });
});

it("claims nothing of those that were not asked or are not in the room yet", () => {
  const reach = { have: 3, of: 3, unknown: 0, joining: 0 };
  expect(sayReach({ ...reach, have: 0, of: 0 })).toBe("nobody else is here yet");
  expect(sayReach(reach)).toBe("all have it");
  expect(sayReach({ ...reach, have: 2 })).toBe("2 of 3 have it");
  expect(sayReach({ ...reach, of: 4, joining: 1 })).toBe("3 of 4 have it, 1 is joining");
  expect(sayReach({ ...reach, have: 39, of: 91, unknown: 52 })).toBe("39 of 91 known to have it");
});

it("reads the server from a user id", () => {
  expect(serverOf("@x:hs3")).toBe("hs3");
});

it("orders by the authors' clocks", () => {
  const at = (event_id: string, ts: number) => ({ ...message, event_id, ts });
  expect(inOrder([at("$c", 9), at("$b", 3), at("$a", 3)]).map((m) => m.event_id)).toEqual(["$a", "$b", "$c"]);
});
