/** Numbers by cost, the least first: a binary heap. */
export class Heap {
  readonly #items: { readonly cost: number; readonly id: number }[] = [];

  push(cost: number, id: number): void {
    let at = this.#items.push({ cost, id }) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#cost(parent) <= cost) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  /** Takes the one with the least cost; undefined where there is none. */
  pop(): number | undefined {
    const [first, last] = [this.#items[0], this.#items.pop()];
    if (!first || !last || this.#items.length === 0) return first?.id;
    this.#items[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      const least = this.#cost(left + 1) < this.#cost(left) ? left + 1 : left;
      if (this.#cost(least) >= this.#cost(at)) return first.id;
      this.#swap(at, least);
      at = least;
    }
  }

  #cost(i: number): number {
    return this.#items[i]?.cost ?? Infinity;
  }

  #swap(i: number, j: number): void {
    const items = this.#items as { cost: number; id: number }[];
    const [a, b] = [items[i], items[j]];
    if (a && b) [items[i], items[j]] = [b, a];
  }
}
