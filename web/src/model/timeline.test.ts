import { describe, expect, it } from "vitest";
import { KEPT_S, Timeline } from "./timeline";

describe("the time line", () => {
  it("counts by second and says how long deliveries took", () => {
    const line = new Timeline();
    line.sent(1000);
    line.sent(1999);
    for (const ms of [10, 20, 30, 40, 1000]) line.received(2500, ms);
    line.failed(2600);
    expect(line.at(1500)).toMatchObject({ atMS: 1000, sent: 2, received: 0, p50MS: undefined });
    expect(line.at(2000)).toMatchObject({ sent: 0, received: 5, failed: 1, p50MS: 30, p95MS: 1000 });
  });

  it("counts a delivery whose delay is not known", () => {
    const line = new Timeline();
    line.received(0, NaN);
    expect(line.at(0)).toMatchObject({ received: 1, p50MS: undefined });
  });

  it("gives every second of the window, the oldest first", () => {
    const line = new Timeline();
    line.sent(300_000);
    const seconds = line.seconds(301_500);
    expect(seconds).toHaveLength(KEPT_S);
    expect(seconds.at(-1)?.atMS).toBe(301_000);
    expect(seconds.at(-2)?.sent).toBe(1);
  });

  it("forgets what is older than the window, and takes nothing that is", () => {
    const line = new Timeline();
    line.sent(0);
    line.sent(1000 * KEPT_S);
    expect(line.at(0).sent).toBe(0);
    line.sent(0);
    expect(line.at(0).sent).toBe(0);
  });

  it("samples a busy second evenly", () => {
    const line = new Timeline();
    for (let i = 0; i < 20_000; i++) line.received(0, i);
    const { p50MS = 0, p95MS = 0 } = line.at(0);
    expect(p50MS).toBeGreaterThan(7000);
    expect(p50MS).toBeLessThan(13_000);
    expect(p95MS).toBeGreaterThan(16_000);
  });
});
