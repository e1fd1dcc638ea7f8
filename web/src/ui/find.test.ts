import { expect, it } from "vitest";
import { best, rank } from "./find";

it("prefers the whole name, then its start, then the start of a word, then anything inside", () => {
  const names = ["a room of hs1", "ehs1", "hs10", "hs1"].map((name) => ({ name }));
  expect(best(names, "HS1", 9).map((n) => n.name)).toEqual(["hs1", "hs10", "a room of hs1", "ehs1"]);
  expect(best(names, "hs1", 2)).toHaveLength(2);
});

it("wants every word, in any order", () => {
  expect(rank("hs3 – hs14", "hs14 hs3")).toBeDefined();
  expect(rank("hs3 – hs14", "hs14 hs4x")).toBeUndefined();
  expect(rank("anything", "")).toBe(0);
});
