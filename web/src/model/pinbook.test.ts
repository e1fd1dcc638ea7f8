import { expect, it } from "vitest";
import { link, mesh, server } from "../test/build";
import { type Pins, PinBook } from "./pinbook";
import { withPin } from "./pins";

const servers = [server(0, 0, 0), server(1, 9, 9)];

/** A book whose requests are answered, in their order, when the test says so. */
function book(now: () => number = () => 0) {
  const put: Pins[] = [];
  const held: { resolve: () => void; reject: (e: Error) => void }[] = [];
  const pins = new PinBook((_, p) => {
    put.push(p);
    return new Promise((resolve, reject) => held.push({ resolve: () => resolve(p), reject }));
  }, now);
  pins.adopted(mesh(servers, [link(0, 1)]));
  return { pins, put, held };
}

it("makes edits of one pair one after the other, each on what the one before left", async () => {
  const { pins, put, held } = book();
  const pinned = pins.edit("0-1", (p) => withPin(p, "both", "loss_pct", 5));
  const cut = pins.edit("0-1", (p) => ({ ...p, cut: true, linked: false }));
  await Promise.resolve();
  expect(put).toHaveLength(1);
  held[0]?.resolve();
  await pinned;
  await expect.poll(() => held.length).toBe(2);
  held[1]?.resolve();
  const { before, after } = await cut;
  expect(before).toEqual({ pins_ab: { loss_pct: 5 }, pins_ba: { loss_pct: 5 }, cut: false, linked: false });
  expect(after).toEqual({ pins_ab: { loss_pct: 5 }, pins_ba: { loss_pct: 5 }, cut: true, linked: false });
});

it("goes on after a refusal from what held before", async () => {
  const { pins, put, held } = book();
  const refused = pins.edit("0-1", (p) => withPin(p, "ab", "mtu", 1));
  const next = pins.edit("0-1", (p) => withPin(p, "ab", "loss_pct", 2));
  await expect.poll(() => held.length).toBe(1);
  held[0]?.reject(new Error("too small"));
  await expect(refused).rejects.toThrow("too small");
  await expect.poll(() => held.length).toBe(2);
  held[1]?.resolve();
  await next;
  expect(put[1]).toEqual({ pins_ab: { loss_pct: 2 }, pins_ba: {}, cut: false, linked: false });
});

it("takes the answer for newer than an older frame, but not for ever", async () => {
  let now = 0;
  const { pins, held } = book(() => now);
  const edit = pins.edit("0-1", (p) => ({ ...p, cut: true, linked: false }));
  await expect.poll(() => held.length).toBe(1);
  held[0]?.resolve();
  await edit;
  pins.adopted(mesh(servers, [link(0, 1, { latency_ms: 7 })])); // under way before the edit
  expect(pins.of("0-1").cut).toBe(true);
  now = 60_000;
  expect(pins.of("0-1").cut).toBe(false);
});

it("remembers pairs whose pins unmade their link, until they are linked again or unpinned", async () => {
  const { pins, held } = book();
  const apart = mesh(servers, []);
  const edit = pins.edit("0-1", (p) => withPin(p, "both", "latency_ms", 900));
  await expect.poll(() => held.length).toBe(1);
  held[0]?.resolve();
  await edit;
  pins.adopted(apart);
  const latency = { pins_ab: { latency_ms: 900 }, pins_ba: { latency_ms: 900 }, cut: false, linked: false };
  expect(pins.apart(apart)).toEqual([["0-1", latency]]);
  expect(pins.apart(mesh([server(0, 0, 0)], []))).toEqual([]);
  const unpin = pins.edit("0-1", () => ({}));
  await expect.poll(() => held.length).toBe(2);
  held[1]?.resolve();
  await unpin;
  expect(pins.apart(apart)).toEqual([]);
});

it("finds a pair that another page pinned, if it was linked before", () => {
  const { pins } = book();
  pins.adopted(mesh(servers, [link(0, 1, {}, { pins_ab: { loss_pct: 1 } })]));
  pins.adopted(mesh(servers, []));
  expect(pins.apart(mesh(servers, []))).toHaveLength(1);
});

it("learns pins of pairs that were never seen linked, and knows those among some servers", () => {
  const pins = new PinBook(() => Promise.reject(new Error("nothing is asked for")));
  pins.learn([
    { a: 0, b: 1, pins_ab: { loss_pct: 2 }, pins_ba: {}, cut: false, linked: false },
    { a: 1, b: 7, pins_ab: {}, pins_ba: {}, cut: true, linked: false },
  ]);
  expect(pins.of("0-1").pins_ab).toEqual({ loss_pct: 2 });
  expect([...pins.among(new Set([0, 1, 2]))].map(([key]) => key)).toEqual(["0-1"]);
  expect(pins.apart(mesh([server(0, 0, 0), server(1, 1, 1)], [])).map(([key]) => key)).toEqual(["0-1"]);
});
