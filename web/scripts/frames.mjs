// Prints how fast the page is: when it paints first, from a really running meshsim, and its main-thread work per
// frame, from Chromium's trace, with a synthetic mesh: so the page alone is measured. Figures to read, on an otherwise
// idle machine; no test. With arguments only the parts with such a word are measured.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { launch, open } from "../e2e/browser.mjs";
import { binary, Meshsim } from "../e2e/meshsim.mjs";
import { SyntheticCrowd, SyntheticMesh } from "./synthetic.mjs";
import { quantile, traced } from "./trace.mjs";
import { serveWebSocket } from "./websocket.mjs";

const SIZES = [
  { servers: 500, inFlight: 200, budgetMS: 8 },
  { servers: 2000, inFlight: 500, budgetMS: 16 },
];
/** A thousand receipts a second. */
const CROWD = { servers: 1000, members: 21, messagesPerSecond: 50 };
/** The same in earnest: a mesh that runs beside the page, on the same processors. */
const REAL = { columns: 40, rows: 25, gap: 60, members: 21, messagesPerSecond: 50 };
const FIRST_PAINT_MS = 300;
const LONGEST_MS = 50;
const LASTS_MS = 3000;
const EVENTS_GAP_MS = 10; // between two frames of events: what the telemetry hub gathers
const COUNTERS_GAP_MS = 250;

const wanted = process.argv.slice(2);
const measured = (part) => wanted.length === 0 || wanted.some((word) => part.includes(word));

const mesh = new Meshsim(binary());
await mesh.start();
const settings = await mesh.get("/settings");
const browser = await launch();
try {
  if (measured("first paint")) await firstPaint();
  await mesh.stop(); // what follows has the machine for itself
  for (const size of SIZES) if (measured(`${size.servers} servers`)) await frames(size);
  if (measured("crowd")) await crowd(CROWD);
  if (measured("real mesh")) await realMesh(REAL);
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

async function frames({ servers, inFlight, budgetMS }) {
  const synthetic = new SyntheticMesh(servers);
  const ui = await openSynthetic(synthetic, (send) => repeat(50, (atMS) => send(synthetic.traffic(atMS, inFlight))));
  console.log(`${servers} servers, ${inFlight} circles in flight, budget ${budgetMS} ms a frame`);
  await measure(ui, [
    ["at rest", () => pause(LASTS_MS)],
    ["panning", () => swing(ui.page, { x: 420, y: 300 })],
    ["zooming", () => roll(ui.page)],
    ["dragging a server", () => swing(ui.page, ui.grip)],
    ["with the feed open", () => ui.page.getByRole("tab", { name: "Events" }).click().then(() => pause(LASTS_MS))],
  ]);
  await ui.end();
}

/** Many messages a second among many servers, with all that the stream tells of them. */
async function crowd({ servers, members, messagesPerSecond }) {
  const synthetic = new SyntheticCrowd(servers, { members, messagesPerSecond });
  const ui = await openSynthetic(synthetic, (send) => {
    const timers = [
      ...repeat(EVENTS_GAP_MS, (atMS) => send(synthetic.happened(atMS))),
      ...repeat(COUNTERS_GAP_MS, (atMS) => send(synthetic.counters(atMS))),
    ];
    return timers;
  });
  await pause(5000); // until the farthest have received, too
  console.log(`crowd: ${servers} servers, ${messagesPerSecond} messages a second to ${members - 1} others each; no task over ${LONGEST_MS} ms`);
  await measure(ui, [
    ["in Talk", () => pause(LASTS_MS)],
    ["panning", () => swing(ui.page, { x: 420, y: 300 })],
    ["with the feed open", () => ui.page.getByRole("tab", { name: "Events" }).click().then(() => pause(LASTS_MS))],
    ["an event opened", () => ui.page.getByTestId("events").getByRole("button").nth(20).click().then(() => pause(LASTS_MS))],
  ]);
  await ui.end();
}

/** As many servers and messages as the crowd's, but real ones: the page shares the machine with all of them. */
async function realMesh({ columns, rows, gap, members, messagesPerSecond }) {
  const mesh = await new Meshsim(binary()).start();
  try {
    await mesh.ask("PUT", "/settings", { ...settings, bandwidth: "unlimited" });
    const ids = await mesh.place(Array.from({ length: columns * rows }, (_, i) => [gap * (i % columns), gap * Math.floor(i / columns)]));
    const first = Math.floor(rows / 2) * columns + Math.floor((columns - members) / 2);
    const room = await mesh.room("crowd", ids.slice(first, first + members));
    const ui = await open(browser, mesh.url);
    await ui.counts(ids.length);
    await mesh.ask("PUT", `${room.path}/chatter`, { per_second: messagesPerSecond });
    await pause(10_000); // until the farthest receive, too
    const received = async () => Number((await ui.page.getByTestId("figure-received").innerText()).replaceAll(/\D/g, ""));
    const said = async () => (await mesh.get(`${room.path}/chatter`)).sent;
    const [before, saidBefore, began] = [await received(), await said(), performance.now()];
    console.log(`real mesh: ${ids.length} servers, ${messagesPerSecond} messages a second to ${members - 1} others each; no task over ${LONGEST_MS} ms`);
    await measure(ui, [
      ["in Talk", () => pause(LASTS_MS)],
      ["panning", () => swing(ui.page, { x: 420, y: 300 })],
      ["with the feed open", () => ui.panel("Events").then(() => pause(LASTS_MS))],
    ]);
    const perSecond = (n) => ((1000 * n) / (performance.now() - began)).toFixed(0);
    console.log(`  ${perSecond((await said()) - saidBefore)} messages a second were said, ${perSecond((await received()) - before)} deliveries a second counted`);
    await ui.close();
  } finally {
    await mesh.stop();
  }
}

async function measure(ui, acts) {
  for (const [name, act] of acts) {
    const { work, tasks, paintings, seconds } = await traced(browser, ui.page, act);
    const [p50, p95, most] = [0.5, 0.95, 1].map((q) => quantile(work, q).toFixed(1).padStart(5));
    const longest = Math.max(...tasks).toFixed(1).padStart(5);
    const [half, nearlyAll] = [0.5, 0.95].map((q) => quantile(paintings, q).toFixed(1).padStart(5));
    const painted = `painter ${(paintings.length / seconds).toFixed(0)} pictures/s, p50 ${half}  p95 ${nearlyAll}`;
    console.log(`  ${name.padEnd(19)} p50 ${p50}  p95 ${p95}  most ${most} ms; longest task ${longest} ms; ${painted}`);
    await pause(500);
  }
}

/** The page alone, on a port of its own, and a stream of which `opened` sends frames. */
async function serveDist(opened) {
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
  serveWebSocket(server, "/api/v1/stream", opened);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** Calls `tell` with the ms since now, again and again; returns the timers. */
function repeat(gapMS, tell) {
  const began = performance.now();
  return [setInterval(() => tell(performance.now() - began), gapMS)];
}

async function openSynthetic(synthetic, tell) {
  let timers = [];
  const server = await serveDist((write, socket) => {
    const send = (frame) => frame && write(JSON.stringify(frame));
    send(synthetic.snapshot(settings));
    timers = tell(send);
    socket.on("close", () => timers.forEach(clearInterval));
  });
  const ui = await open(browser, `http://127.0.0.1:${server.address().port}/`);
  await ui.page.getByTestId("figure-servers").getByText(String(synthetic.servers.length)).waitFor();
  await pause(1000);
  // The server nearest to the middle of the board is the one that is dragged.
  const view = await ui.view();
  const box = await ui.board.boundingBox();
  const screen = synthetic.servers.map((p) => ({ x: box.x + p.x * view.k + view.x, y: box.y + p.y * view.k + view.y }));
  const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const grip = screen.sort((p, q) => Math.hypot(p.x - middle.x, p.y - middle.y) - Math.hypot(q.x - middle.x, q.y - middle.y))[0];
  const end = async () => {
    timers.forEach(clearInterval);
    await ui.close();
    server.close();
    server.closeAllConnections();
  };
  return Object.assign(ui, { grip, end });
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
