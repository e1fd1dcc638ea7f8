/**
 * The stream's clock as seen from here. A frame says when it was made and arrives a little later; the frame
 * that took least gives the best estimate of the difference between the two clocks.
 */
export class StreamClock {
  #offset = Infinity; // local ms minus stream ms, of the quickest frame so far

  observe(atMS: number, localMS: number): void {
    this.#offset = Math.min(this.#offset, localMS - atMS);
  }

  /** By how much this clock is ahead of the stream's, in ms; Infinity before the first frame. */
  get offsetMS(): number {
    return this.#offset;
  }

  /** The stream's time at a local time; undefined before the first frame. */
  at(localMS: number): number | undefined {
    return Number.isFinite(this.#offset) ? localMS - this.#offset : undefined;
  }

  restart(): void {
    this.#offset = Infinity;
  }
}
