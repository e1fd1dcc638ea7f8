/** Something that is asked for again and again while it is looked at. */
import { sentenceOf } from "../model/api";

export class Polled<T> {
  value = $state.raw<T | undefined>(undefined);
  refused = $state("");
  readonly #ask: () => Promise<T>;
  readonly #everyMS: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(ask: () => Promise<T>, everyMS: number) {
    this.#ask = ask;
    this.#everyMS = everyMS;
  }

  /** Begins; the function that is returned ends it. */
  start(): () => void {
    void this.#again();
    return () => {
      this.#stopped = true;
      clearTimeout(this.#timer);
    };
  }

  async #again(): Promise<void> {
    try {
      if (!document.hidden || this.value === undefined) this.value = await this.#ask();
      this.refused = "";
    } catch (error) {
      this.refused = sentenceOf(error);
    }
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#again(), this.#everyMS);
  }
}
