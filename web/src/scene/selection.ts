import type { LinkKey } from "../model/mesh";

/** What is selected or pointed at: one server, one link, or nothing. */
export type Target =
  | { readonly kind: "server"; readonly id: number }
  | { readonly kind: "link"; readonly key: LinkKey }
  | undefined;

export function sameTarget(a: Target, b: Target): boolean {
  if (a?.kind === "server") return b?.kind === "server" && a.id === b.id;
  if (a?.kind === "link") return b?.kind === "link" && a.key === b.key;
  return b === undefined;
}
