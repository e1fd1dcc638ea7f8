/** Whether a mesh hangs together. Pure. */
import type { Mesh } from "./mesh";

/** Into how many parts the running servers fall that no link joins; 0 where none runs. */
export function partsOf(mesh: Mesh): number {
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
  let parts = parent.size;
  for (const link of mesh.links.values()) {
    if (link.cut || !parent.has(link.a) || !parent.has(link.b)) continue;
    const [a, b] = [root(link.a), root(link.b)];
    if (a === b) continue;
    parent.set(a, b);
    parts--;
  }
  return parts;
}
