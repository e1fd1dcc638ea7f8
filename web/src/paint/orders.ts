/** What the page tells the painter, who may be in a worker, and what the painter tells the page. */
import type { Screen, View, World } from "../geometry/space";
import type { Playhead } from "../model/playhead";
import type { Happenings } from "../model/traffic";
import type { Counters } from "../model/counters";
import type { DiffFrame, SnapshotFrame } from "../model/types";
import type { LinkKey } from "../model/mesh";
import type { Colouring } from "../scene/colouring";
import type { Target } from "../scene/selection";
import type { Theme } from "./theme";

/** How the mesh is looked at, and what the person does on the board. */
export interface Look {
  readonly view: View;
  /** Of the board, in screen pixels. */
  readonly width: number;
  readonly height: number;
  /** Screen's own pixels per screen pixel. */
  readonly ratio: number;
  readonly theme: Theme;
  readonly calm: boolean; // reduced motion
  readonly moves: ReadonlyMap<number, World>;
  readonly selection: Target;
  readonly hover: Target;
  /** Links shown as a path; undefined where none are, and the selected server's routes may be. */
  readonly highlight: ReadonlySet<LinkKey> | undefined;
  readonly colouring: Colouring;
  /** Where a server would be placed. */
  readonly ghost: Screen | undefined;
  /** Servers asked for and not there yet. */
  readonly arriving: readonly World[];
  readonly dragging: number | undefined;
  readonly head: Playhead;
}

export type Order =
  | { readonly do: "surfaces"; readonly still: OffscreenCanvas; readonly moving: OffscreenCanvas }
  | { readonly do: "look"; readonly look: Partial<Look> }
  | { readonly do: "snapshot"; readonly snapshot: SnapshotFrame }
  | { readonly do: "diff"; readonly diff: DiffFrame }
  /** Another mesh than before: what was last heard of its servers is none of its own. */
  | { readonly do: "forget" }
  | { readonly do: "happenings"; readonly happenings: Happenings }
  | { readonly do: "counters"; readonly counters: Counters }
  /** How much the wall clock is ahead of the stream's; a new stream has a new one, and forgets what moved. */
  | { readonly do: "clock"; readonly offsetMS: number; readonly restart: boolean };

export type Telling =
  /** Where labels lie for a view; see scene/hit. */
  | { readonly tell: "labels"; readonly view: View; readonly labels: Float64Array }
  /** Nothing happened for a while where the playhead was: it skipped to here. `from` is the one it left. */
  | { readonly tell: "skipped"; readonly from: Playhead; readonly head: Playhead }
  /** Of what moved before this moment of the stream's clock, some can not be shown again. */
  | { readonly tell: "kept"; readonly fromMS: number };
