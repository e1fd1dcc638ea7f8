import type { LinkKey } from "../model/mesh";

/** What is selected or pointed at: one server, several, one link, several, or nothing. */
export type Target =
  | { readonly kind: "server"; readonly id: number }
  | { readonly kind: "servers"; readonly ids: ReadonlySet<number> }
  | { readonly kind: "link"; readonly key: LinkKey }
  | { readonly kind: "links"; readonly keys: ReadonlySet<LinkKey> }
  | undefined;

export function sameTarget(a: Target, b: Target): boolean {
  return a?.kind === b?.kind && sameSet(serversOf(a), serversOf(b)) && sameSet(linksIn(a), linksIn(b));
}

function sameSet<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  return a.size === b.size && [...a].every((item) => b.has(item));
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

const NO_LINKS: ReadonlySet<LinkKey> = new Set();

/** The links among what is selected. */
export function linksIn(target: Target): ReadonlySet<LinkKey> {
  if (target?.kind === "link") return new Set([target.key]);
  return target?.kind === "links" ? target.keys : NO_LINKS;
}

/** Whether a link is among what is selected. */
export function hasLink(target: Target, key: LinkKey): boolean {
  return target?.kind === "link" ? target.key === key : target?.kind === "links" && target.keys.has(key);
}

/** These links selected: one is a link, none is nothing. */
export function targetOfLinks(keys: Iterable<LinkKey>): Target {
  const set = new Set(keys);
  const [first] = set;
  if (first === undefined) return undefined;
  return set.size === 1 ? { kind: "link", key: first } : { kind: "links", keys: set };
}

/** The selection with one link more, or less where it was in it. */
export function toggledLink(target: Target, key: LinkKey): Target {
  const keys = new Set(linksIn(target));
  if (!keys.delete(key)) keys.add(key);
  return targetOfLinks(keys);
}
