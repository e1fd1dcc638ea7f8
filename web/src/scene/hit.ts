/** What lies under the pointer: servers before links, the nearest first. */
import { type Quadtree, quadtree } from "d3-quadtree";
import { distanceToSegment, type Screen } from "../geometry/space";
import type { Scene, SceneNode } from "./scene";
import type { Target } from "./selection";

const LINK_REACH = 7; // screen pixels to either side of a link

export class HitTest {
  readonly #nodes: Quadtree<SceneNode>;
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#nodes = quadtree<SceneNode>(
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
    const within = ({ at }: SceneNode) => at.x >= left && at.x <= right && at.y >= top && at.y <= bottom;
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
