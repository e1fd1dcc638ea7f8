// Makes the README's recording, docs/recording.webp, from the real page of a really running meshsim: servers are
// clicked onto the canvas, put in a room, talk, lose a link and get it back. It lasts 20 seconds whatever the machine's
// speed; where nothing moves for longer than a moment, that is cut short.
import { writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { launch, open } from "../e2e/browser.mjs";
import { binary, Meshsim, until } from "../e2e/meshsim.mjs";
import { record } from "./screencast.mjs";
import { animate } from "./webp.mjs";

const PATH = fileURLToPath(new URL("../../docs/recording.webp", import.meta.url));
const SECONDS = 20;
const MOST_BYTES = 3e6;

/** The last one is within reach of the one before it only. */
const PLACES = [
  [90, 170],
  [240, 70],
  [370, 190],
  [200, 330],
  [400, 400],
  [600, 470],
].map(([x, y]) => ({ x, y }));
const SLOWER = 4; // than a pixel a millisecond, to see what travels

/** The pointer, which a screencast lacks. */
const POINTER = `addEventListener("DOMContentLoaded", () => {
  const arrow = document.createElement("div");
  arrow.innerHTML = '<svg width="22" height="26" viewBox="0 0 22 26"><path d="M2 1l16 13h-8l5 9-4 2-4-9-5 5z" fill="#111" stroke="#fff" stroke-width="1.5"/></svg>';
  arrow.style.cssText = "position:fixed;z-index:9999;left:-40px;top:0;pointer-events:none";
  document.body.append(arrow);
  addEventListener("mousemove", (e) => Object.assign(arrow.style, { left: e.clientX - 2 + "px", top: e.clientY - 1 + "px" }), true);
});`;

const mesh = new Meshsim(binary());
await mesh.start();
const browser = await launch();
try {
  await pace(1);
  const ui = await open(browser, mesh.url, { width: 1120, height: 680, before: (page) => page.addInitScript(POINTER) });
  const recorder = await record(ui.page, { seconds: SECONDS });
  await play(ui);
  const film = await animate(browser, await recorder.stop());
  await ui.close();
  if (film.length > MOST_BYTES) throw new Error(`the recording has ${film.length} bytes, and ${MOST_BYTES} at most are wanted: lower its quality`);
  writeFileSync(PATH, film);
  console.log(`${PATH}: ${film.length} bytes`);
} finally {
  await browser.close();
  await mesh.stop();
}

async function play(ui) {
  const { page } = ui;
  await pause(500);
  for (const place of PLACES) await press(ui, await ui.at(place));
  await until("the servers run", async () => (await mesh.get("/servers")).every((s) => s.state === "running"));
  await press(ui, await middle(page.getByTestId("make-room")));
  await page.getByText(`${PLACES.length} of ${PLACES.length} joined`).waitFor();
  await until("the joins have come to rest", async () => (await ui.pixels(1)) === 0);
  await pace(SLOWER);

  await say(ui, "Good morning, mesh");
  await until("circles are under way", async () => (await ui.pixels(1)) > 300);
  await page.getByRole("log").locator("article", { hasText: "Good morning, mesh" }).getByText("all have it").waitFor();

  await toggleLink(ui);
  await say(ui, "Can everybody hear me?");
  const card = page.getByRole("log").locator("article", { hasText: "Can everybody hear me?" });
  await card.getByText(`${PLACES.length - 2} of ${PLACES.length - 1} have it`).waitFor();
  await pause(700);
  await toggleLink(ui);
  await card.getByText("all have it").waitFor();
  await pause(1200);
}

/** Cuts the link to the last server, or restores it, and leaves its inspector. */
async function toggleLink(ui) {
  const [near, far] = PLACES.slice(-2);
  await press(ui, await ui.at({ x: near.x + 0.3 * (far.x - near.x), y: near.y + 0.3 * (far.y - near.y) }));
  await press(ui, await middle(ui.page.getByTestId("cut")));
  await ui.page.keyboard.press("Escape");
}

/** How many times slower than at first everything travels. */
async function pace(factor) {
  const settings = await mesh.get("/settings");
  await mesh.ask("PUT", "/settings", { ...settings, latency_scale_pct: 100 * factor, max_latency_ms: 260 * factor, neighbours: 3 });
}

async function say({ page }, text) {
  await page.getByLabel("Message", { exact: true }).pressSequentially(text, { delay: 20 });
  await page.keyboard.press("Enter");
}

async function middle(locator) {
  await locator.scrollIntoViewIfNeeded();
  const box = await locator.boundingBox();
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** Goes there as a hand does, and clicks. */
async function press({ page }, { x, y }) {
  await page.mouse.move(x, y, { steps: 8 });
  await pause(120);
  await page.mouse.click(x, y);
  await pause(200);
}
