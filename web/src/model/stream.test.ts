import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Connection, Stream, streamURL } from "./stream";
import type { Frame } from "./types";

class FakeSocket {
  static readonly made: FakeSocket[] = [];
  onmessage: ((m: { data: unknown }) => void) | undefined;
  onclose: (() => void) | undefined;
  closed = false;

  constructor(readonly url: string) {
    FakeSocket.made.push(this);
  }

  close(): void {
    this.closed = true;
  }

  say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

beforeEach(() => {
  FakeSocket.made.length = 0;
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function started() {
  const seen = { opened: 0, frames: [] as Frame[], states: [] as Connection["state"][] };
  const stream = new Stream({
    opened: () => seen.opened++,
    frame: (f) => seen.frames.push(f),
    connection: (c) => seen.states.push(c.state),
  });
  stream.open("ws://mesh/api/v1/stream");
  return { stream, seen };
}

const last = () => FakeSocket.made.at(-1) as FakeSocket;

it("is open with the first frame, and greets a connection once", () => {
  const { seen } = started();
  last().say({ type: "snapshot" });
  last().say({ type: "snapshot" });
  expect(seen.states).toEqual(["connecting", "open"]);
  expect(seen.opened).toBe(1);
  expect(seen.frames).toHaveLength(2);
});

it("tries again, ever later, and starts over once it is back", () => {
  const { seen } = started();
  for (const wait of [500, 1000, 2000, 3000, 5000, 5000]) {
    const before = FakeSocket.made.length;
    last().onclose?.();
    expect(seen.states.at(-1)).toBe("lost");
    vi.advanceTimersByTime(wait - 1);
    expect(FakeSocket.made.length).toBe(before);
    vi.advanceTimersByTime(1);
    expect(FakeSocket.made.length).toBe(before + 1);
  }
  last().say({ type: "snapshot" });
  expect(seen.states.at(-1)).toBe("open");
  last().onclose?.();
  vi.advanceTimersByTime(500);
  expect(FakeSocket.made).toHaveLength(8);
});

it("takes silence for a lost connection, and hears nothing more from that socket", () => {
  const { seen } = started();
  const silent = last();
  silent.say({ type: "snapshot" });
  vi.advanceTimersByTime(15_000);
  expect(seen.states.at(-1)).toBe("lost");
  expect(silent.closed).toBe(true);
  silent.say({ type: "diff" });
  expect(seen.frames).toHaveLength(1);
});

it("can be told to try now, and then has one socket", () => {
  const { stream, seen } = started();
  last().onclose?.();
  stream.open();
  const early = last();
  stream.open();
  expect(early.closed).toBe(true);
  early.onclose?.();
  last().say({ type: "snapshot" });
  expect(seen.states.at(-1)).toBe("open");
  vi.advanceTimersByTime(10_000);
  expect(FakeSocket.made).toHaveLength(3);
});

it("stays closed", () => {
  const { stream } = started();
  stream.close();
  last().onclose?.();
  vi.advanceTimersByTime(60_000);
  expect(FakeSocket.made).toHaveLength(1);
});

it("lies beside the page", () => {
  expect(streamURL({ protocol: "http:", host: "localhost:3000" })).toBe("ws://localhost:3000/api/v1/stream");
  expect(streamURL({ protocol: "https:", host: "mesh.example" })).toBe("wss://mesh.example/api/v1/stream");
});
