import { expect, it } from "vitest";
import { lastOf, sparkArea, sparkPath } from "./spark";

it("goes from left to right, 0 at the bottom, the most at the top", () => {
  expect(sparkPath([0, 5, 10], 10, 100, 20)).toBe("M0 20h0.01L50 10L100 0");
});

it("leaves a gap where nothing is known, and does not leave its box", () => {
  expect(sparkPath([undefined, 4, undefined, 99], 10, 30, 10)).toBe("M10 6h0.01M30 0h0.01");
  expect(sparkPath([0, 0], 0, 10, 10)).toBe("M0 10h0.01L10 10");
});

it("is closed along the bottom to be filled", () => {
  expect(sparkArea([10, 10], 10, 10, 10)).toBe("M0 0h0.01L10 0L10 10L0 10Z");
  expect(sparkArea([3], 10, 10, 10)).toBe("");
});

it("fills up with what is not known, so that a second has the same width always", () => {
  expect(lastOf([1, 2], 4)).toEqual([undefined, undefined, 1, 2]);
  expect(lastOf([1, 2, 3], 2)).toEqual([2, 3]);
});
