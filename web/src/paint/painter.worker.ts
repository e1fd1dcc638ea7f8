/** The painter in a worker of its own. */
import { wall } from "../model/playhead";
import type { Order, Telling } from "./orders";
import { Painter } from "./painter";

/** What of a worker's global scope is used; the page's types know only windows. */
interface Scope {
  onmessage: ((message: MessageEvent<Order>) => void) | null;
  postMessage(telling: Telling, transfer: Transferable[]): void;
  requestAnimationFrame?: (callback: () => void) => number;
}
const scope = globalThis as unknown as Scope;

const FRAME_MS = 16; // where a worker is not told of frames
let asked = false;

function run(): void {
  asked = false;
  painter.paint();
}

const painter = new Painter({
  frame() {
    if (asked) return;
    asked = true;
    if (scope.requestAnimationFrame) scope.requestAnimationFrame(run);
    else setTimeout(run, FRAME_MS);
  },
  tell: (telling, transfer) => scope.postMessage(telling, transfer),
  now: wall,
});

scope.onmessage = ({ data }) => painter.take(data);
