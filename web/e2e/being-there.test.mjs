// The page itself: sizes, colours, settings, who reads with a screen reader, and a lost connection.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { until } from "./meshsim.mjs";
import { everyLook, everywhere, inWindow, LAPTOP, LARGE, PHONE, SMALL } from "./stage.mjs";

const PLACES = [
  [120, 140],
  [300, 320],
  [420, 90],
  [560, 300],
  [700, 150],
  [240, 500],
  [520, 480],
];

const PARTS = ["header", "aside", ".inspector", ".ruler", ".coach", ".undo", ".timeline", ".legend", ".placing", ".minimap", ".moment", ".following"];

/** Pairs of panels that cover each other, and what leaves the window, in words. What is not seen covers nothing. */
function overlaps(page) {
  return page.evaluate((selectors) => {
    const parts = selectors.flatMap((s) => [...document.querySelectorAll(s)]).filter((p) => p.checkVisibility());
    const found = [];
    for (const [i, a] of parts.entries()) {
      const p = a.getBoundingClientRect();
      if (p.left < -0.5 || p.right > innerWidth + 0.5 || p.bottom > innerHeight + 0.5) found.push(`${a.className || a.tagName} leaves the window`);
      for (const b of parts.slice(i + 1)) {
        if (a.contains(b) || b.contains(a)) continue;
        const q = b.getBoundingClientRect();
        const across = Math.min(p.right, q.right) - Math.max(p.left, q.left);
        const down = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        if (across > 0.5 && down > 0.5) found.push(`${a.className || a.tagName} covers ${b.className || b.tagName}`);
      }
    }
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) found.push("the page is wider than the window");
    return found;
  }, PARTS);
}

everyLook(
  "nothing overlaps, whatever is open",
  async ({ mesh, visit }) => {
    await mesh.place(PLACES);
    const ui = await visit();
    const { page } = ui;
    await ui.counts(PLACES.length);
    await until("servers are drawn", async () => (await ui.pixels(0)) > 0);
    assert.deepEqual(await overlaps(page), []);
    await ui.screenshot("mesh");
    await ui.panel("Servers");
    await page.getByRole("list", { name: "Links" }).getByRole("button").first().click();
    await page.getByTestId("link-inspector").getByText("Advanced").click();
    await page.getByLabel("What the colours show").selectOption("latency");
    await page.getByRole("button", { name: "Pause the view" }).click();
    await page.getByTestId("moment").waitFor();
    for (const tab of ["Servers", "Settings", "Events", "Talk"]) {
      await ui.panel(tab);
      assert.deepEqual(await overlaps(page), [], tab);
    }
    await ui.screenshot("link");
    await ui.hidePanel();
    assert.deepEqual(await overlaps(page), [], "no panel");
    await ui.screenshot("link-alone");
  },
  [SMALL, LAPTOP, { width: 1920, height: 1080 }, LARGE],
);

everyLook("axe finds nothing", async ({ mesh, visit }) => {
  await mesh.place(PLACES);
  const ui = await visit();
  const { page } = ui;
  await ui.counts(PLACES.length);
  const found = [];
  const clean = async (where) => found.push(...(await ui.barriers()).map((barrier) => `${where}: ${barrier}`));
  for (const tab of ["Talk", "Events", "Settings", "Servers"]) {
    await ui.panel(tab);
    await clean(tab);
  }
  await page.getByRole("list", { name: "Links" }).getByRole("button").first().click();
  await page.getByTestId("link-inspector").getByText("Advanced").click();
  await clean("the inspector of a link");
  await ui.panel("Servers"); // which a phone hid when the link was chosen
  await page.getByRole("list", { name: "Servers" }).getByRole("button").first().click();
  await page.getByTestId("server-inspector").waitFor();
  await clean("the inspector of a server");
  await ui.keys("Control+a");
  await page.getByTestId("group-inspector").waitFor();
  await clean("the inspector of several");
  for (const name of ["Find or do", "Place many servers", "Open a mesh", "Save the mesh", "Keys and gestures"]) {
    await page.getByRole("button", { name, exact: true }).click();
    await page.getByRole("dialog", { name }).waitFor();
    await clean(name);
    await page.keyboard.press("Escape");
  }
  assert.deepEqual(found, []);
}, [PHONE, LAPTOP, LARGE]);

everywhere("the focus goes where the eye goes: the header, the canvas, what is selected, the time line, the panel", async ({ mesh, visit }) => {
  await mesh.place(PLACES);
  const ui = await visit();
  const { page } = ui;
  await ui.counts(PLACES.length);
  await ui.panel("Servers");
  await ui.find("hs3");
  await page.getByTestId("server-inspector").waitFor();
  const order = await page.evaluate(() => {
    const regions = { header: "header", board: ".board", inspector: ".inspector", ruler: ".ruler", timeline: ".timeline", panel: "aside" };
    const focusable = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")];
    const inTurn = focusable.filter((f) => f.tabIndex >= 0 && !f.disabled && f.checkVisibility());
    const regionOf = (f) => Object.keys(regions).find((r) => f.closest(regions[r]));
    const forward = inTurn.filter((f) => f.tabIndex > 0).map((f) => f.outerHTML);
    return { forward, seen: [...new Set(inTurn.map(regionOf).filter(Boolean))] };
  });
  assert.deepEqual(order, { forward: [], seen: ["header", "board", "inspector", "ruler", "timeline", "panel"] });

  await ui.board.focus();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.closest(".inspector") !== null), true, "from the canvas to what is selected");
  await page.keyboard.press("Control+k");
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.closest(".inspector") !== null), true, "a dialog gives the focus back");
});

everywhere("what is selected is not hidden by its inspector", async ({ mesh, visit }) => {
  await mesh.place(PLACES);
  const ui = await visit();
  await ui.panel("Servers");
  for (const [id, [x, y]] of PLACES.entries()) {
    await ui.page.getByRole("list", { name: "Servers" }).getByRole("button", { name: `hs${id} ` }).click();
    const [inspector, board] = await Promise.all([ui.page.getByTestId("server-inspector").boundingBox(), ui.board.boundingBox()]);
    await until(`hs${id} is beside the inspector, or above it`, async () => {
      const p = await ui.at({ x, y });
      return (p.x > inspector.x + inspector.width || p.y < inspector.y) && p.x < board.x + board.width && p.y > board.y;
    });
  }
});

everywhere("settings take effect as they are typed, and what is wrong is said and changes nothing", async ({ mesh, visit }) => {
  const [a, b] = await mesh.place([
    [300, 300],
    [400, 300],
  ]);
  const ui = await visit();
  await ui.counts(2);
  await ui.panel("Settings");
  const scale = ui.page.getByRole("textbox", { name: "Latency scale" });
  await scale.fill("plenty");
  await ui.page.getByText("Write a percentage such as 5 %.").waitFor();
  assert.equal((await mesh.get("/settings")).latency_scale_pct, 100);
  await scale.fill("250 %");
  await until("latencies grow", async () => (await mesh.link(a, b)).ab.latency_ms === 250);
  await ui.screenshot("settings");
  await scale.fill("100");
  await scale.press("Enter");
  await until("and shrink", async () => (await mesh.link(a, b)).ab.latency_ms === 100);
});

everywhere("the transport is shown, chosen and taken back", async ({ mesh, visit }) => {
  const ui = await visit();
  await ui.panel("Settings");
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
  await ui.screenshot("transport");
  assert.deepEqual(await ui.barriers(), []);
  await ui.keys("Control+z", "Control+z");
  await until("it is HTTPS again", async () => (await mesh.get("/transport")).transport === "https");
  await ui.page.getByTestId("lowband").waitFor({ state: "detached" });
});

everywhere("what another page changes of the transport is learned without a reload", async ({ mesh, visit }) => {
  await mesh.place(PLACES);
  const [here, there] = [await visit(), await visit()];
  for (const ui of [here, there]) await ui.page.evaluate(() => (window.untouched = true));
  const transport = async (ui) => {
    await ui.panel("Settings");
    return ui.page.getByTestId("transport").getByLabel("Transport");
  };
  const [chosen, learned] = [await transport(here), await transport(there)];
  await chosen.selectOption("lowband");
  await there.page.getByTestId("lowband").waitFor();
  await until("its settings show it", async () => (await learned.inputValue()) === "lowband");
  await learned.selectOption("https");
  await here.page.getByTestId("lowband").waitFor({ state: "detached" });
  await until("and back", async () => (await chosen.inputValue()) === "https");
  for (const ui of [here, there]) assert.equal(await ui.page.evaluate(() => window.untouched), true, "no page was loaded again");
}, [SMALL, LAPTOP]);

everywhere("where workers have no canvases the page paints, picks, shows what travels and saves pictures all the same", async ({ mesh, visit }) => {
  const ids = await mesh.place(PLACES);
  const room = await mesh.room("square", ids);
  const ui = await visit({
    before: (page) =>
      page.addInitScript(() => {
        delete window.OffscreenCanvas;
        delete HTMLCanvasElement.prototype.transferControlToOffscreen;
      }),
  });
  await ui.counts(ids.length);
  assert.equal(await ui.page.evaluate(() => typeof OffscreenCanvas), "undefined");
  await ui.hidePanel();
  await ui.keys("f");
  await ui.rests();
  const ink = await ui.colour("--ink");
  await until("names are painted", async () => (await ui.pixels(0, ink)) > 50);
  await mesh.slower(10);
  await until("nothing moves", async () => (await ui.pixels(1)) === 0);
  await mesh.say(room, ids[0], "Beside the worker");
  await until("it travels", async () => (await ui.pixels(1)) > 20);
  await ui.screenshot("beside");
  await until("it has arrived", async () => (await ui.pixels(1)) === 0);
  const server = await mesh.server(ids[1]);
  await ui.click(server);
  await ui.page.getByTestId("server-inspector").getByRole("heading", { name: server.name }).waitFor();

  await ui.page.keyboard.press("Control+s");
  const download = ui.page.waitForEvent("download");
  await ui.page.getByRole("dialog", { name: "Save the mesh" }).getByRole("button", { name: /^PNG/ }).click();
  const png = readFileSync(await (await download).path());
  assert.equal(png.subarray(1, 4).toString(), "PNG");
});

everywhere("the theme follows the browser, can be chosen, and is remembered", async ({ mesh, visit }) => {
  await mesh.place(PLACES);
  const ui = await visit({ scheme: "dark" });
  const background = () => ui.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await background();
  await ui.page.getByRole("button", { name: "Use light colours" }).click();
  const light = await background();
  assert.notEqual(light, dark);
  const canvas = await ui.colour("--canvas");
  await until("the canvas is light too", async () => (await ui.pixels(0, canvas)) > 10_000);
  await ui.page.reload();
  await ui.page.getByRole("button", { name: "Use dark colours" }).waitFor();
  assert.equal(await background(), light);
});

inWindow("a narrow window starts without the side panel, which can be opened", { width: 640, height: 560, scheme: "light" }, async ({ mesh, visit }) => {
  await mesh.place(PLACES);
  const ui = await visit();
  assert.equal(await ui.page.getByRole("complementary").count(), 0);
  assert.deepEqual(await overlaps(ui.page), []);
  await ui.page.getByRole("button", { name: "Show the side panel" }).click();
  await ui.page.getByRole("complementary").waitFor();
  await ui.screenshot("narrow");
});

everywhere("what is there already is shown whole when the page opens", async ({ mesh, visit }) => {
  await mesh.place(Array.from({ length: 40 }, (_, i) => [150 * (i % 10), 150 * Math.floor(i / 10)]));
  for (let time = 0; time < 4; time++) {
    const ui = await visit();
    const shown = await ui.view();
    await ui.keys("f");
    await ui.rests();
    assert.deepEqual(await ui.view(), shown);
  }
});

everywhere("a lost connection is said, tried again, and made good without a reload", async ({ mesh, visit }) => {
  const ids = await mesh.place(PLACES);
  const ui = await visit();
  await ui.counts(PLACES.length);
  await ui.page.evaluate(() => (window.untouched = true));
  const room = await mesh.room("before", ids);
  await mesh.say(room, ids[0], "Remember me");
  await ui.keys("Control+a", "ArrowRight", "Escape"); // something that could be undone
  const undo = ui.page.getByRole("banner").getByRole("button", { name: "Undo", exact: true });
  await until("it can be undone", () => undo.isEnabled());
  await until("deliveries are counted", async () => (await ui.page.getByTestId("figure-received").textContent()) !== "0");
  await mesh.stop();
  await ui.page.getByTestId("lost").getByText("Connection to meshsim lost.").waitFor();
  await ui.page.getByLabel("Time line").getByRole("button", { name: "lost" }).waitFor();
  await ui.screenshot("lost");
  const board = await ui.board.boundingBox();
  await ui.page.mouse.click(board.x + 20, board.y + board.height / 2);
  await ui.page.getByRole("alert").getByText("can not be reached").waitFor();
  await ui.page.getByRole("button", { name: "Try now" }).click();
  await mesh.start();
  await ui.page.getByTestId("lost").waitFor({ state: "detached" });
  await until("the page shows the new mesh, which is empty", async () => (await ui.page.getByTestId("figure-servers").innerText()) === "0");
  await ui.page.getByText("meshsim was restarted: its mesh is a new one.").waitFor();
  await until("the old totals are gone", async () => (await ui.page.getByTestId("figure-received").textContent()) === "0");
  assert.equal(await undo.isEnabled(), false, "nothing that could be undone");
  await ui.screenshot("restarted");
  await ui.page.getByRole("button", { name: "Understood" }).click();
  assert.equal(await ui.page.evaluate(() => window.untouched), true, "the page was not loaded again");
});
