import { expect, it } from "vitest";
import { sameTarget, serversOf, targetOf, toggled } from "./selection";

it("is nothing, one or several, by how many there are", () => {
  expect(targetOf([])).toBeUndefined();
  expect(targetOf([4])).toEqual({ kind: "server", id: 4 });
  expect(serversOf(targetOf([4, 2, 4]))).toEqual(new Set([4, 2]));
});

it("takes one more and gives it away again", () => {
  const two = toggled({ kind: "server", id: 1 }, 2);
  expect(serversOf(two)).toEqual(new Set([1, 2]));
  expect(toggled(two, 1)).toEqual({ kind: "server", id: 2 });
  expect(toggled({ kind: "link", key: "1-2" }, 7)).toEqual({ kind: "server", id: 7 });
});

it("compares several by their ids", () => {
  expect(sameTarget(targetOf([1, 2]), targetOf([2, 1]))).toBe(true);
  expect(sameTarget(targetOf([1, 2]), targetOf([2, 3]))).toBe(false);
  expect(sameTarget(targetOf([1, 2]), undefined)).toBe(false);
});
