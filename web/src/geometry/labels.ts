/** Placing labels so that none covers another: greedy by priority, over a grid of occupied boxes. */
export interface LabelBox {
  readonly x: number; // the left edge, in screen pixels
  readonly y: number; // the top edge
  readonly w: number;
  readonly h: number;
}

const CELL = 64; // screen pixels; about the width of a label, so that a box touches few cells

export class Occupancy {
  readonly #cells = new Map<number, LabelBox[]>();

  /** Whether nothing that was added overlaps the box. */
  free(box: LabelBox): boolean {
    return !touched(box, (key) => this.#cells.get(key)?.some((other) => overlap(box, other)) ?? false);
  }

  add(box: LabelBox): void {
    touched(box, (key) => {
      const cell = this.#cells.get(key);
      if (cell) cell.push(box);
      else this.#cells.set(key, [box]);
      return false;
    });
  }

  /** Adds the first candidate that is free and returns it; undefined where none is. */
  place(candidates: Iterable<LabelBox>): LabelBox | undefined {
    for (const box of candidates) {
      if (!this.free(box)) continue;
      this.add(box);
      return box;
    }
    return undefined;
  }
}

export function overlap(a: LabelBox, b: LabelBox): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

/** Goes through the cells that a box touches until one of them is what is looked for. */
function touched(box: LabelBox, found: (key: number) => boolean): boolean {
  const [x0, x1] = [Math.floor(box.x / CELL), Math.floor((box.x + box.w) / CELL)];
  const [y0, y1] = [Math.floor(box.y / CELL), Math.floor((box.y + box.h) / CELL)];
  for (let cx = x0; cx <= x1; cx++) {
    for (let cy = y0; cy <= y1; cy++) if (found(cx * 65_537 + cy)) return true;
  }
  return false;
}
