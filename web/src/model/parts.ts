/** Whether a mesh hangs together. Pure. */
import type { Mesh } from "./mesh";

/** The running and paused servers in parts that no link joins. */
export interface Parts {
  /** How many; 0 where no server runs. */
  readonly count: number;
  /** Whether there is a path between two servers. */
  joined(a: number, b: number): boolean;
}

export function partsOf(mesh: Mesh): Parts {
  const parent = new Map<number, number>();
  for (const s of mesh.servers.values()) if (s.state === "running" || s.state === "paused") parent.set(s.id, s.id);
  const root = (id: number): number => {
    let at = id;
    for (let up = parent.get(at) as number; up !== at; up = parent.get(at) as number) {
      parent.set(at, parent.get(up) as number);
      at = up;
    }
    return at;
  };
  let count = parent.size;
  for (const link of mesh.links.values()) {
    if (link.cut || !parent.has(link.a) || !parent.has(link.b)) continue;
    const [a, b] = [root(link.a), root(link.b)];
    if (a === b) continue;
    parent.set(a, b);
    count--;
  }
  return { count, joined: (a, b) => parent.has(a) && parent.has(b) && root(a) === root(b) };
}
