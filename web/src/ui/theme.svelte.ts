/** Light or dark: the browser's preference until one is chosen here; the choice is remembered. */
const STORED = "meshsim.theme";

export class ThemeChoice {
  /** Grows whenever the colours changed. */
  epoch = $state(0);
  dark = $state(false);
  readonly #system = matchMedia("(prefers-color-scheme: dark)");

  constructor() {
    this.#read();
    this.#system.addEventListener("change", () => this.#read());
  }

  toggle(): void {
    const chosen = this.dark ? "light" : "dark";
    document.documentElement.dataset["theme"] = chosen;
    localStorage.setItem(STORED, chosen);
    this.#read();
  }

  #read(): void {
    const chosen = document.documentElement.dataset["theme"];
    this.dark = chosen ? chosen === "dark" : this.#system.matches;
    this.epoch++;
  }
}
