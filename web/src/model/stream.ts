/**
 * The connection to the mesh: opens, hands frames on, and when it breaks tries again, a little later each
 * time, without ever giving up. The first frame of every connection is a snapshot, so nothing is resumed.
 */
import type { Frame } from "./types";

export type Connection =
  | { readonly state: "connecting" }
  | { readonly state: "open" }
  | { readonly state: "lost"; readonly retryAt: number; readonly attempt: number };

export interface StreamHandlers {
  /** A new connection is about to deliver its first frame; its clock and its path ids are new. */
  opened(): void;
  frame(frame: Frame): void;
  connection(c: Connection): void;
}

const SILENCE_MS = 15_000; // counters come four times a second: such a silence is a dead connection
const RETRY_MS = [500, 1000, 2000, 3000, 5000];

export class Stream {
  readonly #handlers: StreamHandlers;
  #url = "";
  #socket: WebSocket | undefined;
  #attempt = 0;
  #greeted: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(handlers: StreamHandlers) {
    this.#handlers = handlers;
  }

  open(url = this.#url): void {
    this.#url = url;
    clearTimeout(this.#timer);
    if (this.#closed) return;
    if (this.#attempt === 0) this.#handlers.connection({ state: "connecting" });
    const [old, socket] = [this.#socket, new WebSocket(this.#url)];
    this.#socket = socket;
    old?.close();
    socket.onmessage = (message) => this.#receive(socket, message);
    socket.onclose = () => this.#lose(socket);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #receive(socket: WebSocket, message: MessageEvent): void {
    if (socket !== this.#socket || typeof message.data !== "string") return;
    const frame = JSON.parse(message.data) as Frame;
    if (this.#greeted !== socket) {
      this.#greeted = socket;
      this.#attempt = 0;
      this.#handlers.opened();
      this.#handlers.connection({ state: "open" });
    }
    this.#handlers.frame(frame);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lose(socket), SILENCE_MS);
  }

  #lose(socket: WebSocket): void {
    if (socket !== this.#socket || this.#closed) return;
    this.#socket = undefined;
    socket.close();
    clearTimeout(this.#timer);
    const wait = RETRY_MS[Math.min(this.#attempt, RETRY_MS.length - 1)] as number;
    this.#attempt++;
    this.#handlers.connection({ state: "lost", retryAt: Date.now() + wait, attempt: this.#attempt });
    this.#timer = setTimeout(() => this.open(), wait);
  }
}

/** Where the stream is, next to the page. */
export function streamURL(page: { protocol: string; host: string }): string {
  return `${page.protocol === "https:" ? "wss" : "ws"}://${page.host}/api/v1/stream`;
}
