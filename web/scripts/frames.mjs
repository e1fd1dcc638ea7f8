// Prints how fast the page is: when it paints first, from a really running meshsim, and its main-thread work per
// frame, from Chromium's trace, with a synthetic mesh. Figures to read, on an otherwise idle machine; no test.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { launch, open } from "../e2e/browser.mjs";
import { binary, Meshsim } from "../e2e/meshsim.mjs";
import { SyntheticMesh } from "./synthetic.mjs";
import { quantile, workPerFrame } from "./trace.mjs";

const SIZES = [
  { servers: 500, inFlight: 200, budgetMS: 8 },
  { servers: 2000, inFlight: 500, budgetMS: 16 },
];
const FIRST_PAINT_MS = 300;
const LASTS_MS = 3000;

const mesh = new Meshsim(binary());
await mesh.start();
const browser = await launch();
try {
  await firstPaint();
  const settings = await mesh.get("/settings");
  for (const size of SIZES) await frames(size, settings);
} finally {
  await browser.close();
  await mesh.stop();
}

async function firstPaint() {
  const ui = await open(browser, mesh.url);
  const paints = [];
  for (let i = 0; i < 9; i++) {
    await ui.page.reload();
    await ui.page.getByTestId("figure-servers").waitFor();
    paints.push(await ui.page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime));
  }
  await ui.close();
  console.log(`first paint: median ${quantile(paints, 0.5).toFixed(0)} ms, budget ${FIRST_PAINT_MS} ms`);
}

async function frames({ servers, inFlight, budgetMS }, settings) {
  const files = await serveDist();
  const ui = await openSynthetic(files, new SyntheticMesh(servers), settings, inFlight);
  console.log(`${servers} servers, ${inFlight} circles in flight, budget ${budgetMS} ms a frame`);
  for (const [name, act] of [
    ["at rest", () => pause(LASTS_MS)],
    ["panning", () => swing(ui.page, { x: 420, y: 300 })],
    ["zooming", () => roll(ui.page)],
    ["dragging a server", () => swing(ui.page, ui.grip)],
    ["with the feed open", () => ui.page.getByRole("tab", { name: "Events" }).click().then(() => pause(LASTS_MS))],
  ]) {
    const { work, paintings } = await workPerFrame(browser, ui.page, act);
    const [p50, p95, most] = [0.5, 0.95, 1].map((q) => quantile(work, q).toFixed(1).padStart(5));
    const [half, nearlyAll] = [0.5, 0.95].map((q) => quantile(paintings, q).toFixed(1).padStart(5));
    const painted = `painter ${paintings.length} pictures, p50 ${half}  p95 ${nearlyAll}`;
    console.log(`  ${name.padEnd(19)} p50 ${p50}  p95 ${p95}  most ${most} ms; ${painted}`);
    await pause(500);
  }
  clearInterval(ui.timer);
  await ui.close();
  files.close();
}

/** The page alone, on a port of its own. */
async function serveDist() {
  const types = { js: "text/javascript", css: "text/css", html: "text/html", svg: "image/svg+xml" };
  const server = createServer((request, response) => {
    const name = request.url === "/" ? "index.html" : request.url.slice(1);
    try {
      const body = readFileSync(new URL(`../dist/${name}`, import.meta.url));
      response.writeHead(200, { "Content-Type": types[name.split(".").at(-1)] ?? "text/plain" }).end(body);
    } catch {
      if (name.startsWith("api/")) response.writeHead(200, { "Content-Type": "application/json" }).end("[]");
      else response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

async function openSynthetic(files, synthetic, settings, inFlight) {
  let timer;
  const ui = await open(browser, `http://127.0.0.1:${files.address().port}/`, {
    before: (page) =>
      page.routeWebSocket(/api\/v1\/stream/, (socket) => {
        socket.send(JSON.stringify(synthetic.snapshot(settings)));
        const began = performance.now();
        timer = setInterval(() => socket.send(JSON.stringify(synthetic.traffic(performance.now() - began, inFlight))), 50);
      }),
  });
  await ui.page.getByTestId("figure-servers").getByText(String(synthetic.servers.length)).waitFor();
  await pause(1000);
  // The server nearest to the middle of the board is the one that is dragged.
  const places = await Promise.all(synthetic.servers.map(({ x, y }) => ({ x, y })));
  const view = await ui.view();
  const box = await ui.board.boundingBox();
  const screen = places.map((p) => ({ x: box.x + p.x * view.k + view.x, y: box.y + p.y * view.k + view.y }));
  const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const grip = screen.sort((p, q) => Math.hypot(p.x - middle.x, p.y - middle.y) - Math.hypot(q.x - middle.x, q.y - middle.y))[0];
  return Object.assign(ui, { timer, grip });
}

/** Presses, and moves to and fro. */
async function swing(page, from) {
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  for (const end = performance.now() + LASTS_MS; performance.now() < end; ) {
    const t = performance.now() / 300;
    await page.mouse.move(from.x + 90 * Math.sin(t), from.y + 60 * Math.cos(t * 0.7));
    await pause(14);
  }
  await page.mouse.up();
}

async function roll(page) {
  await page.mouse.move(450, 350);
  for (const end = performance.now() + LASTS_MS; performance.now() < end; ) {
    await page.mouse.wheel(0, 24 * Math.sign(Math.sin(performance.now() / 400)));
    await pause(14);
  }
}
