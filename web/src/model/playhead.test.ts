import { describe, expect, it } from "vitest";
import { LIVE, paced, paused, resumed, scrubbed, shownAt, skipped, toLive } from "./playhead";

describe("the moment that is looked at", () => {
  it("is now until something else is asked for", () => {
    expect(shownAt(LIVE, 500, 9000)).toBe(9000);
  });

  it("stands still while paused, and runs on from there", () => {
    const still = paused(LIVE, 1000, 5000);
    expect(shownAt(still, 3000, 7000)).toBe(5000);
    const on = resumed(still, 3000, 7000);
    expect(on.live).toBe(false);
    expect(shownAt(on, 3500, 7500)).toBe(5500);
  });

  it("falls behind in slow motion", () => {
    const slow = paced(LIVE, 0.1, 1000, 5000);
    expect(shownAt(slow, 2000, 6000)).toBe(5100);
  });

  it("keeps its place when the pace changes", () => {
    const slow = paced(LIVE, 0.1, 1000, 5000);
    const real = paced(slow, 1, 2000, 6000);
    expect(shownAt(real, 2000, 6000)).toBe(5100);
    expect(shownAt(real, 2500, 6500)).toBe(5600);
  });

  it("never gets ahead of what happens now", () => {
    expect(shownAt(resumed(scrubbed(LIVE, 4999, 0), 0, 5000), 60_000, 5100)).toBe(5100);
  });

  it("goes back to now; slow motion begins at it", () => {
    expect(toLive(scrubbed(LIVE, 100, 0), 10, 5000)).toMatchObject({ live: true, paused: false });
    const slow = toLive(paced(LIVE, 0.5, 0, 4000), 1000, 5000);
    expect(slow.live).toBe(false);
    expect(shownAt(slow, 2000, 6000)).toBe(5500);
  });

  it("skips where nothing happened", () => {
    const slow = paced(LIVE, 0.1, 0, 0);
    expect(shownAt(skipped(slow, 800, 1000), 2000, 2000)).toBe(900);
  });
});
