/**
 * Sends only the newest of many values: one at a time, no closer together than the gap. What is superseded
 * while one is on its way is never sent; the last one always is.
 */
export class Latest<T> {
  readonly #send: (value: T) => Promise<void>;
  readonly #gapMS: number;
  #waiting: { value: T } | undefined;
  #busy: Promise<void> | undefined;

  constructor(send: (value: T) => Promise<void>, gapMS: number) {
    this.#send = send;
    this.#gapMS = gapMS;
  }

  /** Settles when this value or a newer one was sent; rejects when the sending fails. */
  push(value: T): Promise<void> {
    this.#waiting = { value };
    this.#busy ??= this.#drain().finally(() => {
      this.#busy = undefined;
    });
    return this.#busy;
  }

  /** Settles when nothing is on its way; never rejects. */
  async idle(): Promise<void> {
    await this.#busy?.catch(() => undefined);
  }

  async #drain(): Promise<void> {
    while (this.#waiting) {
      const { value } = this.#waiting;
      this.#waiting = undefined;
      const earliest = new Promise((resolve) => setTimeout(resolve, this.#gapMS));
      await this.#send(value);
      if (this.#waiting) await earliest;
    }
  }
}
