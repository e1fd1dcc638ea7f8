import { expect, it } from "vitest";
import { Heap } from "./heap";

it("gives numbers back by cost", () => {
  const heap = new Heap();
  expect(heap.pop()).toBeUndefined();
  const costs = Array.from({ length: 200 }, (_, i) => (i * 7919) % 211);
  for (const cost of costs) heap.push(cost, cost);
  const out = costs.map(() => heap.pop());
  expect(out).toEqual([...costs].sort((a, b) => a - b));
  expect(heap.pop()).toBeUndefined();
});
