import { type Context, contextOf, scratch, type Surface } from "./context";

/**
 * Small pictures that are painted once and then stamped: a stamp costs a fraction of a path, and thousands of
 * servers and circles look alike.
 */
export class Sprites {
  readonly #made = new Map<string, Surface>();
  #ratio = 1;

  /** Forgets all: colours or the screen's pixel ratio changed. */
  restart(ratio: number): void {
    this.#ratio = ratio;
    this.#made.clear();
  }

  /** Stamps a picture of 2·reach by 2·reach pixels, centred at x, y. `draw` paints it around the origin. */
  stamp(c: Context, key: string, reach: number, x: number, y: number, draw: (c: Context) => void): void {
    let sprite = this.#made.get(key);
    if (!sprite) {
      if (this.#made.size >= MOST) this.#made.clear();
      sprite = this.#make(reach, draw);
      this.#made.set(key, sprite);
    }
    c.drawImage(sprite, x - reach, y - reach, 2 * reach, 2 * reach);
  }

  #make(reach: number, draw: (c: Context) => void): Surface {
    const size = Math.ceil(2 * reach * this.#ratio);
    const sprite = scratch(size, size);
    const c = contextOf(sprite);
    const scale = size / (2 * reach);
    c.setTransform(scale, 0, 0, scale, size / 2, size / 2);
    draw(c);
    return sprite;
  }
}

const MOST = 400; // sprites: zooming makes one for every radius
