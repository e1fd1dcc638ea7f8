import { expect, it } from "vitest";
import { hasLink, linksIn, sameTarget, serversOf, targetOf, targetOfLinks, toggled, toggledLink } from "./selection";

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

it("selects links beside each other, not beside servers", () => {
  const two = toggledLink({ kind: "link", key: "0-1" }, "1-2");
  expect(linksIn(two)).toEqual(new Set(["0-1", "1-2"]));
  expect(hasLink(two, "1-2")).toBe(true);
  expect(hasLink(two, "0-2")).toBe(false);
  expect(toggledLink(two, "0-1")).toEqual({ kind: "link", key: "1-2" });
  expect(toggledLink({ kind: "server", id: 4 }, "0-1")).toEqual({ kind: "link", key: "0-1" });
  expect(sameTarget(targetOfLinks(["0-1", "1-2"]), two)).toBe(true);
  expect(sameTarget(targetOfLinks(["0-1", "0-2"]), two)).toBe(false);
  expect(serversOf(two).size).toBe(0);
});
