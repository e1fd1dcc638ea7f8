// Talk: what each server has, side by side, and members that speak by themselves.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, open } from "./browser.mjs";
import { binary, freePort, Meshsim, until } from "./meshsim.mjs";

const mesh = new Meshsim(binary(), await freePort());
let browser;
let ui;
let ids;
let room;

before(async () => {
  await mesh.start();
  browser = await launch();
});

after(async () => {
  await browser.close();
  assert.equal(await mesh.stop(), 0, mesh.output);
});

beforeEach(async () => {
  await mesh.clear();
  ids = await mesh.place([
    [420, 200],
    [560, 320],
    [700, 200],
  ]);
  room = await mesh.ask("POST", "/rooms", { name: "forum", creator: ids[0], members: ids.slice(1) });
  const joined = async () => (await mesh.get("/rooms")).find((r) => r.id === room.id).members.every((m) => m.state === "joined");
  await until("all joined", joined);
});

afterEach(() => ui.close());

const say = (server, body) => mesh.ask("POST", `/rooms/${encodeURIComponent(room.id)}/messages`, { server, body });

/** Cuts the third server off, or lets it in again. */
async function setCut(cut) {
  const links = (await mesh.get("/links")).filter((l) => l.a === ids[2] || l.b === ids[2]);
  for (const l of links) await mesh.ask("PUT", `/links/${l.a}/${l.b}`, { cut });
}

/** Shows the room, which the panel hides in a narrow window. */
async function talk() {
  if (await ui.page.getByRole("button", { name: "Show the side panel" }).count()) {
    await ui.page.getByRole("button", { name: "Show the side panel" }).click();
  }
  await ui.page.getByLabel("Room", { exact: true }).selectOption(room.id);
}

for (const [width, height, scheme] of [
  [1280, 720, "light"],
  [1920, 1080, "dark"],
  [480, 860, "dark"],
]) {
  test(`servers' views stand side by side, and what differs is marked, ${width} ${scheme}`, async () => {
    await say(ids[0], "Everybody hears this");
    ui = await open(browser, mesh.url, { width, height, scheme });
    await talk();
    await ui.page.getByRole("log", { name: "Messages" }).getByText("all have it").waitFor();
    await setCut(true);
    await say(ids[0], "The third does not hear this");
    await say(ids[2], "And I speak alone");
    await ui.page.getByRole("button", { name: "Side by side" }).click();
    const d = ui.page.getByRole("dialog", { name: "forum, side by side" });
    await d.getByText("They differ in 2 of 3.").waitFor();
    const row = d.getByRole("row").filter({ hasText: "The third does not hear this" });
    await row.getByRole("cell").nth(2).getByText("has not").waitFor();
    const alone = d.getByRole("row").filter({ hasText: "And I speak alone" });
    assert.deepEqual(await alone.getByRole("cell").allInnerTexts(), ["has not", "has not", "And I speak alone"]);
    await ui.screenshot(`side-by-side-${width}-${scheme}`);
    assert.deepEqual(await ui.barriers(), []);
    await d.getByLabel("only what differs").check();
    assert.equal(await d.getByRole("row").count(), 3, "the head and two that differ");
    await d.getByLabel("only what differs").uncheck();
    await setCut(false);
    await d.getByText(/All 3 have the same|in another order here/).first().waitFor();
    await until("nothing is missing", async () => (await d.getByText("has not").count()) === 0);
  });
}

test("members chatter at a chosen rate, faster while they do, and fall silent", async () => {
  ui = await open(browser, mesh.url);
  await talk();
  const rate = ui.page.getByRole("textbox", { name: "Chatter" });
  await rate.fill("often");
  await ui.page.getByText("Write a rate such as 2 a second or 30 a minute.").waitFor();
  await rate.fill("5");
  await rate.press("Enter");
  await ui.page.getByRole("button", { name: "Start" }).click();
  const chatter = () => mesh.get(`/rooms/${encodeURIComponent(room.id)}/chatter`);
  await until("they speak", async () => (await chatter()).sent > 5);
  await ui.page.getByRole("log", { name: "Messages" }).locator("article").nth(3).waitFor();
  await ui.page.getByTestId("chatter").filter({ hasText: /\d said/ }).waitFor();
  await ui.screenshot("chatter-1280");
  await rate.fill("20");
  await rate.press("Enter");
  await until("they speak faster", async () => (await chatter()).per_second === 20);
  await ui.page.getByRole("button", { name: "Stop", exact: true }).click();
  await until("they are silent", async () => (await chatter()).per_second === 0);
  await ui.page.getByRole("button", { name: "Start" }).waitFor();
});
