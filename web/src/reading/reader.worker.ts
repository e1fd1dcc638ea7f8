/**
 * Reads the stream in a worker of its own: the page is handed what came since its last frame at once, decoded, and the
 * counters of all links as one block.
 */
import { packed } from "../model/counters";
import { Gather } from "../model/gather";
import { wall } from "../model/playhead";
import { Stream } from "../model/stream";
import type { Frame } from "../model/types";
import type { Errand, Report } from "./reports";

/** What of a worker's global scope is used; the page's types know only windows. */
interface Scope {
  onmessage: ((message: MessageEvent<Errand>) => void) | null;
  postMessage(reports: Report[], transfer: Transferable[]): void;
}
const scope = globalThis as unknown as Scope;

const GAP_MS = 16; // between two messages to the page: it draws no more often

const reports = new Gather<Report>((list) => {
  scope.postMessage(list, list.flatMap((r) => (r.tell === "counters" ? [r.counters.rows.buffer] : [])));
}, GAP_MS);

const stream = new Stream({
  opened: () => reports.add({ tell: "opened" }),
  connection: (connection) => reports.add({ tell: "connection", connection }),
  frame: (frame) => read(frame, wall()),
});

function read({ snapshot, diff, events, counters }: Frame, cameMS: number): void {
  if (snapshot) reports.add({ tell: "snapshot", snapshot });
  if (diff) reports.add({ tell: "diff", diff });
  if (events) reports.add({ tell: "events", cameMS, events });
  if (counters) reports.add({ tell: "counters", cameMS, counters: packed(counters) });
}

scope.onmessage = ({ data }) => {
  if (data.do === "open") stream.open(data.url);
  else stream.close();
};
