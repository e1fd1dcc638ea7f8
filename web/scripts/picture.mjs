// Takes the README's picture, docs/page.png, from the real page of a really running meshsim: eight servers, and a
// message on its way from one to the others.
import { fileURLToPath } from "node:url";
import { launch, open } from "../e2e/browser.mjs";
import { binary, Meshsim, until } from "../e2e/meshsim.mjs";

const PATH = fileURLToPath(new URL("../../docs/page.png", import.meta.url));

const CITIES = [
  ["dublin", 60, 205],
  ["london", 215, 260],
  ["oslo", 425, 20],
  ["berlin", 505, 215],
  ["paris", 265, 405],
  ["vienna", 620, 365],
  ["madrid", 85, 590],
  ["rome", 520, 570],
];
const TALK = [
  [3, "Good morning from Berlin. Who can hear us?"],
  [6, "Madrid can, two hops away."],
  [2, "Oslo too. Cut the link to London and try again?"],
];

const mesh = new Meshsim(binary());
await mesh.start();
const browser = await launch();
try {
  const room = await populate();
  const ui = await open(browser, mesh.url, { width: 1280, height: 800 });
  for (const message of TALK.slice(0, -1)) await say(room, message, ui);
  await until("nothing moves", async () => (await ui.pixels(1)) === 0);
  await post(room, TALK.at(-1));
  await until("many circles are under way", async () => (await ui.pixels(1)) > 900);
  await ui.page.screenshot({ path: PATH });
  await ui.close();
} finally {
  await browser.close();
  await mesh.stop();
}

async function populate() {
  await scale(20);
  const ids = [];
  for (const [name, x, y] of CITIES) ids.push((await mesh.ask("POST", "/servers", { name, x, y })).id);
  await until("the servers run", async () => (await mesh.get("/servers")).every((s) => s.state === "running"));
  const room = await mesh.ask("POST", "/rooms", { name: "town square", creator: ids[0], members: ids.slice(1) });
  await until("all joined", async () => (await mesh.get("/rooms"))[0].members.every((m) => m.state === "joined"));
  await scale(200);
  return room;
}

/** Fast while the servers join, slow enough to be seen after. */
async function scale(percent) {
  const settings = await mesh.get("/settings");
  await mesh.ask("PUT", "/settings", { ...settings, latency_scale_pct: percent, max_latency_ms: 3.8 * percent, neighbours: 3, bandwidth: 4_000_000 });
}

function post(room, [server, body]) {
  return mesh.ask("POST", `/rooms/${encodeURIComponent(room.id)}/messages`, { server, body });
}

async function say(room, message, ui) {
  await post(room, message);
  const card = ui.page.getByRole("log").locator("article", { hasText: message[1] });
  await card.getByText("all have it").waitFor();
}
