import type { LinkKey } from "../model/mesh";

/** What is selected or pointed at: one server, several, one link, or nothing. */
export type Target =
  | { readonly kind: "server"; readonly id: number }
  | { readonly kind: "servers"; readonly ids: ReadonlySet<number> }
  | { readonly kind: "link"; readonly key: LinkKey }
  | undefined;

export function sameTarget(a: Target, b: Target): boolean {
  if (a?.kind === "server") return b?.kind === "server" && a.id === b.id;
  if (a?.kind === "link") return b?.kind === "link" && a.key === b.key;
  if (a?.kind === "servers") return b?.kind === "servers" && a.ids.size === b.ids.size && [...a.ids].every((id) => b.ids.has(id));
  return b === undefined;
}

const NONE: ReadonlySet<number> = new Set();

/** The servers among what is selected. */
export function serversOf(target: Target): ReadonlySet<number> {
  if (target?.kind === "server") return new Set([target.id]);
  return target?.kind === "servers" ? target.ids : NONE;
}

/** These servers selected: one is a server, none is nothing. */
export function targetOf(ids: Iterable<number>): Target {
  const set = new Set(ids);
  const [first] = set;
  if (first === undefined) return undefined;
  return set.size === 1 ? { kind: "server", id: first } : { kind: "servers", ids: set };
}

/** The selection with one server more, or less where it was in it. */
export function toggled(target: Target, id: number): Target {
  const ids = new Set(serversOf(target));
  if (!ids.delete(id)) ids.add(id);
  return targetOf(ids);
}
