import { expect, it } from "vitest";
import { link } from "../test/build";
import { inForce } from "./params";
import { differs, isPinned, pinCount, withPin } from "./pins";

const l = link(0, 1, {}, { pins_ab: { latency_ms: 5, loss_pct: 1 }, pins_ba: { loss_pct: 1 }, cut: true, linked: false });

it("pins one way or both, and keeps the rest", () => {
  expect(withPin(l, "both", "jitter_pct", 3)).toEqual({
    pins_ab: { latency_ms: 5, loss_pct: 1, jitter_pct: 3 },
    pins_ba: { loss_pct: 1, jitter_pct: 3 },
    cut: true,
    linked: false,
  });
  expect(withPin(l, "ba", "latency_ms", 9).pins_ab).toBe(l.pins_ab);
});

it("unpins by leaving the field out", () => {
  expect(withPin(l, "both", "loss_pct", undefined)).toEqual({ pins_ab: { latency_ms: 5 }, pins_ba: {}, cut: true, linked: false });
});

it("calls both ways pinned only where both are", () => {
  expect(isPinned(l, "both", "loss_pct")).toBe(true);
  expect(isPinned(l, "both", "latency_ms")).toBe(false);
  expect(isPinned(l, "ab", "latency_ms")).toBe(true);
  expect(pinCount(l)).toBe(3);
});

it("sees whether directions differ, not in which order their fields come", () => {
  expect(differs(l)).toBe(true);
  expect(differs(link(0, 1, {}, { pins_ab: { latency_ms: 1, mtu: 900 }, pins_ba: { mtu: 900, latency_ms: 1 } }))).toBe(false);
});

it("shows what is in force, pinned only, or neither", () => {
  expect(inForce(l, "ab", "mtu")).toBe(1500);
  expect(inForce(link(0, 1, {}, { pins_ba: { reorder_pct: 4 } }), "ba", "reorder_pct")).toBe(4);
  expect(inForce(l, "ab", "jitter_correlation_pct")).toBe(25);
});
