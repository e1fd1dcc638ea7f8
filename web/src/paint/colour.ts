/**
 * Colours of events: stable by event id, and chosen to stay apart for colour-blind eyes (after Okabe and
 * Ito, "Color Universal Design", with two more hues). Red is left out: it means selected or broken.
 */
const EVENT_COLOURS = [
  "#2f7fd6", // blue
  "#e69f00", // orange
  "#12a578", // green
  "#d977b4", // pink
  "#4fc0ee", // sky
  "#8a63e0", // violet
  "#c8b400", // yellow
  "#00b3b8", // teal
] as const;

export function eventColour(eventID: string): string {
  return EVENT_COLOURS[hash(eventID) % EVENT_COLOURS.length] as string;
}

/** FNV-1a, 32 bit. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    h ^= text.charCodeAt(i);
    h = Math.imul(h, 0x01000193) >>> 0;
  }
  return h;
}
