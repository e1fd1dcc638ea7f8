// Links as a person looks at them and edits them: what flows, where values come from, one and many.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, open } from "./browser.mjs";
import { binary, freePort, Meshsim, until } from "./meshsim.mjs";

const mesh = new Meshsim(binary(), await freePort());
const SIZES = [
  { name: "1280-light", width: 1280, height: 720, scheme: "light" },
  { name: "1920-dark", width: 1920, height: 1080, scheme: "dark" },
  { name: "480-dark", width: 480, height: 860, scheme: "dark" },
];
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

/** Three servers in a row with two links, looked at in a window of this size. */
async function row(size = SIZES[0]) {
  const ids = await mesh.place([
    [440, 300],
    [640, 300],
    [840, 300],
  ]);
  await until("they are linked", async () => (await mesh.get("/links")).length === 2);
  ui = await open(browser, mesh.url, size);
  await ui.page.getByTestId("figure-links").getByText("2", { exact: true }).waitFor();
  return ids;
}

const link = (a, b) => mesh.get(`/links/${a}/${b}`);

for (const size of SIZES) {
  test(`a link shows what flows over it, ${size.name}`, async () => {
    const [a, b, c] = await row(size);
    const room = await mesh.ask("POST", "/rooms", { name: "flow", creator: a, members: [b, c] });
    const joined = async () => (await mesh.get("/rooms")).find((r) => r.id === room.id)?.members.every((m) => m.state === "joined");
    await until("all joined", joined);
    await ui.page.keyboard.press("Control+k");
    await ui.page.getByRole("combobox", { name: "Find or do" }).fill(`hs${a} – hs${b}`);
    await ui.page.keyboard.press("Enter");
    const inspector = ui.page.getByTestId("link-inspector");
    await inspector.waitFor();
    const there = inspector.getByTestId("flow").first();
    await mesh.ask("PUT", `/links/${a}/${b}`, { pins_ab: { bandwidth: 20_000 }, pins_ba: { loss_pct: 30 } });
    await inspector.getByTestId("param-bandwidth").getByText(/pinned/).waitFor();
    for (let i = 0; i < 6; i++) {
      await mesh.ask("POST", `/rooms/${encodeURIComponent(room.id)}/messages`, { server: a, body: `message ${i} ${"x".repeat(900)}` });
    }
    await until("a rate is shown", async () => /bit\/s/.test(await there.getByTestId("rate").innerText()));
    const delay = await until("a delay is shown", async () => {
      const text = await there.getByTestId("delay").innerText();
      return text.includes("→") && text;
    });
    assert.match(delay, /^[\d.]+ m?s → [\d.]+ m?s$/);
    const lines = await there.locator("svg path").evaluateAll((paths) => paths.map((p) => p.getAttribute("d")));
    assert.ok(lines.some((d) => /L/.test(d)), "a line is drawn");
    await ui.screenshot(`link-flow-${size.name}`);
    assert.deepEqual(await ui.barriers(), []);
  });
}

test("where a value comes from is said beside it", async () => {
  const [a, b] = await row();
  await ui.click({ x: 540, y: 300 });
  const latency = ui.page.getByTestId("link-inspector").getByTestId("param-latency_ms");
  await latency.getByText("distance × scale").waitFor();
  await latency.getByRole("textbox").fill("80 ms");
  await latency.getByText("pinned", { exact: true }).waitFor();
  assert.equal((await link(a, b)).pins_ba.latency_ms, 80);
});

test("several links are selected with Shift, edited, cut and restored together, and all of it is undone", async () => {
  const [a, b, c] = await row();
  const both = async (check) => (await Promise.all([link(a, b), link(b, c)])).every(check);
  await mesh.ask("PUT", `/links/${a}/${b}`, { pins_ab: { jitter_pct: 7 } });
  await ui.click({ x: 540, y: 300 });
  await ui.page.getByTestId("link-inspector").waitFor();
  await ui.page.keyboard.down("Shift");
  await ui.click({ x: 740, y: 300 });
  await ui.page.keyboard.up("Shift");
  const inspector = ui.page.getByTestId("links-inspector");
  await inspector.getByRole("heading", { name: "2 links" }).waitFor();
  assert.equal(await inspector.getByRole("textbox", { name: "Jitter" }).inputValue(), "", "what differs is not made up");
  const loss = inspector.getByRole("textbox", { name: "Loss" });
  await loss.fill("much");
  await inspector.getByText("Write a percentage such as 5 %.").waitFor();
  await loss.fill("4 %");
  await loss.press("Enter");
  await until("both lose 4 %", () => both((l) => l.pins_ab.loss_pct === 4 && l.pins_ba.loss_pct === 4));
  assert.equal((await link(a, b)).pins_ab.jitter_pct, 7, "what else was pinned stays");
  await ui.screenshot("links-inspector-1280");
  assert.deepEqual(await ui.barriers(), []);

  await ui.board.focus();
  await ui.page.keyboard.press("Delete");
  await until("both are cut", () => both((l) => l.cut));
  await inspector.getByRole("button", { name: "Restore all" }).click();
  await until("both carry again", () => both((l) => !l.cut));
  await ui.board.focus();
  for (let i = 0; i < 3; i++) await ui.page.keyboard.press("Control+z");
  await until("all is as it was", async () => (await both((l) => !l.cut && l.pins_ba.loss_pct === undefined)) && (await link(a, b)).pins_ab.jitter_pct === 7);
});

test("the links between selected servers are one click away", async () => {
  const [a, b] = await row();
  await ui.board.focus();
  await ui.page.keyboard.press("Control+a");
  await ui.page.getByTestId("group-inspector").getByRole("button", { name: "2 between them" }).click();
  const inspector = ui.page.getByTestId("links-inspector");
  await inspector.getByRole("button", { name: "Pin latency of each to what it is" }).click();
  await until("each is pinned to its own", async () => (await link(a, b)).pins_ab.latency_ms === 200);
});

test("two servers out of each other's reach are linked by hand, and unlinked again", async () => {
  const [a, , c] = await row();
  await mesh.ask("DELETE", `/servers/${(await mesh.get("/servers")).find((s) => s.name === `hs${a + 1}`).id}`);
  await ui.board.focus();
  await ui.page.keyboard.press("Control+a");
  const group = ui.page.getByTestId("group-inspector");
  await group.getByRole("heading", { name: "2 servers" }).waitFor();
  await group.getByRole("button", { name: "Link them" }).click();
  await until("they are linked", async () => (await mesh.get("/links")).some((l) => l.a === a && l.b === c));
  await group.getByRole("button", { name: "1 between them" }).click();
  const kept = ui.page.getByTestId("link-inspector").getByRole("checkbox", { name: /Linked wherever they stand/ });
  assert.equal(await kept.isChecked(), true);
  await ui.screenshot("link-by-hand-1280");
  await kept.click();
  await until("they are apart again", async () => (await mesh.get("/links")).length === 0);
});
