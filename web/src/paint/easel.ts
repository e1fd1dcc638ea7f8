/** Where the page finds its painter: in a worker, or beside it where the browser has no canvases for workers. */
import { wall } from "../model/playhead";
import type { Order, Telling } from "./orders";
import { Painter } from "./painter";

/** What the page has of the painter. Orders may be given before there are canvases. */
export class Easel {
  /** What the painter has to say. */
  onTelling: (telling: Telling) => void = () => undefined;
  readonly #worker = worker();
  readonly #local: Painter | undefined = this.#worker ? undefined : this.#beside();
  #asked = 0;

  constructor() {
    if (this.#worker) this.#worker.onmessage = ({ data }: MessageEvent<Telling>) => this.onTelling(data);
  }

  order(order: Order): void {
    if (this.#worker) this.#worker.postMessage(order);
    else this.#local?.take(order);
  }

  /** Gives the painter its canvases, for good. */
  hang(still: HTMLCanvasElement, moving: HTMLCanvasElement): void {
    if (!this.#worker) {
      this.#local?.hang(still, moving);
      return;
    }
    const surfaces = [still.transferControlToOffscreen(), moving.transferControlToOffscreen()] as const;
    this.#worker.postMessage({ do: "surfaces", still: surfaces[0], moving: surfaces[1] } satisfies Order, [...surfaces]);
  }

  #beside(): Painter {
    const painter: Painter = new Painter({
      frame: () =>
        (this.#asked ||= requestAnimationFrame(() => {
          this.#asked = 0;
          painter.paint();
        })),
      tell: (telling) => this.onTelling(telling),
      now: wall,
    });
    return painter;
  }
}

function worker(): Worker | undefined {
  if (typeof OffscreenCanvas === "undefined" || !("transferControlToOffscreen" in HTMLCanvasElement.prototype)) return undefined;
  return new Worker(new URL("./painter.worker.ts", import.meta.url), { type: "module" });
}
