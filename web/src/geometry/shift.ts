/** Showing what was painted for one view at another, until it is painted anew. */
import type { View } from "./space";

/** What takes a picture from one view to another, in screen pixels: scaled by k, then moved by x, y. */
export function shiftBetween(from: View, to: View): View {
  const k = to.k / from.k;
  return { k, x: to.x - from.x * k, y: to.y - from.y * k };
}

/** Whether a board at the view `to` shows something that was not painted, with a margin, for `from`, or too coarsely. */
export function outgrown(from: View, to: View, width: number, height: number, margin: number): boolean {
  const { k, x, y } = shiftBetween(from, to);
  const slack = margin * k;
  const blank = x - slack > 0 || y - slack > 0 || x + width * k + slack < width || y + height * k + slack < height;
  return blank || k > 1.5 || k < 0.75;
}
