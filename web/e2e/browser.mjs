// The browser, and the page as a person handles it.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const ARTEFACTS = fileURLToPath(new URL("../../artefacts/", import.meta.url));

/** The browser that CHROMIUM names, or the first found on the PATH. */
function executable() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
      const path = join(folder, name);
      if (existsSync(path)) return path;
    }
  }
  throw new Error("no Chromium on the PATH: install one, or name it in the environment variable CHROMIUM");
}

export function launch() {
  return chromium.launch({ executablePath: executable(), args: FLAGS });
}

/**
 * Opens the page in a context of its own. Errors that the page throws are collected in `problems`. What is to be
 * done before the page loads is done by `before`.
 */
export async function open(browser, url, options = {}) {
  const { width = 1280, height = 720, scheme = "light", motion = "no-preference", touch = false, before } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: scheme,
    reducedMotion: motion,
    hasTouch: touch,
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(Number(process.env.PATIENCE ?? 60_000)); // for the slowest machine: no test asserts a speed
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.stack ?? String(error)));
  await page.addInitScript(COPIES);
  await before?.(page);
  await page.goto(url);
  // Until it has the mesh and shows it whole: what a test places before would be shown whole, too.
  await page.locator("[data-testid=board][aria-busy=false]").waitFor();
  return new Board(page, problems);
}

/** What a canvas shows, copied to where its pixels can be read: a worker paints it. */
const COPIES = `
  window.painted = (index) => {
    const shown = document.querySelectorAll("[data-testid=board] canvas")[index];
    window.copy ??= document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    window.copy.canvas.width = innerWidth;
    window.copy.canvas.height = innerHeight;
    window.copy.drawImage(shown, 0, 0);
    return window.copy;
  };
`;

export class Board {
  constructor(page, problems) {
    this.page = page;
    this.problems = problems;
    this.board = page.getByTestId("board");
  }

  async close() {
    await this.page.context().close();
    if (this.problems.length > 0) throw new Error(`the page threw: ${this.problems.join("\n")}`);
  }

  async view() {
    const [k, x, y] = (await this.board.getAttribute("data-view")).split(" ").map(Number);
    return { k, x, y };
  }

  /** Where a point of the world is on the screen. */
  async at(world) {
    const [view, box] = await Promise.all([this.view(), this.board.boundingBox()]);
    return { x: box.x + world.x * view.k + view.x, y: box.y + world.y * view.k + view.y };
  }

  async click(world) {
    const p = await this.at(world);
    await this.page.mouse.click(p.x, p.y);
  }

  async drag(from, to, { button = "left", steps = 12, hold = async () => undefined } = {}) {
    const [a, b] = [await this.at(from), await this.at(to)];
    await this.page.mouse.move(a.x, a.y);
    await this.page.mouse.down({ button });
    await this.page.mouse.move(b.x, b.y, { steps });
    await hold();
    await this.page.mouse.up({ button });
  }

  /** How many pixels of a canvas (0 static, 1 moving) are of about a colour; any that is painted where none is named. */
  pixels(canvas, colour) {
    return this.page.evaluate(
      ([index, wanted]) => {
        const { data } = window.painted(index).getImageData(0, 0, innerWidth, innerHeight);
        const rgb = wanted?.match(/\w\w/g).map((h) => parseInt(h, 16));
        let count = 0;
        for (let i = 0; i < data.length; i += 4) {
          if (data[i + 3] < 128) continue;
          if (!rgb || rgb.every((v, j) => Math.abs(v - data[i + j]) < 12)) count++;
        }
        return count;
      },
      [canvas, colour],
    );
  }

  /** How many pixels a canvas has painted, once it is the same for a few frames. */
  async settled(canvas) {
    for (let [last, same] = [-1, 0]; ; ) {
      const now = await this.pixels(canvas);
      same = now === last ? same + 1 : 0;
      if (same === 3) return now;
      last = now;
      await this.page.evaluate(() => new Promise(requestAnimationFrame));
    }
  }

  /** Whether about this colour is on a canvas (0 static, 1 moving) at all of these points of the world. */
  async painted(canvas, colour, points) {
    const view = await this.view();
    const places = points.map(({ x, y }) => [x * view.k + view.x, y * view.k + view.y]);
    return this.page.evaluate(
      ([index, wanted, all]) => {
        const c = window.painted(index);
        const rgb = wanted.match(/\w\w/g).map((h) => parseInt(h, 16));
        return all.every(([x, y]) => {
          const [r, g, b, a] = c.getImageData(Math.round(x), Math.round(y), 1, 1).data;
          return a > 128 && [r, g, b].every((v, i) => Math.abs(v - rgb[i]) < 12);
        });
      },
      [canvas, colour, places],
    );
  }

  /** Samples [ms, x in screen pixels] of the middle of what is fully painted on the moving canvas, while anything is. */
  track(ms) {
    return this.page.evaluate(async (duration) => {
      const samples = [];
      for (const end = performance.now() + duration; performance.now() < end; ) {
        const now = await new Promise(requestAnimationFrame);
        const { data, width } = window.painted(1).getImageData(0, 0, innerWidth, innerHeight);
        let [sum, count] = [0, 0];
        for (let i = 3; i < data.length; i += 4) {
          if (data[i] < 250) continue;
          sum += ((i - 3) / 4) % width;
          count++;
        }
        if (count > 0) samples.push([now, sum / count]);
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      return samples;
    }, ms);
  }

  /** What axe finds wrong for those who read with a screen reader or see little, in words. */
  async barriers() {
    await this.page.evaluate(AXE);
    const { violations } = await this.page.evaluate(() => window.axe.run());
    return violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`);
  }

  async screenshot(name) {
    mkdirSync(ARTEFACTS, { recursive: true });
    await this.page.screenshot({ path: join(ARTEFACTS, `${name}.png`) });
  }
}
