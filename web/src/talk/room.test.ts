import { afterEach, expect, it, vi } from "vitest";
import type { Message } from "../model/types";
import { RoomView } from "./room.svelte";

afterEach(() => vi.unstubAllGlobals());

function message(id: string): Message {
  return { event_id: id, type: "m.room.message", sender: "@matthew:hs0", body: id, ts: 1 };
}

it("asks a server again that was asked meanwhile, because its answer may be older than the question", async () => {
  const answers = [[message("$first")], [message("$first"), message("$second")]];
  const held: (() => void)[] = [];
  vi.stubGlobal("fetch", () => {
    const body = JSON.stringify(answers.shift());
    return new Promise((resolve) => held.push(() => resolve(new Response(body))));
  });
  const view = new RoomView("!room");
  const first = view.load([0]);
  const second = view.load([0]);
  await vi.waitFor(() => expect(held).toHaveLength(1));
  held[0]?.();
  await vi.waitFor(() => expect(held).toHaveLength(2));
  held[1]?.();
  await Promise.all([first, second]);
  expect([...view.messages.keys()]).toEqual(["$first", "$second"]);
});
