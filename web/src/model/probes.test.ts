import { expect, it } from "vitest";
import { sayHop, sayPinged, sayReply } from "./probes";
import type { PingReply } from "./types";

const answer = (seq: number, rtt_ms: number): PingReply => ({ seq, outcome: "reply", from: "10.0.0.2", name: "hs2", rtt_ms });
const lost = (seq: number): PingReply => ({ seq, outcome: "lost" });

it.each([
  [answer(1, 120.4), "1: 120 ms"],
  [lost(2), "2: no answer"],
  [{ seq: 3, outcome: "unreachable", from: "10.0.0.3", name: "hs3", rtt_ms: 4 } as const, "3: found no way, says hs3"],
  [{ seq: 4, outcome: "error", error: "The server has stopped." } as const, "The server has stopped."],
])("%j", (reply, said) => {
  expect(sayReply(reply)).toBe(said);
});

it("sums up a ping, and nothing before its first answer", () => {
  expect(sayPinged([])).toBe("");
  expect(sayPinged([{ seq: 0, outcome: "error", error: "refused" }])).toBe("");
  expect(sayPinged([lost(1), lost(2)])).toBe("0 of 2 answered");
  expect(sayPinged([answer(1, 100), lost(2), answer(3, 140)])).toBe("2 of 3 answered; least 100 ms, mean 120 ms, most 140 ms");
});

it("names each who answered for a hop once, with its times", () => {
  const passing = (seq: number, rtt_ms: number): PingReply => ({ ...answer(seq, rtt_ms), outcome: "ttl_exceeded" });
  expect(sayHop({ ttl: 1, replies: [passing(1, 20), passing(2, 22), lost(3)] })).toBe("1: hs2 20 ms, 22 ms; no answer");
  expect(sayHop({ ttl: 2, replies: [lost(1), lost(2)] })).toBe("2: no answer");
  expect(sayHop({ ttl: 3, replies: [{ ...answer(1, 5), outcome: "unreachable" }] })).toBe("3: hs2 5 ms (found no way)");
  expect(sayHop({ ttl: 0, replies: [], error: "The server has stopped." })).toBe("The server has stopped.");
});
