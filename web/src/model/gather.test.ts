import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Gather } from "./gather";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("hands on the first at once and what follows closely together, in order", () => {
  const handed: number[][] = [];
  const gather = new Gather<number>((values) => handed.push(values), 16);
  gather.add(1);
  expect(handed).toEqual([[1]]);
  gather.add(2);
  gather.add(3);
  vi.advanceTimersByTime(15);
  expect(handed).toEqual([[1]]);
  vi.advanceTimersByTime(1);
  expect(handed).toEqual([[1], [2, 3]]);
  vi.advanceTimersByTime(100);
  gather.add(4);
  expect(handed).toEqual([[1], [2, 3], [4]]);
});
