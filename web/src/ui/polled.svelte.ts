/** Something that is asked for again and again while it is looked at. */
import { untrack } from "svelte";
import { sentenceOf } from "../model/api";

export class Polled<T> {
  value = $state.raw<T | undefined>(undefined);
  refused = $state("");
  readonly #ask: () => Promise<T>;
  readonly #everyMS: number;

  constructor(ask: () => Promise<T>, everyMS: number) {
    this.#ask = ask;
    this.#everyMS = everyMS;
  }

  /** Begins, in an effect that it does not make depend on what is asked; the function that is returned ends it. */
  start(): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let going = true;
    const again = async () => {
      if (!document.hidden) await this.#once();
      if (going) timer = setTimeout(() => void again(), this.#everyMS);
    };
    untrack(() => void again());
    return () => {
      going = false;
      clearTimeout(timer);
    };
  }

  async #once(): Promise<void> {
    try {
      this.value = await this.#ask();
      this.refused = "";
    } catch (error) {
      this.refused = sentenceOf(error);
    }
  }
}
