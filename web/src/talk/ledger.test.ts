import { describe, expect, it } from "vitest";
import type { Tracked } from "../model/traffic";
import { entryOf, inOrder, reachOf, serverOf } from "./ledger";

const message = { event_id: "$a", type: "m.room.message", sender: "@matthew:hs0", body: "hello", ts: 5 };
const idOf = (name: string) => (name.startsWith("hs") ? Number(name.slice(2)) : undefined);

function delivery(to: number, more: object = {}) {
  return [to, { from: 0, to, sentMS: 100, path: [], attempt: 1, ...more }] as const;
}

const tracked: Tracked = {
  id: "$a",
  info: undefined,
  firstMS: 100,
  deliveries: new Map([delivery(1, { receivedMS: 340 }), delivery(2), delivery(3, { failure: "refused" })]),
};

describe("who has a message", () => {
  const entry = entryOf(message, [0, 1, 2, 3, 4, 5], new Map([[4, new Set(["$a"])]]), tracked, idOf);

  it("joins what servers say with what was seen", () => {
    expect(entry.holdings).toEqual([
      { server: 0, state: "author" },
      { server: 1, state: "has", delayMS: 240 },
      { server: 2, state: "waiting" },
      { server: 3, state: "failed", why: "refused" },
      { server: 4, state: "has" },
      { server: 5, state: "missing" },
    ]);
  });

  it("does not count the author", () => {
    expect(reachOf(entry)).toEqual({ have: 2, of: 5 });
  });
});

it("reads the server from a user id", () => {
  expect(serverOf("@x:hs3")).toBe("hs3");
});

it("orders by the authors' clocks", () => {
  const at = (event_id: string, ts: number) => ({ ...message, event_id, ts });
  expect(inOrder([at("$c", 9), at("$b", 3), at("$a", 3)]).map((m) => m.event_id)).toEqual(["$a", "$b", "$c"]);
});
