// Editing the mesh as a person does: placing, dragging, panning, inspecting, removing.
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

const server = async (id) => (await mesh.get("/servers")).find((s) => s.id === id);
const present = async () => (await mesh.get("/servers")).filter((s) => s.state !== "gone");
const running = (n) => ui.page.waitForFunction((want) => document.querySelector("[data-testid=figure-servers]")?.textContent === want, String(n));

test("an empty page says what to do, and one click places five servers", async () => {
  await ui.page.getByText("Click anywhere to place a server").waitFor();
  await ui.screenshot("empty-1280");
  await ui.page.getByRole("button", { name: "Place five servers for me" }).click();
  await running(5);
  await until("they are linked", async () => (await mesh.get("/links")).length >= 4);
  await ui.page.getByRole("note", { name: "Next step" }).getByText("Put all 5 in a room").waitFor();
  assert.equal(await ui.page.getByText("Click anywhere to place a server").count(), 0);
});

test("a click places a server where it was", async () => {
  await ui.click({ x: 300, y: 150 });
  await running(1);
  await ui.click({ x: 420, y: 250 });
  await running(2);
  const placed = await present();
  assert.deepEqual(
    placed.map(({ x, y }) => [Math.round(x), Math.round(y)]),
    [
      [300, 150],
      [420, 250],
    ],
  );
});

test("dragging a server moves it in the mesh while it is dragged, and its latency with it", async () => {
  const [a, b] = await mesh.place([
    [200, 200],
    [400, 200],
  ]);
  await running(2);
  await ui.drag(
    { x: 400, y: 200 },
    { x: 320, y: 200 },
    {
      hold: async () => {
        await until("the mesh has the new place before the button is up", async () => Math.abs((await server(b)).x - 320) < 2);
        await ui.screenshot("dragging-1280");
      },
    },
  );
  const link = await until("the link is as long as it looks", async () => {
    const l = await mesh.get(`/links/${a}/${b}`);
    return Math.abs(l.ab.latency_ms - 120) < 2 && l;
  });
  assert.ok(Math.abs(link.ba.latency_ms - 120) < 2);
  assert.equal((await present()).length, 2, "a drag places nothing");
});

test("the background pans, space pans from anywhere, the wheel zooms at the pointer", async () => {
  const [a] = await mesh.place([[300, 300]]);
  await running(1);
  await ui.drag({ x: 500, y: 200 }, { x: 560, y: 240 });
  let v = await ui.view();
  assert.deepEqual([v.k, Math.round(v.x), Math.round(v.y)], [1, 60, 40]);

  await ui.board.focus();
  await ui.page.keyboard.down(" ");
  await ui.drag({ x: 300, y: 300 }, { x: 270, y: 290 });
  await ui.page.keyboard.up(" ");
  v = await ui.view();
  assert.deepEqual([Math.round(v.x), Math.round(v.y)], [30, 30]);

  await ui.drag({ x: 300, y: 300 }, { x: 310, y: 310 }, { button: "middle" });
  v = await ui.view();
  assert.deepEqual([Math.round(v.x), Math.round(v.y)], [40, 40]);

  const before = await ui.at({ x: 300, y: 300 });
  await ui.page.mouse.move(before.x, before.y);
  await ui.page.mouse.wheel(0, -300);
  await until("it is larger", async () => (await ui.view()).k > 1.2);
  const under = await ui.at({ x: 300, y: 300 });
  assert.ok(Math.hypot(under.x - before.x, under.y - before.y) < 1.5, "what was under the pointer stays there");

  await ui.page.keyboard.press("0");
  await until("it is at 100 % again", async () => (await ui.view()).k === 1);
  await ui.page.keyboard.press("f");
  await until("all is in sight", async () => (await ui.view()).k === 1.6);
  const s = await server(a);
  assert.deepEqual([s.x, s.y], [300, 300], "panning moves no server");
  assert.equal((await present()).length, 1, "panning places none");
});

test("a link turns red when it is clicked; its parameters are pinned, checked as typed, and derived again", async () => {
  const [a, b] = await mesh.place([
    [420, 300],
    [640, 300],
  ]);
  await running(2);
  await ui.click({ x: 500, y: 300 });
  const inspector = ui.page.getByTestId("link-inspector");
  await inspector.waitFor();
  await until("it is red", async () => (await ui.pixels(0, "#d0222f")) > 100);

  const latency = inspector.getByRole("textbox", { name: "Latency" });
  assert.equal(await latency.inputValue(), "220 ms");
  await latency.fill("soon");
  await inspector.getByText("Write a time such as 20 ms or 1.5 s.").waitFor();
  await latency.fill("50");
  const pinned = await until("it is pinned without a further key", async () => {
    const l = await mesh.get(`/links/${a}/${b}`);
    return l.ab.latency_ms === 50 && l;
  });
  assert.deepEqual([pinned.pins_ab, pinned.pins_ba], [{ latency_ms: 50 }, { latency_ms: 50 }]);
  await ui.screenshot("link-pinned-1280");

  await inspector.getByRole("button", { name: "Each way" }).click();
  const back = inspector.getByRole("textbox", { name: `Bandwidth, hs${b} to hs${a}` });
  await back.fill("9600 bit/s");
  await back.press("Enter");
  await until("one direction is slower", async () => {
    const l = await mesh.get(`/links/${a}/${b}`);
    return l.ba.bandwidth === 9600 && l.ab.bandwidth > 9600;
  });

  await inspector.getByRole("button", { name: "Both ways" }).click();
  await inspector.getByRole("button", { name: "Unpin latency" }).click();
  await until("latency follows the distance again", async () => (await mesh.get(`/links/${a}/${b}`)).ab.latency_ms === 220);

  await inspector.getByText("Advanced").click();
  await inspector.getByLabel("Loss in bursts").check();
  await until("bursts are pinned", async () => (await mesh.get(`/links/${a}/${b}`)).pins_ab.burst !== undefined);
  await inspector.getByRole("button", { name: "Unpin all" }).click();
  await until("nothing is pinned", async () => Object.keys((await mesh.get(`/links/${a}/${b}`)).pins_ab).length === 0);
});

test("a pin beyond the limits unmakes the link, which is said and undone with one click", async () => {
  const [a, b] = await mesh.place([
    [420, 300],
    [640, 300],
  ]);
  await running(2);
  await ui.click({ x: 500, y: 300 });
  await ui.page.getByTestId("link-inspector").getByRole("textbox", { name: "Latency" }).fill("2 s");
  const notice = ui.page.getByRole("status");
  await notice.getByText("no longer linked: the settings link only under 300 ms").waitFor();
  assert.equal((await mesh.get("/links")).length, 0);
  await notice.getByRole("button", { name: "Undo" }).click();
  await until("the link is back", async () => (await mesh.get("/links")).length === 1);
  assert.equal((await mesh.get(`/links/${a}/${b}`)).ab.latency_ms, 220);
});

test("a pinned pair that is not linked is found in the settings and unpinned there", async () => {
  await mesh.place([
    [420, 300],
    [640, 300],
  ]);
  await running(2);
  await ui.click({ x: 500, y: 300 });
  await ui.page.getByTestId("link-inspector").getByRole("textbox", { name: "Latency" }).fill("2 s");
  await until("they are not linked", async () => (await mesh.get("/links")).length === 0);
  await ui.page.getByRole("tab", { name: "Settings" }).click();
  const apart = ui.page.getByTestId("apart");
  await apart.getByText("latency 2000 ms").waitFor();
  await apart.getByRole("button", { name: /^Unpin / }).click();
  await until("they are linked again", async () => (await mesh.get("/links")).length === 1);
  await apart.waitFor({ state: "detached" });
});

test("a server that was just placed is what lies under the pointer, which has not moved", async () => {
  await ui.click({ x: 500, y: 300 });
  await running(1);
  const cursor = () => ui.page.getByTestId("board").evaluate((board) => board.style.cursor);
  await until("the board points at it", async () => (await cursor()) === "pointer");
});

test("a link is cut and restored by button and by key, and the cut can be undone", async () => {
  const [a, b] = await mesh.place([
    [420, 300],
    [640, 300],
  ]);
  await running(2);
  const cut = async () => (await mesh.get(`/links/${a}/${b}`)).cut;
  await ui.click({ x: 500, y: 300 });
  await ui.page.getByRole("button", { name: "Cut the link" }).click();
  await until("it is cut", cut);
  await ui.page.getByRole("button", { name: "Restore the link" }).click();
  await ui.page.getByRole("button", { name: "Cut the link" }).waitFor();
  assert.equal(await cut(), false);
  await ui.page.keyboard.press("Delete");
  await until("it is cut by the key", cut);
  await ui.page.getByRole("status").getByRole("button", { name: "Undo" }).click();
  await until("the cut is undone", async () => !(await cut()));
});

test("a server is paused, stopped and started; its client URL is copied", async () => {
  const [a] = await mesh.place([[500, 300]]);
  await running(1);
  await ui.click({ x: 500, y: 300 });
  const inspector = ui.page.getByTestId("server-inspector");
  const state = (want) => inspector.getByTestId("state").getByText(want, { exact: true }).waitFor();
  await state("running");
  for (const [button, then] of [
    ["Pause", "paused"],
    ["Resume", "running"],
    ["Stop", "stopped"],
    ["Start", "running"],
  ]) {
    await inspector.getByRole("button", { name: button, exact: true }).click();
    await state(then);
    await until(`the mesh has it ${then}`, async () => (await server(a)).state === then);
  }
  await inspector.getByRole("button", { name: "Copy the client URL" }).click();
  const copied = await ui.page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, (await server(a)).client_url);
  await ui.screenshot("server-inspector-1280");
});

test("pointing at a server that is reached shows the path to it", async () => {
  await mesh.place([
    [440, 150],
    [640, 150],
    [840, 150],
  ]);
  await running(3);
  await ui.click({ x: 440, y: 150 });
  const shown = (x) => ui.painted(0, "#2857d9", [{ x, y: 150 }]);
  const reached = ui.page.getByTestId("server-inspector").getByRole("listitem");
  await reached.nth(1).waitFor();
  await reached.filter({ hasText: "direct" }).hover();
  await until("the one link is shown", async () => (await shown(475)) && !(await shown(675)));
  await reached.filter({ hasText: "2 hops" }).hover();
  await until("both links are shown", async () => (await shown(475)) && (await shown(675)));
  await ui.screenshot("path-1280");
});

test("Delete removes a server, and Ctrl-Z brings the same one back", async () => {
  const [a] = await mesh.place([[500, 300]]);
  await running(1);
  await ui.click({ x: 500, y: 300 });
  await ui.page.keyboard.press("Delete");
  await until("it is gone", async () => (await server(a)).state === "gone");
  await ui.page.getByText(`hs${a} removed`).first().waitFor();
  await ui.page.keyboard.press("Control+z");
  await until("it is back", async () => (await server(a)).state === "running");
  await running(1);
});

test("settings take effect as they are typed, and what is wrong is said and changes nothing", async () => {
  const [a, b] = await mesh.place([
    [300, 300],
    [400, 300],
  ]);
  await running(2);
  await ui.page.getByRole("tab", { name: "Settings" }).click();
  const scale = ui.page.getByRole("textbox", { name: "Latency scale" });
  await scale.fill("plenty");
  await ui.page.getByText("Write a percentage such as 5 %.").waitFor();
  assert.equal((await mesh.get("/settings")).latency_scale_pct, 100);
  await scale.fill("250 %");
  await until("latencies grow", async () => (await mesh.get(`/links/${a}/${b}`)).ab.latency_ms === 250);
  await ui.screenshot("settings-1280");
  await scale.fill("100");
  await scale.press("Enter");
  await until("and shrink", async () => (await mesh.get(`/links/${a}/${b}`)).ab.latency_ms === 100);
});

test("what the mesh refuses is said where it was tried, in the mesh's words", async () => {
  await ui.page.route("**/api/v1/servers", (route) =>
    route.continue({ postData: JSON.stringify({ x: "left", y: 3 }), headers: { ...route.request().headers() } }),
  );
  await ui.click({ x: 500, y: 300 });
  const alert = ui.page.getByRole("alert");
  await alert.waitFor();
  assert.match(await alert.innerText(), /left/);
  const box = await alert.boundingBox();
  const p = await ui.at({ x: 500, y: 300 });
  assert.ok(Math.abs(box.x + box.width / 2 - p.x) < 200 && Math.abs(box.y + box.height - p.y) < 60, JSON.stringify(box));
  assert.equal((await present()).length, 0);
});

test("all of it works by keyboard", async () => {
  const { page } = ui;
  await ui.board.focus();
  await page.keyboard.press("Enter");
  await running(1);
  await page.keyboard.press("]");
  const inspector = page.getByTestId("server-inspector");
  await inspector.waitFor();
  const [before] = await present();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Shift+ArrowDown");
  await until("it moved", async () => {
    const [s] = await present();
    return Math.abs(s.x - before.x - 10) < 0.01 && Math.abs(s.y - before.y - 1) < 0.01;
  });
  await page.keyboard.press("Escape");
  await inspector.waitFor({ state: "detached" });
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys and gestures" }).waitFor();
});

test("fingers place with a tap, move with a drag, and zoom with a pinch", async () => {
  const hand = await open(browser, mesh.url, { touch: true });
  const { page } = hand;
  const spot = await hand.at({ x: 400, y: 260 });
  await page.touchscreen.tap(spot.x, spot.y);
  await until("it is placed", async () => (await present()).length === 1);
  const [placed] = await present();
  await until("it runs", async () => (await server(placed.id)).state === "running");
  await hand.page.getByTestId("figure-servers").getByText("1", { exact: true }).waitFor();

  const touch = await page.context().newCDPSession(page);
  const send = (type, ...points) =>
    touch.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
  await send("touchStart", [spot.x, spot.y]);
  for (let i = 1; i <= 10; i++) await send("touchMove", [spot.x + 8 * i, spot.y + 4 * i]);
  await send("touchEnd");
  await until("it is moved", async () => Math.abs((await server(placed.id)).x - 480) < 2);

  await send("touchStart", [spot.x - 40, spot.y + 150], [spot.x + 40, spot.y + 150]);
  for (let i = 1; i <= 10; i++) await send("touchMove", [spot.x - 40 - 6 * i, spot.y + 150], [spot.x + 40 + 6 * i, spot.y + 150]);
  await send("touchEnd");
  await until("it is larger", async () => (await hand.view()).k > 1.5);
  assert.equal((await present()).length, 1, "moving and pinching place nothing");
  await hand.close();
});
