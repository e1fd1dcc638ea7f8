/** Editing pins: pure functions from pins and an edit to the pins to ask the mesh for. */
import type { Link, LinkPins, Pin } from "./types";

export type Way = "both" | "ab" | "ba";
/** A direction as the inspector shows it: its name, empty where it is both, and an arrow. */
export interface WayShown {
  readonly way: Way;
  readonly name: string;
  readonly sign: string;
}

export type PinKey = keyof Pin;

/** A link's pins with one parameter pinned to a value, or derived again where the value is undefined. */
export function withPin<K extends PinKey>(pins: LinkPins, way: Way, key: K, value: Pin[K] | undefined): LinkPins {
  return {
    pins_ab: changed(pins.pins_ab ?? {}, way !== "ba", key, value),
    pins_ba: changed(pins.pins_ba ?? {}, way !== "ab", key, value),
    cut: pins.cut ?? false,
    linked: pins.linked ?? false,
  };
}

function changed<K extends PinKey>(pin: Pin, meant: boolean, key: K, value: Pin[K] | undefined): Pin {
  if (!meant) return pin;
  if (value !== undefined) return { ...pin, [key]: value };
  return Object.fromEntries(Object.entries(pin).filter(([name]) => name !== key));
}

/** Whether a parameter is pinned: in one direction, or in both where the way is both. */
export function isPinned(link: Link, way: Way, key: PinKey): boolean {
  if (way === "ab") return link.pins_ab[key] !== undefined;
  if (way === "ba") return link.pins_ba[key] !== undefined;
  return isPinned(link, "ab", key) && isPinned(link, "ba", key);
}

/** Whether the two directions differ in anything that is in force or pinned. */
export function differs(link: Link): boolean {
  return canonical(link.ab) !== canonical(link.ba) || canonical(link.pins_ab) !== canonical(link.pins_ba);
}

function canonical(value: object): string {
  return JSON.stringify(Object.entries(value).sort(([p], [q]) => (p < q ? -1 : 1)));
}

export function pinCount(link: Link): number {
  return Object.keys(link.pins_ab).length + Object.keys(link.pins_ba).length;
}
