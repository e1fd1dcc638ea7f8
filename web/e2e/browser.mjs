// The browser, and the page as a person handles it.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
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
  return new Board(page, problems, `${width}x${height}-${scheme}`);
}

/** What a canvas shows, or a part of it from `top` on, copied to where its pixels can be read: a worker paints it. */
const COPIES = `
  window.painted = (index, top = 0, height = innerHeight) => {
    const shown = document.querySelectorAll("[data-testid=board] canvas")[index];
    window.copy ??= document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    window.copy.canvas.width = innerWidth;
    window.copy.canvas.height = height;
    window.copy.drawImage(shown, 0, -top);
    return window.copy;
  };
`;

export class Board {
  constructor(page, problems, look) {
    this.page = page;
    this.problems = problems;
    this.look = look;
    this.board = page.getByTestId("board");
  }

  async close() {
    await this.page.context().close();
    if (this.problems.length > 0) throw new Error(`the page threw: ${this.problems.join("\n")}`);
  }

  /** Waits until the page counts so many servers, all of them running. */
  async counts(servers) {
    await this.page.getByTestId("figure-servers").getByText(String(servers), { exact: true }).waitFor();
  }

  /** Opens a panel beside the canvas, which a narrow window hides at first. */
  async panel(name) {
    const show = this.page.getByRole("button", { name: "Show the side panel" });
    if (await show.count()) await show.click();
    await this.page.getByRole("tab", { name }).click();
  }

  /** Hides the panels beside the canvas. */
  async hidePanel() {
    const hide = this.page.getByRole("button", { name: "Hide the side panel" });
    if (await hide.count()) await hide.click();
  }

  /** Presses keys one after the other, with the canvas in focus. */
  async keys(...keys) {
    await this.board.focus();
    for (const key of keys) await this.page.keyboard.press(key);
  }

  /** Shows the mesh at 100 %: a pixel of the screen is one of the world, whatever the window. */
  async fullSize() {
    await this.keys("0");
    await this.rests();
    const { k } = await this.view();
    if (k !== 1) throw new Error(`the view is at ${k}`);
  }

  /** Waits until the view does not glide any more. */
  async rests() {
    for (let last = ""; ; ) {
      const now = await this.board.getAttribute("data-view");
      if (now === last) return;
      last = now;
      await this.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    }
  }

  /** Finds something by what it is called, as one does by keyboard, and does it or goes there. */
  async find(text) {
    await this.page.keyboard.press("Control+k");
    await this.page.getByRole("combobox", { name: "Find or do" }).fill(text);
    await this.page.keyboard.press("Enter");
    await this.page.getByRole("dialog", { name: "Find or do" }).waitFor({ state: "hidden" });
  }

  /** A colour of the theme, such as --accent, as #rrggbb. */
  colour(name) {
    return this.page.evaluate((property) => getComputedStyle(document.documentElement).getPropertyValue(property).trim(), name);
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

  /**
   * The shapes of the marks on a canvas, "circle" or "diamond", apart from servers at these places of the world: a circle
   * fills four fifths of the square around it, a diamond half.
   */
  async shapes(canvas, places) {
    const view = await this.view();
    const nodes = places.map(([x, y]) => [x * view.k + view.x, y * view.k + view.y]);
    const marks = await this.page.evaluate(blobs, { index: canvas, nodes, apart: 30 * Math.max(1, view.k) });
    return marks.map(({ width, height, area }) => (area / (width * height) > 0.66 ? "circle" : "diamond"));
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

  /**
   * How many pixels of the world a second what is fully painted on the moving canvas goes to the right, while it is
   * between two points beside each other, looked at for so long: the median of all pairs of samples, which no hiccup shifts.
   */
  async pace(ms, from, to) {
    const { k, x, y } = await this.view();
    const [left, right] = [from.x, to.x].map((at) => Math.round(at * k + x));
    const samples = await this.page.evaluate(sampled, { duration: ms, left, right, middle: Math.round(from.y * k + y) });
    const slopes = samples.flatMap(([t0, x0], i) => samples.slice(i + 1).map(([t1, x1]) => (1000 * (x1 - x0)) / (t1 - t0) / k));
    if (slopes.length < 3) throw new Error(`too few samples between ${left} and ${right}: ${JSON.stringify(samples)}`);
    return slopes.sort((p, q) => p - q)[slopes.length >> 1];
  }

  /** What axe finds wrong for those who read with a screen reader or see little, in words. */
  async barriers() {
    await this.page.evaluate(AXE);
    const { violations } = await this.page.evaluate(() => window.axe.run());
    return violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`);
  }

  async screenshot(name) {
    const path = join(ARTEFACTS, `${name}-${this.look}.png`);
    mkdirSync(dirname(path), { recursive: true });
    await this.page.screenshot({ path });
  }
}

/** The bounds and areas, in pixels, of the connected spots of a canvas that are fully painted, apart from the servers; runs in the page. */
function blobs({ index, nodes, apart }) {
  const { data, width } = window.painted(index).getImageData(0, 0, innerWidth, innerHeight);
  const full = (i) => data[4 * i + 3] > 250;
  const found = [];
  for (let start = 0; start < data.length / 4; start++) {
    if (!full(start)) continue;
    const spot = { left: Infinity, right: -Infinity, top: Infinity, bottom: -Infinity, area: 0 };
    for (const rest = [start]; rest.length > 0; ) {
      const i = rest.pop();
      if (!full(i)) continue;
      data[4 * i + 3] = 0;
      const [x, y] = [i % width, Math.floor(i / width)];
      Object.assign(spot, { left: Math.min(spot.left, x), right: Math.max(spot.right, x), top: Math.min(spot.top, y), bottom: Math.max(spot.bottom, y) });
      spot.area++;
      rest.push(i + 1, i - 1, i + width, i - width);
    }
    const [x, y] = [(spot.left + spot.right) / 2, (spot.top + spot.bottom) / 2];
    const free = nodes.every(([nx, ny]) => Math.hypot(nx - x, ny - y) > apart);
    if (free && spot.area > 40) found.push({ width: spot.right - spot.left + 1, height: spot.bottom - spot.top + 1, area: spot.area });
  }
  return found;
}

/** Samples [ms, x in pixels of the canvas] of the middle of what is fully painted near a height, between two edges; runs in the page. */
async function sampled({ duration, left, right, middle }) {
  const samples = [];
  const reach = 16; // pixels above and below
  const width = right - left;
  for (const end = performance.now() + duration; performance.now() < end; ) {
    const now = await new Promise(requestAnimationFrame);
    const { data } = window.painted(1, middle - reach, 2 * reach).getImageData(left, 0, width, 2 * reach);
    let [sum, count] = [0, 0];
    for (let i = 3; i < data.length; i += 4) {
      if (data[i] < 250) continue;
      sum += ((i - 3) / 4) % width;
      count++;
    }
    if (count > 0) samples.push([now, left + sum / count]);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  return samples;
}
