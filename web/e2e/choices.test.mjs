// Choices that hold for the whole mesh or the whole page: round latencies, the transport; copies that keep pins.
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

beforeEach(() => mesh.clear());
afterEach(() => ui.close());

const server = async (id) => (await mesh.get("/servers")).find((s) => s.id === id);
const running = (n) => ui.page.getByTestId("figure-servers").getByText(String(n), { exact: true }).waitFor();

test("a dragged server is drawn to round latencies, unless Alt is held or that is switched off", async () => {
  const [a, b] = await mesh.place([
    [420, 300],
    [640, 300],
  ]);
  ui = await open(browser, mesh.url);
  await running(2);
  // The first view may be zoomed: distances are those of the world, the pull is a few pixels of the screen.
  await ui.page.keyboard.press("0");
  await until("it is at 100 %", async () => (await ui.view()).k === 1);
  const latency = async () => (await mesh.get(`/links/${a}/${b}`)).ab.latency_ms;
  await ui.drag({ x: 640, y: 300 }, { x: 557, y: 300 });
  await until("it is 140 ms away", async () => (await server(b)).x === 560 && (await latency()) === 140);
  await ui.page.keyboard.down("Alt");
  await ui.drag({ x: 560, y: 300 }, { x: 578, y: 300 });
  await ui.page.keyboard.up("Alt");
  await until("it is where it was dragged", async () => Math.abs((await server(b)).x - 578) < 0.5);
  await ui.board.focus();
  await ui.page.keyboard.press("s");
  assert.equal(await ui.page.getByRole("button", { name: "Round latencies" }).getAttribute("aria-pressed"), "false");
  await ui.drag({ x: 578, y: 300 }, { x: 557, y: 300 });
  await until("it is where it was dragged", async () => Math.abs((await server(b)).x - 557) < 0.5);
  await ui.page.reload();
  assert.equal(await ui.page.getByRole("button", { name: "Round latencies" }).getAttribute("aria-pressed"), "false", "it is remembered");
});

test("copies are pinned among each other as the originals are, each way", async () => {
  const [a, b] = await mesh.place([
    [420, 300],
    [560, 300],
  ]);
  await mesh.ask("PUT", `/links/${a}/${b}`, { pins_ab: { loss_pct: 3 }, pins_ba: { latency_ms: 44 }, linked: true });
  ui = await open(browser, mesh.url);
  await running(2);
  await ui.board.focus();
  await ui.page.keyboard.press("Control+a");
  await ui.page.keyboard.press("Control+d");
  await running(4);
  const copy = await until("the copies are pinned", async () =>
    (await mesh.get("/pins")).find((p) => p.a > b && p.pins_ab.loss_pct === 3 && p.pins_ba.latency_ms === 44),
  );
  assert.equal(copy.linked, true);
  await until("what was done is over", async () => (await ui.page.getByRole("progressbar").count()) === 0);
  await ui.board.focus();
  await ui.page.keyboard.press("Control+z");
  await running(2);
});

for (const [width, height, scheme] of [
  [1280, 720, "light"],
  [1920, 1080, "dark"],
]) {
  test(`the transport is shown, chosen and taken back, ${width} ${scheme}`, async () => {
    ui = await open(browser, mesh.url, { width, height, scheme });
    await ui.page.getByRole("tab", { name: "Settings" }).click();
    const settings = ui.page.getByTestId("transport");
    await settings.getByLabel("Transport").selectOption("auto");
    await ui.page.getByTestId("lowband").getByText("lowband if slow").waitFor();
    assert.equal((await mesh.get("/transport")).transport, "auto");
    const below = settings.getByRole("textbox", { name: "Slow is below" });
    await below.fill("sluggish");
    await settings.getByText("Write a rate such as").waitFor();
    await below.fill("50 kbit/s");
    await until("it is 50 kbit/s", async () => (await mesh.get("/transport")).below === 50_000);
    await below.scrollIntoViewIfNeeded();
    await ui.screenshot(`transport-${width}-${scheme}`);
    assert.deepEqual(await ui.barriers(), []);
    await ui.board.focus();
    await ui.page.keyboard.press("Control+z");
    await ui.page.keyboard.press("Control+z");
    await until("it is HTTPS again", async () => (await mesh.get("/transport")).transport === "https");
    await ui.page.getByTestId("lowband").waitFor({ state: "detached" });
  });

  test(`the palette finds what there is to do, and places many, ${width} ${scheme}`, async () => {
    await mesh.place([
      [420, 300],
      [560, 300],
    ]);
    ui = await open(browser, mesh.url, { width, height, scheme });
    await running(2);
    await ui.page.keyboard.press("Control+k");
    const wanted = ui.page.getByRole("combobox", { name: "Find or do" });
    await wanted.waitFor();
    await ui.screenshot(`palette-${width}-${scheme}`);
    for (const [text, found] of [
      ["svg", "Save the mesh"],
      ["example", "Open a mesh"],
      ["low band", "Transport: low bandwidth"],
      ["round", "not at round latencies"],
    ]) {
      await wanted.fill(text);
      await ui.page.getByRole("listbox", { name: "What was found" }).getByRole("option").first().filter({ hasText: found }).waitFor();
    }
    await wanted.fill("place many");
    await ui.page.keyboard.press("Enter");
    await ui.page.getByRole("dialog", { name: "Place many servers" }).waitFor();
    await ui.screenshot(`place-many-${width}-${scheme}`);
    assert.deepEqual(await ui.barriers(), []);
    await ui.page.keyboard.press("Escape");
    await ui.page.keyboard.press("?");
    await ui.page.getByRole("dialog", { name: "Keys and gestures" }).waitFor();
    await ui.screenshot(`help-${width}-${scheme}`);
    await ui.page.keyboard.press("Escape");
  });
}
