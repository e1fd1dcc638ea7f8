// A phone in the hand: fingers place, move, pan and pinch; everything fits and can be reached.
import assert from "node:assert/strict";
import { until } from "./meshsim.mjs";
import { everyLook, PHONE } from "./stage.mjs";

const TABLET = { width: 820, height: 1180, touch: true };
const TURNED = { width: 844, height: 390, touch: true };
const HANDS = [PHONE, TURNED, TABLET];

/** Moves fingers from where they are put down to where they are lifted. */
async function fingers(ui, from, to) {
  const devtools = await ui.page.context().newCDPSession(ui.page);
  const send = (type, points) =>
    devtools.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
  await send("touchStart", from);
  for (let i = 1; i <= 10; i++) await send("touchMove", from.map(([x, y], f) => [x + ((to[f][0] - x) * i) / 10, y + ((to[f][1] - y) * i) / 10]));
  await send("touchEnd", []);
}

everyLook(
  "fingers place with a tap, move with a drag, pan, zoom with a pinch, and inspect with a tap",
  async ({ mesh, visit }) => {
    const ui = await visit();
    const { page } = ui;
    await ui.screenshot("touch-empty");
    const spot = await ui.at({ x: 90, y: 60 });
    await page.touchscreen.tap(spot.x, spot.y);
    await ui.counts(1);
    const [placed] = await mesh.present();
    assert.ok(Math.hypot(placed.x - 90, placed.y - 60) < 1, JSON.stringify(placed));

    await fingers(ui, [[spot.x, spot.y]], [[spot.x + 80, spot.y + 40]]);
    await until("it is moved", async () => Math.abs((await mesh.server(placed.id)).x - 170) < 2);

    const { x } = await ui.view();
    await fingers(ui, [[spot.x + 150, spot.y + 100]], [[spot.x + 190, spot.y + 110]]);
    await until("the view is panned", async () => Math.abs((await ui.view()).x - x - 40) < 6);

    const [mx, my] = [spot.x + 150, spot.y + 120];
    await fingers(ui, [[mx - 30, my], [mx + 30, my]], [[mx - 70, my], [mx + 70, my]]);
    await until("it is larger", async () => (await ui.view()).k > 1.5);
    assert.equal((await mesh.present()).length, 1, "moving and pinching place nothing");

    await ui.page.getByRole("button", { name: "Show the whole mesh" }).tap();
    await ui.rests();
    const at = await ui.at(await mesh.server(placed.id));
    await page.touchscreen.tap(at.x, at.y);
    await page.getByTestId("server-inspector").waitFor();
  },
  HANDS,
);

everyLook(
  "whatever is opened fits in the hand",
  async ({ mesh, visit }) => {
    const ui = await visit();
    const { page } = ui;
    await page.getByRole("button", { name: "Place five servers for me" }).tap();
    await ui.counts(5);
    await ui.rests();
    const canvas = await ui.board.boundingBox();
    for (const server of await mesh.present()) {
      const p = await ui.at(server);
      assert.ok(p.x > canvas.x + 20 && p.x < canvas.x + canvas.width - 20, `${server.name} stands at ${p.x}`);
    }
    await ui.screenshot("touch-five");
    const [first] = await mesh.present();
    await mesh.ask("POST", `/servers/${first.id}/pause`);
    await page.getByTestId("figure-servers").getByText("4 of 5").waitFor();
    assert.deepEqual(await halved(page), [], "a figure in the header");
    await mesh.ask("POST", `/servers/${first.id}/resume`);
    await ui.counts(5);
    for (const tab of ["Talk", "Events", "Servers", "Settings"]) {
      await ui.panel(tab);
      assert.deepEqual(await outside(page), [], tab);
      await ui.screenshot(`touch-${tab.toLowerCase()}`);
    }
    await ui.hidePanel();
    for (const name of ["Find or do", "Place many servers", "Open a mesh", "Save the mesh", "Keys and gestures"]) {
      await page.getByRole("button", { name, exact: true }).tap();
      await page.getByRole("dialog", { name }).waitFor();
      assert.deepEqual(await outside(page), [], name);
      await ui.screenshot(`touch-${name.toLowerCase().replaceAll(" ", "-")}`);
      await page.keyboard.press("Escape");
    }
    const at = await ui.at((await mesh.present())[0]);
    await page.touchscreen.tap(at.x, at.y);
    await page.getByTestId("server-inspector").waitFor();
    assert.deepEqual(await outside(page), [], "the inspector of a server");
    await ui.screenshot("touch-server");
    await mesh.ask("PUT", "/transport", { transport: "auto" });
    await page.getByTestId("lowband").waitFor();
    assert.deepEqual(await outside(page), [], "the header with a badge");
  },
  HANDS,
);

everyLook(
  "an event is followed where it travels: not behind the panel in which it was chosen",
  async ({ mesh, visit }) => {
    const ids = await mesh.place([
      [100, 200],
      [220, 300],
    ]);
    const ui = await visit();
    await ui.counts(2);
    await mesh.say(await mesh.room("forum", ids), ids[0], "Follow me");
    await ui.panel("Events");
    await ui.page.getByTestId("events").getByRole("button", { name: "m.room.message" }).first().tap();
    await ui.page.getByRole("button", { name: "Follow on the canvas" }).tap();
    await ui.page.getByTestId("following").waitFor();
    await ui.page.getByRole("button", { name: "Show the side panel" }).waitFor();
  },
  [PHONE],
);

/** What can be pressed and is not wholly in the window, across; what scrolls down in its panel is not meant. */
function outside(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll("button, input, select, textarea")]
      .filter((e) => e.checkVisibility() && !e.classList.contains("visually-hidden"))
      .map((e) => [e.getBoundingClientRect(), e])
      .filter(([box]) => box.width > 0 && (box.left < -0.5 || box.right > innerWidth + 0.5))
      .map(([box, e]) => `${e.getAttribute("aria-label") ?? e.textContent.trim()} at ${box.left} to ${box.right}`),
  );
}

/** What of the figures in the header is shown in part. */
function halved(page) {
  return page.evaluate(() => {
    const shown = document.querySelector("header dl").getBoundingClientRect();
    return [...document.querySelectorAll("header dl :is(dt, dd)")]
      .filter((e) => e.checkVisibility())
      .map((e) => [e.getBoundingClientRect(), e])
      .filter(([box]) => box.top < shown.bottom && box.right > shown.right + 0.5)
      .map(([, e]) => e.textContent);
  });
}
