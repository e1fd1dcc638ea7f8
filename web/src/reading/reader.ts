/** Where the page finds the reader of the stream. */
import type { Errand, Report } from "./reports";

export class Reader {
  readonly #url: string;
  readonly #worker = new Worker(new URL("./reader.worker.ts", import.meta.url), { type: "module" });

  /** `told` is called with what came since it was called before, in its order. */
  constructor(url: string, told: (reports: readonly Report[]) => void) {
    this.#url = url;
    this.#worker.onmessage = ({ data }: MessageEvent<Report[]>) => told(data);
  }

  /** Opens the stream, anew where it is open or waits for its next attempt. */
  open(): void {
    this.#send({ do: "open", url: this.#url });
  }

  /** For good. */
  close(): void {
    this.#send({ do: "close" });
  }

  #send(errand: Errand): void {
    this.#worker.postMessage(errand);
  }
}
