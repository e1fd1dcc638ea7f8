// Seeing: the time line, slow motion, colours, the small map, following, and the figures.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.mjs";
import { binary, freePort, Meshsim, until } from "./meshsim.mjs";

const mesh = new Meshsim(binary(), await freePort());
let browser;
let room;

const PLACES = [
  [100, 120],
  [320, 120],
  [540, 120],
  [320, 330],
];

before(async () => {
  await mesh.start();
  browser = await launch();
  const [creator, ...members] = await mesh.place(PLACES);
  room = await mesh.ask("POST", "/rooms", { name: "watched", creator, members });
  await until("all joined", async () => (await rooms()).members.every((m) => m.state === "joined"));
});

after(async () => {
  await browser.close();
  assert.equal(await mesh.stop(), 0, mesh.output);
});

const rooms = async () => (await mesh.get("/rooms")).find((r) => r.id === room.id);
const say = (body) => mesh.ask("POST", `/rooms/${encodeURIComponent(room.id)}/messages`, { server: 0, body });
const still = (ui) => until("nothing moves", async () => (await ui.pixels(1)) === 0);

/** Scales all latencies, so that what travels can be looked at while it does. */
async function slower(factor) {
  const settings = await mesh.get("/settings");
  await mesh.ask("PUT", "/settings", { ...settings, latency_scale_pct: 100 * factor, max_latency_ms: 300 * factor });
}

/** A message, waited for until every server has it. */
async function delivered(ui, body) {
  await say(body);
  await ui.page.getByRole("log").locator("article", { hasText: body }).getByText("all have it").waitFor();
}

test("the view is paused while the mesh goes on, and comes back to now", async () => {
  const ui = await open(browser, mesh.url);
  const { page } = ui;
  await slower(10);
  await say("Before the pause");
  await until("it is under way", async () => (await ui.pixels(1)) > 20);
  await page.getByRole("button", { name: "Pause the view" }).click();
  await page.getByTestId("moment").getByText("The view is paused").waitFor();
  const held = await ui.settled(1);
  assert.ok(held > 0, "what moved stands still, and is there");
  await page.getByRole("log").locator("article", { hasText: "Before the pause" }).getByText("all have it").waitFor();
  assert.equal(await ui.pixels(1), held, "the mesh went on, the view did not");
  await ui.screenshot("paused-1280");
  await page.getByRole("button", { name: "Back to now" }).click();
  await page.getByTestId("moment").waitFor({ state: "detached" });
  await still(ui);
  await slower(1);
  await ui.close();
});

test("scrubbing back shows the traffic of then, by pointer and by keys", async () => {
  const ui = await open(browser, mesh.url);
  const { page } = ui;
  await slower(10);
  await delivered(ui, "To be looked at again");
  await slower(1);
  await still(ui);
  const slider = page.getByRole("slider", { name: "Moment shown" });
  assert.equal(await slider.getAttribute("aria-valuetext"), "now");
  await slider.focus();
  await page.keyboard.press("ArrowLeft");
  await page.getByTestId("moment").waitFor();
  await until("a circle of then is seen", async () => {
    await page.keyboard.press("ArrowLeft");
    return (await ui.settled(1)) > 20;
  });
  assert.match(await slider.getAttribute("aria-valuetext"), /ago/);
  await ui.screenshot("scrubbed-1280");

  const box = await slider.boundingBox();
  await page.mouse.click(box.x + 4, box.y + box.height / 2);
  await page.getByTestId("moment").getByText(/2 min|1 min/).waitFor();
  assert.deepEqual(await ui.barriers(), []);
  await page.getByRole("button", { name: "Back to now" }).click();
  assert.equal(await slider.getAttribute("aria-valuetext"), "now");
  await ui.close();
});

test("in slow motion circles go at the chosen part of the real pace, which is said", async () => {
  const ui = await open(browser, mesh.url);
  const { page } = ui;
  await delivered(ui, "The connection is there");
  await still(ui);
  await page.getByLabel("Pace").selectOption({ label: "1/50 of it" });
  await page.getByTestId("moment").getByText("Slow motion, 1/50 of the real pace").waitFor();
  await say("Slowly");
  const [a, b] = [await ui.at({ x: 100, y: 120 }), await ui.at({ x: 320, y: 120 })];
  await until("it is on its way", async () => (await ui.pixels(1)) > 0);
  const path = (await mesh.get("/links")).find((l) => l.a === 0 && l.b === 1).ab.latency_ms * 50;
  const samples = (await ui.track(3000)).filter(([, x]) => x > a.x + 40 && x < b.x + 200);
  const [[t0, x0], [t1, x1]] = [samples[0], samples.at(-1)];
  const pace = ((x1 - x0) / (t1 - t0)) * path;
  assert.ok(pace > 0.2 * (b.x - a.x) && pace < 1.6 * (b.x - a.x), `in ${path} ms it would go ${pace} of ${b.x - a.x} pixels`);
  await ui.screenshot("slow-1280");
  await page.getByLabel("Pace").selectOption({ label: "real pace" });
  await page.getByRole("button", { name: "Back to now" }).click();
  await page.getByTestId("moment").waitFor({ state: "detached" });
  await ui.close();
});

test("the time line counts what is delivered", async () => {
  const ui = await open(browser, mesh.url);
  await delivered(ui, "Counted");
  const figures = ui.page.getByRole("region", { name: "Time line" });
  await ui.page.keyboard.press("p");
  const slider = ui.page.getByRole("slider", { name: "Moment shown" });
  await slider.focus();
  await until("a second with deliveries is read out", async () => {
    await ui.page.keyboard.press("ArrowLeft");
    return (await figures.getByTestId("read-received").innerText()) !== "0/s";
  });
  await ui.close();
});

for (const scheme of ["light", "dark"]) {
  const latest = { light: ["#8db9df", "#4b3a86"], dark: ["#35588c", "#c5cf7f"] }[scheme];
  test(`links are coloured by latency, load and loss, with a legend, ${scheme}`, async () => {
    const ui = await open(browser, mesh.url, { scheme });
    const { page } = ui;
    const choose = page.getByLabel("What the colours show");
    await choose.selectOption("latency");
    await page.getByRole("list", { name: "Links by latency" }).getByText("below 30 ms").waitFor();
    await until("long links are of another colour", async () => (await ui.pixels(0, latest[1])) > 100);
    await ui.screenshot(`by-latency-${scheme}-1280`);
    await mesh.ask("PUT", "/links/0/1", { pins_ab: { loss_pct: 2 }, pins_ba: { loss_pct: 2 } });
    await choose.selectOption("loss");
    await until("links without loss have the first colour", async () => (await ui.pixels(0, latest[0])) > 100);
    assert.deepEqual(await ui.barriers(), []);
    await ui.screenshot(`by-loss-${scheme}-1280`);
    await mesh.ask("PUT", "/links/0/1", { pins_ab: {}, pins_ba: {} });
    await choose.selectOption("kind");
    await page.getByRole("list", { name: "Kinds of servers" }).getByText("embedded").waitFor();
    await ui.screenshot(`by-kind-${scheme}-1280`);
    await choose.selectOption("events");
    await page.getByRole("list", { name: "Kinds of servers" }).waitFor({ state: "detached" });
    await ui.close();
  });
}

test("a small map shows what is out of sight and takes the view there", async () => {
  const ui = await open(browser, mesh.url);
  const map = ui.page.getByTestId("minimap");
  assert.equal(await map.count(), 0, "everything is in sight");
  for (let i = 0; i < 4; i++) await ui.page.keyboard.press("+");
  await map.waitFor();
  await ui.screenshot("minimap-1280");
  const before = await ui.view();
  const box = await map.boundingBox();
  await ui.page.mouse.click(box.x + box.width - 12, box.y + 20);
  await until("the view moved", async () => (await ui.view()).x < before.x - 100);
  await ui.page.keyboard.press("f");
  await map.waitFor({ state: "detached" });
  await ui.close();
});

test("a server and a message are followed", async () => {
  const ui = await open(browser, mesh.url);
  const { page } = ui;
  await page.getByRole("tab", { name: "Servers" }).click();
  await page.getByRole("list", { name: "Servers" }).getByRole("button", { name: "hs3 " }).click();
  await page.getByRole("button", { name: "Follow hs3" }).click();
  await page.getByTestId("following").getByText("hs3").waitFor();
  const place = async () => ui.at(await mesh.get("/servers").then((all) => all.find((s) => s.id === 3)));
  let last = { x: 0, y: 0 };
  const middle = await until("it stands in the middle", async () => {
    const [p, before] = [await place(), last];
    last = p;
    return p.x === before.x && p.y === before.y && p;
  });
  const held = await ui.board.boundingBox();
  await mesh.ask("PATCH", "/servers/3", { x: 380, y: 400 });
  await until("the view went along", async () => {
    const p = await place();
    return p.y > held.y && p.y < held.y + held.height && Math.hypot(p.x - middle.x, p.y - middle.y) < 30;
  });
  await page.keyboard.press("Escape");
  await page.getByTestId("following").waitFor({ state: "detached" });
  await mesh.ask("PATCH", "/servers/3", { x: 320, y: 330 });

  await page.keyboard.press("Control+k");
  await page.keyboard.type("newest message");
  await page.keyboard.press("Enter");
  await page.getByTestId("following").getByText("the newest message").waitFor();
  const before = await ui.view();
  await page.keyboard.press("+");
  await page.keyboard.press("+");
  await until("it is zoomed in", async () => (await ui.view()).k > 1.3 * before.k);
  await page.getByRole("tab", { name: "Talk" }).click();
  await delivered(ui, "Follow me");
  await until("the view shows all that it went through", async () => {
    const places = await Promise.all(PLACES.map(([x, y]) => ui.at({ x, y })));
    return places.every((p) => p.x > held.x && p.x < held.x + held.width && p.y > held.y && p.y < held.y + held.height);
  });
  await ui.screenshot("following-1280");
  await page.getByRole("button", { name: "Stop" }).click();
  await ui.close();
});

test("the figures say whether the mesh is connected and what is not yet everywhere; failures are seen", async () => {
  const ui = await open(browser, mesh.url);
  const { page } = ui;
  const figure = (name) => page.getByTestId(`figure-${name}`).innerText();
  assert.equal(await figure("parts"), "connected");
  const links = (await mesh.get("/links")).filter((l) => l.a === 3 || l.b === 3);
  const setCut = async (cut) => {
    for (const l of links) await mesh.ask("PUT", `/links/${l.a}/${l.b}`, { cut });
  };
  await setCut(true);
  await until("two parts are counted", async () => (await figure("parts")) === "2");
  await say("Not for everybody");
  await page.getByRole("log").getByText("2 of 3 have it").waitFor();
  await until("an event is not everywhere", async () => Number(await figure("incomplete")) >= 1);
  await ui.screenshot("apart-1280");
  await setCut(false);
  await until("it is connected again", async () => (await figure("parts")) === "connected");
  await page.getByRole("log").locator("article", { hasText: "Not for everybody" }).getByText("all have it").waitFor();
  await until("everything is everywhere", async () => (await figure("incomplete")) === "0");
  await ui.close();
});

test("the feed says from when a delivery is counted and by which transport it went", async () => {
  const ui = await open(browser, mesh.url);
  await delivered(ui, "By which way?");
  await ui.page.getByRole("tab", { name: "Events" }).click();
  const feed = ui.page.getByTestId("events");
  await feed.getByRole("button", { name: "m.room.message" }).first().click();
  await feed.getByTestId("waterfall").getByText(/to each of 3 by https/).waitFor();
  await feed.getByRole("button", { name: "Follow on the canvas" }).click();
  await ui.page.getByTestId("following").waitFor();
  await ui.screenshot("waterfall-1280");
  await ui.close();
});

test("a page that stands still does not hold up the mesh, and catches up at once", async () => {
  const ui = await open(browser, mesh.url);
  const { page } = ui;
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
  for (let i = 0; i < 20; i++) await say(`While away ${i}`);
  await until("the mesh delivered them", async () => {
    const at = await mesh.get(`/rooms/${encodeURIComponent(room.id)}/messages?server=2`).catch(() => undefined);
    return JSON.stringify(at ?? "").includes("While away 19");
  });
  await devtools.send("Page.setWebLifecycleState", { state: "active" });
  await page.getByRole("log").locator("article", { hasText: "While away 19" }).getByText("all have it").waitFor();
  await still(ui);
  await ui.close();
});
