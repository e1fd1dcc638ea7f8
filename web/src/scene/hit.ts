/** What lies under the pointer: servers before links, the nearest first. */
import { type Quadtree, quadtree } from "d3-quadtree";
import { distanceToSegment, type Screen } from "../geometry/space";
import type { LabelBox } from "../geometry/labels";
import { toScreen, type View, type World } from "../geometry/space";
import { ends, linkKey, type LinkKey, type Mesh } from "../model/mesh";
import { nodeRadius, positionOf } from "./scene";
import type { Target } from "./selection";

/** What can be pointed at, of a scene, in screen pixels. */
export interface Outline {
  readonly nodes: readonly OutlineNode[];
  readonly links: readonly { readonly key: LinkKey; readonly a: Screen; readonly b: Screen }[];
  readonly labels: readonly { readonly key: LinkKey; readonly box: LabelBox }[];
}

interface OutlineNode {
  readonly id: number;
  readonly at: Screen;
  readonly radius: number;
}

/** The outline of a mesh as it is now. Labels are where they were painted: two ends and a box each. */
export function outlineOf(mesh: Mesh, view: View, moves: ReadonlyMap<number, World>, labels: Float64Array | undefined): Outline {
  const radius = nodeRadius(view);
  const at = new Map<number, Screen>();
  for (const s of mesh.servers.values()) at.set(s.id, toScreen(view, positionOf(s, moves)));
  const links: { key: LinkKey; a: Screen; b: Screen }[] = [];
  for (const [key, link] of mesh.links) {
    const [a, b] = [at.get(link.a), at.get(link.b)];
    if (a && b) links.push({ key, a, b });
  }
  return { nodes: [...at].map(([id, p]) => ({ id, at: p, radius })), links, labels: unpacked(labels ?? NO_LABELS) };
}

const NO_LABELS = new Float64Array();
export const LABEL_NUMBERS = 6;

function unpacked(numbers: Float64Array): Outline["labels"] {
  const labels = [];
  for (let i = 0; i < numbers.length; i += LABEL_NUMBERS) {
    const [a = 0, b = 0, x = 0, y = 0, w = 0, h = 0] = numbers.subarray(i, i + LABEL_NUMBERS);
    labels.push({ key: linkKey(a, b), box: { x, y, w, h } });
  }
  return labels;
}

/** Labels for [outlineOf]. */
export function packed(labels: Outline["labels"]): Float64Array<ArrayBuffer> {
  const numbers = new Float64Array(labels.length * LABEL_NUMBERS);
  for (const [i, { key, box }] of labels.entries()) numbers.set([...ends(key), box.x, box.y, box.w, box.h], i * LABEL_NUMBERS);
  return numbers;
}

const LINK_REACH = 7; // screen pixels to either side of a link

export class HitTest {
  readonly #nodes: Quadtree<OutlineNode>;
  readonly #scene: Outline;

  constructor(scene: Outline) {
    this.#scene = scene;
    this.#nodes = quadtree<OutlineNode>(
      [...scene.nodes],
      (n) => n.at.x,
      (n) => n.at.y,
    );
  }

  /** margin widens servers for fingers, in screen pixels. */
  at(p: Screen, margin = 4): Target {
    return this.server(p, margin) ?? this.link(p, margin);
  }

  server(p: Screen, margin = 4): Target {
    const radius = (this.#scene.nodes[0]?.radius ?? 0) + margin;
    const node = this.#nodes.find(p.x, p.y, radius);
    return node ? { kind: "server", id: node.id } : undefined;
  }

  /** The servers whose centres lie between two corners. */
  inside(a: Screen, b: Screen): number[] {
    const [left, right] = [Math.min(a.x, b.x), Math.max(a.x, b.x)];
    const [top, bottom] = [Math.min(a.y, b.y), Math.max(a.y, b.y)];
    const within = ({ at }: OutlineNode) => at.x >= left && at.x <= right && at.y >= top && at.y <= bottom;
    return this.#scene.nodes.filter(within).map((n) => n.id);
  }

  link(p: Screen, margin = 4): Target {
    const label = this.#scene.labels.find(
      ({ box }) => p.x >= box.x && p.x <= box.x + box.w && p.y >= box.y && p.y <= box.y + box.h,
    );
    if (label) return { kind: "link", key: label.key };
    let found: Target;
    let least = LINK_REACH + margin - 4;
    for (const link of this.#scene.links) {
      const d = distanceToSegment(p, link.a, link.b);
      if (d >= least) continue;
      least = d;
      found = { kind: "link", key: link.key };
    }
    return found;
  }
}
