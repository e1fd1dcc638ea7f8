import { describe, expect, it } from "vitest";
import {
  exactBandwidth,
  formatAgo,
  formatBandwidth,
  formatBytes,
  formatLatency,
  grouped,
  parseBandwidth,
  parseLatency,
  parseMinimum,
  parsePercent,
  parseReach,
  parseRate,
  parseWhole,
  plainDurations,
} from "./units";

function value<T>(parsed: { ok: true; value: T } | { ok: false; error: string }): T | string {
  return parsed.ok ? parsed.value : parsed.error;
}

describe("parseBandwidth", () => {
  it.each([
    ["512000", 512_000],
    ["512 kbit/s", 512_000],
    ["512k", 512_000],
    ["1.5 Mbit", 1_500_000],
    ["1,5 mbit/s", 1_500_000],
    ["2 Gbps", 2e9],
    ["unlimited", "unlimited"],
    [" Unlimited ", "unlimited"],
  ])("reads %s", (text, want) => {
    expect(value(parseBandwidth(text))).toBe(want);
  });

  it.each(["", "fast", "-5", "0", "99 bit/s", "5 MB/h", "2 Tbit/s", "1e9"])("refuses %j with a sentence", (text) => {
    const parsed = parseBandwidth(text);
    expect(parsed.ok).toBe(false);
    expect(value(parsed)).toMatch(/\.$/);
  });

  it.each([100, 999, 153_498, 512_000, 1_500_000, 12_345_678, 1e9])("reads back what it writes: %d", (rate) => {
    expect(value(parseBandwidth(exactBandwidth(rate)))).toBe(rate);
  });
});

it("knows that 0 is no minimum and unlimited is none", () => {
  expect(value(parseMinimum("0"))).toBe(0);
  expect(value(parseMinimum("0 kbit/s"))).toBe(0);
  expect(value(parseMinimum("none"))).toBe(0);
  expect(value(parseMinimum("64k"))).toBe(64_000);
  expect(value(parseMinimum("10 bit/s"))).toBe(10);
  expect(parseMinimum("unlimited").ok).toBe(false);
  expect(parseMinimum("100G").ok).toBe(false);
});

describe("parseLatency", () => {
  it.each([
    ["20", 20],
    ["20 ms", 20],
    ["1.5s", 1500],
    ["2 min", 120_000],
    ["24 h", 86_400_000],
    ["250 µs", 0.25],
    ["0", 0],
  ])("reads %s", (text, want) => {
    expect(value(parseLatency(text))).toBe(want);
  });

  it.each(["", "soon", "-1", "25 h", "2 days"])("refuses %j", (text) => {
    expect(parseLatency(text).ok).toBe(false);
  });
});

it("wants servers to reach somewhere", () => {
  expect(parseReach("0 ms").ok).toBe(false);
  expect(value(parseReach("0.5 ms"))).toBe(0.5);
});

it("reads percentages within bounds", () => {
  expect(value(parsePercent("2.5 %"))).toBe(2.5);
  expect(parsePercent("101").ok).toBe(false);
  expect(value(parsePercent("250", 0.01, 10_000))).toBe(250);
});

it("reads whole numbers, with k for thousand", () => {
  expect(value(parseWhole("10 kB", 1, 20_000))).toBe(10_000);
  expect(parseWhole("1.5", 1, 10).ok).toBe(false);
  expect(value(parseWhole("99", 1, 10, "number of neighbours"))).toBe(
    "A number of neighbours here is a whole number from 1 to 10.",
  );
});

describe("formatting", () => {
  it.each([
    [formatBandwidth(512_000), "512 kbit/s"],
    [formatBandwidth(1_234_567), "1.23 Mbit/s"],
    [formatBandwidth(100), "100 bit/s"],
    [formatBandwidth("unlimited"), "unlimited"],
    [formatLatency(0), "0 ms"],
    [formatLatency(3.14159), "3.14 ms"],
    [formatLatency(141.4), "141 ms"],
    [formatLatency(12_340), "12.3 s"],
    [formatLatency(90_000), "1.5 min"],
    [formatAgo(0.04), "0.0 s"],
    [formatAgo(9.96), "10 s"],
    [formatAgo(59.6), "1 min 0 s"],
    [formatAgo(119.7), "2 min 0 s"],
    [formatAgo(150), "2 min 30 s"],
    [formatBytes(999), "999 B"],
    [formatBytes(1_500_000), "1.5 MB"],
    [grouped(1_234_567), "1\u202f234\u202f567"],
  ])("%s", (got, want) => {
    expect(got).toBe(want);
  });
});

it("writes a program's durations as people do, and leaves the rest alone", () => {
  expect(plainDurations("no answer after 1m30.000482913s, the last in 1.499382ms")).toBe("no answer after 1.5 min, the last in 1.5 ms");
  expect(plainDurations("hs3 did not answer within 30s")).toBe("hs3 did not answer within 30 s");
  expect(plainDurations("dial 10.0.0.3:8448: event $a-12s of hs12s, 3 servers")).toBe("dial 10.0.0.3:8448: event $a-12s of hs12s, 3 servers");
});

describe("parseRate", () => {
  it.each([
    ["2", 2],
    ["0", 0],
    ["0,5 a second", 0.5],
    ["10/s", 10],
    ["30 a minute", 0.5],
    ["often", "Write a rate such as 2 a second or 30 a minute."],
    ["201", "A rate here is at most 200 a second."],
    ["0.0001", "A rate here is at least 0.001 a second, or 0 for silence."],
  ])("%s", (text, want) => expect(value(parseRate(text))).toBe(want));
});
