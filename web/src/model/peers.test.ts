import { expect, it } from "vitest";
import { inNeed, sayPeer, sayRefused } from "./peers";
import type { Peer } from "./types";

function peer(name: string, more: Partial<Peer> = {}): Peer {
  return { name, rooms: 1, pdus: 0, edus: 0, sending: false, backoff_ms: 0, dropped_pdus: 0, dropped_edus: 0, bad_requests: 0, rejected: 0, soft_failed: 0, ...more };
}

it("shows first what fails, then what waits", () => {
  const peers = [peer("hs2"), peer("hs1"), peer("hs3", { pdus: 9 }), peer("hs4", { backoff_ms: 1000 })];
  expect(inNeed(peers).map((p) => p.name)).toEqual(["hs4", "hs3", "hs1", "hs2"]);
});

it.each([
  [peer("a"), "nothing waits"],
  [peer("a", { pdus: 1 }), "1 event waits"],
  [peer("a", { pdus: 2, edus: 1, sending: true }), "sending, 2 events, 1 EDU"],
  [peer("a", { pdus: 3, backoff_ms: 8000, next_try_ms: 12_400 }), "3 events wait; tries again in 2 s"],
  [peer("a", { backoff_ms: 60_000, next_try_ms: 55_000 }), "tries again in 45 s"],
  [peer("a", { backoff_ms: 8000, next_try_ms: 9000 }), "tries again now"],
])("%j", (p, said) => {
  expect(sayPeer(p, 10_000)).toBe(said);
});

it("says what was refused of a peer, and nothing of one that was believed", () => {
  expect(sayRefused(peer("a"))).toBe("");
  expect(sayRefused(peer("a", { rejected: 1, dropped_pdus: 2, soft_failed: 3, dropped_edus: 4, bad_requests: 1 }))).toBe(
    "from there: 1 event rejected, 3 soft-failed, 2 dropped; 4 EDUs dropped; 1 malformed request",
  );
});
