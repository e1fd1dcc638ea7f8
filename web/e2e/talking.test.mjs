// Talk: a room with one click, a message, and the event seen travelling to where it arrives.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.mjs";
import { binary, freePort, Meshsim, until } from "./meshsim.mjs";

const mesh = new Meshsim(binary(), await freePort());
let browser;

before(async () => {
  await mesh.start();
  browser = await launch();
});

after(async () => {
  await browser.close();
  assert.equal(await mesh.stop(), 0, mesh.output);
});

/** Scales all latencies, so that what travels can be looked at while it does. */
async function slower(factor) {
  const settings = await mesh.get("/settings");
  await mesh.ask("PUT", "/settings", { ...settings, latency_scale_pct: 100 * factor, max_latency_ms: 300 * factor });
}

const MARK = /--event:\s*(#\w+)/;

test("five servers are put in a room, one says something, and it is watched to arrive at all", async () => {
  const ui = await open(browser, mesh.url);
  const { page } = ui;
  await page.getByRole("button", { name: "Place five servers for me" }).click();
  await page.getByRole("tabpanel").getByRole("button", { name: "Put all 5 servers in a room" }).click();
  await page.getByText("5 of 5 joined").waitFor();
  await until("the joins have come to rest", async () => (await ui.pixels(1)) === 0);

  await slower(10);
  await page.getByLabel("Write as").selectOption({ label: "hs2" });
  await page.getByLabel("Message", { exact: true }).fill("Good morning, mesh");
  await page.keyboard.press("Enter");
  const card = page.getByRole("log").locator("article", { hasText: "Good morning, mesh" });
  await card.waitFor();
  const [, colour] = MARK.exec(await card.getAttribute("style"));
  await until("a circle of its colour is under way", async () => (await ui.pixels(1, colour)) > 20);
  await ui.screenshot("travelling-1280");
  await card.getByText("all have it").waitFor();
  await until("the servers took its colour", async () => (await ui.pixels(0, colour)) > 4 * 300);
  await until("the halos are gone", async () => (await ui.pixels(1, colour)) === 0);
  assert.equal(await card.getByRole("listitem").filter({ hasText: / ms| s$/ }).count(), 4, "a delay for each of the others");

  await page.getByLabel("As seen by").selectOption({ label: "hs4" });
  await card.waitFor();
  await ui.screenshot("talked-1280");

  await page.getByRole("tab", { name: "Events" }).click();
  const feed = page.getByTestId("events");
  await feed.getByText("m.room.message").first().waitFor();
  await feed.getByText("m.room.member").first().waitFor();
  await page.getByLabel("Type").selectOption("m.room.message");
  await feed.getByText("m.room.member").first().waitFor({ state: "detached" });
  await feed.getByRole("button", { name: "m.room.message" }).click();
  const bars = feed.getByTestId("waterfall").getByRole("listitem");
  await bars.filter({ hasText: / ms| s$/ }).nth(3).waitFor();
  assert.equal(await bars.count(), 4, "a bar for each of the others");
  await bars.first().hover();
  await until("its path is shown on the canvas", async () => (await ui.pixels(0, "#2857d9")) > 40);
  await ui.screenshot("events-1280");

  // A second reader that comes later finds the same.
  const later = await open(browser, mesh.url, { scheme: "dark" });
  const found = later.page.getByRole("log").locator("article", { hasText: "Good morning, mesh" });
  await found.getByText("all have it").waitFor();
  await later.screenshot("later-dark-1280");
  await later.close();
  await slower(1);
  await ui.close();
});

test("a server behind a cut link is shown to lack the message, and gets it when the link is back", async () => {
  const ui = await open(browser, mesh.url);
  const { page } = ui;
  const far = 4;
  const links = (await mesh.get("/links")).filter((l) => l.a === far || l.b === far);
  const setCut = async (cut) => {
    for (const l of links) await mesh.ask("PUT", `/links/${l.a}/${l.b}`, { cut });
  };
  await setCut(true);
  await page.getByLabel("Write as").selectOption({ label: "hs0" });
  await page.getByLabel("Message", { exact: true }).fill("Can you hear me?");
  await page.keyboard.press("Enter");
  const card = page.getByRole("log").locator("article", { hasText: "Can you hear me?" });
  await card.getByText("3 of 4 have it").waitFor();
  await ui.screenshot("cut-1280");
  await setCut(false);
  await card.getByText("all have it").waitFor();
  await ui.close();
});

test("with reduced motion links light up and nothing flies or grows", async () => {
  await slower(10);
  const ui = await open(browser, mesh.url, { motion: "reduce" });
  await ui.page.getByLabel("Write as").selectOption({ label: "hs0" });
  await ui.page.getByLabel("Message", { exact: true }).fill("Calmly");
  await ui.page.keyboard.press("Enter");
  const card = ui.page.getByRole("log").locator("article", { hasText: "Calmly" });
  await card.waitFor();
  const [, colour] = MARK.exec(await card.getAttribute("style"));
  const [a, b] = (await mesh.get("/servers")).filter((s) => s.id < 2);
  const along = (t) => ({ x: a.x + (b.x - a.x) * t, y: a.y + (b.y - a.y) * t });
  await until("the link from hs0 to hs1 is lit from end to end", () => ui.painted(1, colour, [along(0.25), along(0.75)]));
  await card.getByText("all have it").waitFor();
  await slower(1);
  await ui.close();
});

test("a circle travels at the pace of its link", async () => {
  await mesh.clear();
  const [left, right] = await mesh.place([
    [300, 300],
    [560, 300],
  ]);
  const room = await mesh.ask("POST", "/rooms", { name: "pace", creator: left, members: [right] });
  await until("it joined", async () => (await mesh.get("/rooms")).find((r) => r.id === room.id).members.every((m) => m.state === "joined"));
  const ui = await open(browser, mesh.url);
  const say = (body) => mesh.ask("POST", `/rooms/${encodeURIComponent(room.id)}/messages`, { server: left, body });
  await say("The connection is there");
  await ui.page.getByRole("log").getByText("all have it").waitFor();
  const latency_ms = 4000;
  await mesh.ask("PUT", "/settings", { ...(await mesh.get("/settings")), max_latency_ms: 9000 });
  await mesh.ask("PUT", `/links/${left}/${right}`, { pins_ab: { latency_ms }, pins_ba: { latency_ms } });
  await until("nothing moves", async () => (await ui.pixels(1)) === 0);

  const [a, b] = [await ui.at({ x: 300, y: 300 }), await ui.at({ x: 560, y: 300 })];
  await say("Slowly");
  await until("it is on its way", async () => (await ui.pixels(1)) > 0);
  const samples = (await ui.track(latency_ms)).filter(([, x]) => x > a.x + 60 && x < b.x - 60);
  assert.ok(samples.length >= 3, `${samples.length} samples`);
  const [[t0, x0], [t1, x1]] = [samples[0], samples.at(-1)];
  const pace = ((x1 - x0) / (t1 - t0)) * latency_ms;
  assert.ok(Math.abs(pace / (b.x - a.x) - 1) < 0.1, `in ${latency_ms} ms it would go ${pace} of ${b.x - a.x} pixels`);
  await ui.close();
});
