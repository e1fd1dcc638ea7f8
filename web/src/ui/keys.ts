/** The keys of the page, as commands. Pure: tested without a page. */
export type Command =
  | { readonly do: "remove" | "undo" | "redo" | "all" | "duplicate" | "palette" | "escape" | "zoom-in" | "zoom-out" | "zoom-reset" | "fit" | "place" | "next" | "previous" | "help" | "open" | "save" | "snap" | "pause" }
  | { readonly do: "nudge"; readonly dx: number; readonly dy: number };

export interface Key {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly shiftKey: boolean;
}

const PLAIN: Readonly<Record<string, Command>> = {
  Delete: { do: "remove" },
  Backspace: { do: "remove" },
  Escape: { do: "escape" },
  "+": { do: "zoom-in" },
  "=": { do: "zoom-in" },
  "-": { do: "zoom-out" },
  "0": { do: "zoom-reset" },
  f: { do: "fit" },
  F: { do: "fit" },
  "]": { do: "next" },
  "[": { do: "previous" },
  s: { do: "snap" },
  S: { do: "snap" },
  "?": { do: "help" },
  p: { do: "pause" },
  P: { do: "pause" },
};

const WITH_CONTROL: Readonly<Record<string, Command>> = {
  z: { do: "undo" },
  "shift z": { do: "redo" },
  y: { do: "redo" },
  a: { do: "all" },
  d: { do: "duplicate" },
  k: { do: "palette" },
  o: { do: "open" },
  s: { do: "save" },
};

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** onBoard: whether the board itself has the focus, where the arrows and Enter have a meaning. */
export function commandOf(e: Key, onBoard: boolean): Command | undefined {
  if ((e.ctrlKey || e.metaKey) && !e.altKey) return WITH_CONTROL[`${e.shiftKey ? "shift " : ""}${e.key.toLowerCase()}`];
  if (e.ctrlKey || e.metaKey || e.altKey) return undefined;
  const arrow = ARROWS[e.key];
  if (arrow) {
    const step = e.shiftKey ? 1 : 10;
    return onBoard ? { do: "nudge", dx: arrow[0] * step, dy: arrow[1] * step } : undefined;
  }
  if (e.key === "Enter") return onBoard ? { do: "place" } : undefined;
  return PLAIN[e.key];
}

/** Whether keys typed into an element are text or its own, not commands. */
export function isEditable(element: EventTarget | null): boolean {
  if (!(element instanceof HTMLElement)) return false;
  return element.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(element.tagName);
}
