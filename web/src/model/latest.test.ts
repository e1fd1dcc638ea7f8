import { expect, it, vi } from "vitest";
import { StreamClock } from "./clock";
import { Latest } from "./latest";

it("sends the first and the last of many, one at a time", async () => {
  vi.useFakeTimers();
  const sent: number[] = [];
  let release: () => void = () => undefined;
  const latest = new Latest<number>((n) => {
    sent.push(n);
    return new Promise((resolve) => (release = resolve));
  }, 30);
  const first = latest.push(1);
  void latest.push(2);
  void latest.push(3);
  expect(sent).toEqual([1]);
  release();
  await vi.advanceTimersByTimeAsync(29);
  expect(sent).toEqual([1]);
  await vi.advanceTimersByTimeAsync(2);
  expect(sent).toEqual([1, 3]);
  release();
  await first;
  vi.useRealTimers();
});

it("tells of a refusal and then sends again", async () => {
  let fail = true;
  const latest = new Latest<number>(() => (fail ? Promise.reject(new Error("no")) : Promise.resolve()), 0);
  await expect(latest.push(1)).rejects.toThrow("no");
  await latest.idle();
  fail = false;
  await expect(latest.push(2)).resolves.toBeUndefined();
});

it("takes the quickest frame for the difference of the clocks", () => {
  const clock = new StreamClock();
  expect(clock.at(5)).toBeUndefined();
  clock.observe(100, 1150);
  clock.observe(200, 1210);
  clock.observe(300, 1390);
  expect(clock.at(1500)).toBe(490);
  clock.restart();
  expect(clock.at(5)).toBeUndefined();
});
