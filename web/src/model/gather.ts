/** Hands values on together: the first at once, those that follow closely after a gap, all in their order. */
export class Gather<T> {
  readonly #hand: (values: T[]) => void;
  readonly #gapMS: number;
  #waiting: T[] = [];
  #resting = false; // until the gap is over

  constructor(hand: (values: T[]) => void, gapMS: number) {
    this.#hand = hand;
    this.#gapMS = gapMS;
  }

  add(value: T): void {
    this.#waiting.push(value);
    if (!this.#resting) this.#flush();
  }

  #flush(): void {
    const values = this.#waiting;
    this.#waiting = [];
    this.#resting = values.length > 0;
    if (values.length === 0) return;
    setTimeout(() => this.#flush(), this.#gapMS);
    this.#hand(values);
  }
}
