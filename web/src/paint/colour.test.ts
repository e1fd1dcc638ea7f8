import { expect, it } from "vitest";
import { eventColour, hash } from "./colour";

it("hashes as FNV-1a does", () => {
  expect(hash("")).toBe(0x811c9dc5);
  expect(hash("foobar")).toBe(0xbf9cf968);
});

it("gives an event the same colour always, and many events many colours", () => {
  expect(eventColour("$x")).toBe(eventColour("$x"));
  const counts = new Map<string, number>();
  for (let i = 0; i < 800; i++) {
    const colour = eventColour(`$event-${String(i)}`);
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  expect(counts.size).toBe(8);
  for (const n of counts.values()) expect(n).toBeGreaterThan(50);
});
