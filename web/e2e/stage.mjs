// What every browser test stands on: each capability is tried in three windows, light and dark, with a mesh of its own.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.mjs";
import { binary, Meshsim } from "./meshsim.mjs";

export const PHONE = { width: 390, height: 844, touch: true };
export const SMALL = { width: 800, height: 600 };
export const LAPTOP = { width: 1280, height: 720 };
export const LARGE = { width: 2560, height: 1440 };

const WINDOWS = [SMALL, LAPTOP, LARGE];

let browser;
let turn = 0; // of light and dark

before(async () => (browser = await launch()));
after(() => browser.close());

/** A test of one capability, in each of the windows. Light and dark take turns, so that each capability sees both. */
export function everywhere(capability, body, windows = WINDOWS) {
  turn++;
  for (const [i, window] of windows.entries()) inWindow(capability, { ...window, scheme: (turn + i) % 2 ? "light" : "dark" }, body);
}

/** A test in each of the windows, light and dark. */
export function everyLook(capability, body, windows = WINDOWS) {
  for (const window of windows) for (const scheme of ["light", "dark"]) inWindow(capability, { ...window, scheme }, body);
}

/** A test in one window. */
export function inWindow(capability, look, body, options = {}) {
  const name = `${look.width}x${look.height} ${look.scheme}`;
  test(`${capability}, ${name}`, options, async () => {
    const mesh = await new Meshsim(binary()).start();
    const scene = new Scene(mesh, look);
    try {
      await body(scene);
    } catch (error) {
      await scene.photograph(capability);
      throw error;
    } finally {
      await scene.end();
    }
  });
}

/** A running mesh without servers, and the window in which it is to be visited. */
class Scene {
  #pages = [];

  constructor(mesh, look) {
    this.mesh = mesh;
    this.look = look;
    this.visit = this.visit.bind(this);
  }

  /** Opens the page; closed when the test ends. */
  async visit(options = {}) {
    const ui = await open(browser, this.mesh.url, { ...this.look, ...options });
    this.#pages.push(ui);
    return ui;
  }

  async photograph(name) {
    for (const ui of this.#pages) await ui.screenshot(`failed/${name.replaceAll(/[^\w-]+/g, "-")}`).catch(() => undefined);
  }

  async end() {
    try {
      for (const ui of this.#pages) await ui.close();
    } finally {
      assert.equal(await this.mesh.stop(), 0, this.mesh.output);
    }
  }
}
