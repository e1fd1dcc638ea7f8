// Many servers at once: selecting, moving, lining up, duplicating, placing, and taking it all back.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, open } from "./browser.mjs";
import { binary, freePort, Meshsim, until } from "./meshsim.mjs";

const mesh = new Meshsim(binary(), await freePort());
let browser;
let ui;

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
  ui = await open(browser, mesh.url);
});

afterEach(() => ui.close());

const present = async () => (await mesh.get("/servers")).filter((s) => s.state !== "gone");
const count = (n) => ui.page.getByTestId("figure-servers").getByText(String(n), { exact: true }).waitFor();
const placesOf = async (ids) => (await present()).filter((s) => ids.includes(s.id)).map(({ x, y }) => [Math.round(x), Math.round(y)]);
const become = (what, ids, places) => until(what, async () => JSON.stringify(await placesOf(ids)) === JSON.stringify(places));
const group = () => ui.page.getByTestId("group-inspector");

async function shiftClick(world) {
  await ui.page.keyboard.down("Shift");
  await ui.click(world);
  await ui.page.keyboard.up("Shift");
}

test("servers are selected one by one or in a box, and move together; undo and redo take it back and do it again", async () => {
  const at = [
    [440, 160],
    [560, 220],
    [680, 180],
  ];
  const ids = await mesh.place(at);
  await count(3);
  await ui.click({ x: 440, y: 160 });
  await shiftClick({ x: 560, y: 220 });
  await group().getByText("2 servers").waitFor();
  await shiftClick({ x: 560, y: 220 });
  await ui.page.getByTestId("server-inspector").waitFor();

  await ui.page.keyboard.press("Escape");
  await ui.page.keyboard.down("Shift");
  await ui.drag({ x: 400, y: 120 }, { x: 620, y: 280 }, { hold: () => ui.screenshot("box-1280") });
  await ui.page.keyboard.up("Shift");
  await group().getByText("2 servers").waitFor();

  await ui.drag({ x: 560, y: 220 }, { x: 560, y: 320 });
  const moved = [
    [440, 260],
    [560, 320],
    [680, 180],
  ];
  await become("both moved, the third did not", ids, moved);
  await ui.page.keyboard.press("Control+z");
  await become("both are back", ids, at);
  await ui.page.keyboard.press("Control+Shift+z");
  await become("both moved again", ids, moved);
  await ui.screenshot("group-1280");
});

test("all are selected, aligned, spaced out and nudged; each is one step back", async () => {
  const at = [
    [440, 160],
    [500, 220],
    [680, 190],
  ];
  const ids = await mesh.place(at);
  await count(3);
  await ui.board.focus();
  await ui.page.keyboard.press("Control+a");
  await group().getByText("3 servers").waitFor();
  await group().getByRole("button", { name: "Align top" }).click();
  const aligned = at.map(([x]) => [x, 160]);
  await become("they are in line", ids, aligned);
  await group().getByRole("button", { name: "Space out evenly, across" }).click();
  const spaced = [
    [440, 160],
    [560, 160],
    [680, 160],
  ];
  await become("they are evenly apart", ids, spaced);
  await ui.board.focus();
  await ui.page.keyboard.press("ArrowDown");
  await ui.page.keyboard.press("Shift+ArrowDown");
  await become("they are nudged", ids, spaced.map(([x, y]) => [x, y + 11]));
  for (let i = 0; i < 4; i++) await ui.page.keyboard.press("Control+z");
  await become("all of it is undone", ids, at);
});

test("servers are duplicated, removed, paused together, and brought back", async () => {
  const ids = await mesh.place([
    [500, 160],
    [600, 220],
  ]);
  await count(2);
  await ui.board.focus();
  await ui.page.keyboard.press("Control+a");
  await ui.page.keyboard.press("Control+d");
  await count(4);
  const copies = (await present()).map((s) => s.id).filter((id) => !ids.includes(id));
  assert.deepEqual(await placesOf(copies), [
    [540, 200],
    [640, 260],
  ]);
  await group().getByRole("button", { name: "Pause" }).click();
  await until("the copies are paused", async () => (await present()).filter((s) => s.state === "paused").length === 2);
  await group().getByRole("button", { name: "Resume" }).click();
  await count(4);
  await group().getByRole("button", { name: "Remove" }).click();
  await count(2);
  await ui.page.getByRole("status").getByRole("button", { name: "Undo" }).click();
  await count(4);
  await ui.page.getByRole("button", { name: "Redo" }).click();
  await count(2);
});

test("a placed server and a changed setting are undone too", async () => {
  await ui.click({ x: 500, y: 300 });
  await count(1);
  await ui.page.getByRole("tab", { name: "Settings" }).click();
  const scale = ui.page.getByRole("textbox", { name: "Latency scale" });
  await scale.fill("250");
  await scale.press("Enter");
  await until("the scale is set", async () => (await mesh.get("/settings")).latency_scale_pct === 250);
  await ui.page.getByRole("button", { name: "Undo" }).first().click();
  await until("the scale is back", async () => (await mesh.get("/settings")).latency_scale_pct === 100);
  await ui.page.getByRole("button", { name: "Undo" }).first().click();
  await count(0);
});

test("twenty servers are placed as a ring; a longer job is cancelled and keeps what it placed", async () => {
  const { page } = ui;
  await page.getByRole("button", { name: "Place many servers" }).click();
  const dialog = page.getByRole("dialog", { name: "Place many servers" });
  await dialog.getByText("Star").click();
  await dialog.getByLabel("Servers", { exact: true }).fill("many");
  await dialog.getByRole("alert").waitFor();
  await dialog.getByLabel("Servers", { exact: true }).fill("20");
  await dialog.getByText("Ring").click();
  await ui.screenshot("place-many-1280");
  await dialog.getByRole("button", { name: "Place 20" }).click();
  await count(20);
  const placed = await present();
  const mid = (key) => (Math.min(...placed.map((s) => s[key])) + Math.max(...placed.map((s) => s[key]))) / 2;
  const radii = placed.map((s) => Math.hypot(s.x - mid("x"), s.y - mid("y")));
  assert.ok(Math.max(...radii) - Math.min(...radii) < 4, `radii ${radii.map(Math.round).join(" ")}`);
  await ui.screenshot("ring-1280");
  await page.keyboard.press("Control+z");
  await count(0);

  await page.route("**/api/v1/servers", async (route) => {
    if ((await present()).length >= 12) await new Promise((resolve) => setTimeout(resolve, 300));
    await route.continue();
  });
  await page.getByRole("button", { name: "Place many servers" }).click();
  await dialog.getByLabel("Servers", { exact: true }).fill("300");
  await dialog.getByRole("button", { name: "Place 300" }).click();
  await until("some are placed", async () => (await present()).length >= 12);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("progressbar").waitFor({ state: "detached" });
  const kept = (await present()).length;
  assert.ok(kept >= 12 && kept < 300, `${kept} placed`);
});

test("the palette finds servers, links and actions by what is typed", async () => {
  const { page } = ui;
  const [a, b] = await mesh.place([
    [460, 200],
    [640, 200],
  ]);
  await count(2);
  await ui.board.focus();
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog", { name: "Find or do" });
  await palette.getByRole("option", { name: "Settings of the mesh" }).waitFor();
  await ui.screenshot("palette-1280");
  await page.keyboard.type(`hs${b} hs${a}`);
  await page.keyboard.press("Enter");
  await page.getByTestId("link-inspector").waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.type(`hs${b}`);
  await page.keyboard.press("Enter");
  await page.getByTestId("server-inspector").waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("all servers");
  await page.keyboard.press("Enter");
  await group().getByText("2 servers").waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("no such thing");
  await palette.getByText("Nothing is called that.").waitFor();
  await page.keyboard.press("Escape");
  await palette.waitFor({ state: "hidden" });
});
