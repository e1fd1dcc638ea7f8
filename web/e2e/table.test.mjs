// The table of capabilities in README.md names every test, and no other.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const here = new URL("./", import.meta.url);
const textOf = (name) => readFileSync(new URL(name, here), "utf8");

test("the table names every test, and no other", () => {
  const rows = [...textOf("README.md").matchAll(/^\| (?!capability).+ \| (.+) \|$/gm)].map(([, name]) => name);
  const files = readdirSync(here).filter((name) => name.endsWith(".test.mjs"));
  const tests = files.flatMap((name) => [...textOf(name).matchAll(/^(?:everywhere|everyLook|inWindow)\(\s*"([^"]+)"/gm)].map(([, test]) => test));
  assert.deepEqual(rows.toSorted(), tests.toSorted());
});
