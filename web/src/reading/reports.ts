/** What the page tells the reader of the stream, who is in a worker, and what the reader tells the page. */
import type { Counters } from "../model/counters";
import type { Connection } from "../model/stream";
import type { DiffFrame, EventsFrame, SnapshotFrame } from "../model/types";

export type Errand = { readonly do: "open"; readonly url: string } | { readonly do: "close" };

export type Report =
  /** The connection is new: so are its clock and its ids of paths. */
  | { readonly tell: "opened" }
  | { readonly tell: "connection"; readonly connection: Connection }
  | { readonly tell: "snapshot"; readonly snapshot: SnapshotFrame }
  | { readonly tell: "diff"; readonly diff: DiffFrame }
  /** It came at that moment of the wall clock; see model/playhead. */
  | { readonly tell: "events"; readonly cameMS: number; readonly events: EventsFrame }
  | { readonly tell: "counters"; readonly cameMS: number; readonly counters: Counters };
