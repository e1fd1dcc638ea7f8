// The page itself: sizes, colours, and a lost connection.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.mjs";
import { binary, freePort, Meshsim, until } from "./meshsim.mjs";

const mesh = new Meshsim(binary(), await freePort());
let browser;

const PLACES = [
  [120, 140],
  [300, 320],
  [420, 90],
  [560, 300],
  [700, 150],
  [240, 500],
  [520, 480],
];

before(async () => {
  await mesh.start();
  browser = await launch();
  await mesh.place(PLACES);
});

after(async () => {
  await browser.close();
  assert.equal(await mesh.stop(), 0, mesh.output);
});

/** Pairs of panels that cover each other, in words. */
function overlaps(page) {
  return page.evaluate(() => {
    const parts = ["header", "aside", ".inspector", ".ruler", ".coach", ".undo", ".timeline", ".legend", ".minimap", ".moment", ".following"].flatMap((s) => [...document.querySelectorAll(s)]);
    const found = [];
    for (const [i, a] of parts.entries()) {
      for (const b of parts.slice(i + 1)) {
        if (a.contains(b) || b.contains(a)) continue;
        const [p, q] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
        const across = Math.min(p.right, q.right) - Math.max(p.left, q.left);
        const down = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        if (across > 0.5 && down > 0.5) found.push(`${a.className || a.tagName} covers ${b.className || b.tagName}`);
      }
    }
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) found.push("the page is wider than the window");
    return found;
  });
}

for (const [width, height] of [
  [1280, 720],
  [1920, 1080],
  [2560, 1440],
]) {
  for (const scheme of ["light", "dark"]) {
    test(`nothing overlaps at ${width}x${height}, ${scheme}`, async () => {
      const ui = await open(browser, mesh.url, { width, height, scheme });
      const { page } = ui;
      await until("servers are drawn", async () => (await ui.pixels(0)) > 0);
      assert.deepEqual(await overlaps(page), []);
      await ui.screenshot(`mesh-${scheme}-${width}`);
      await page.getByRole("tab", { name: "Servers" }).click();
      await page.getByRole("list", { name: "Links" }).getByRole("button").first().click();
      await page.getByTestId("link-inspector").getByText("Advanced").click();
      await page.getByLabel("What the colours show").selectOption("latency");
      await page.getByRole("button", { name: "Pause the view" }).click();
      await page.getByTestId("moment").waitFor();
      for (const tab of ["Servers", "Settings", "Events", "Talk"]) {
        await page.getByRole("tab", { name: tab }).click();
        assert.deepEqual(await overlaps(page), [], tab);
      }
      await ui.screenshot(`link-${scheme}-${width}`);
      await ui.close();
    });
  }
}

for (const scheme of ["light", "dark"]) {
  test(`axe finds nothing, ${scheme}`, async () => {
    const ui = await open(browser, mesh.url, { scheme });
    const { page } = ui;
    const found = [];
    const clean = async (where) => found.push(...(await ui.barriers()).map((barrier) => `${where}: ${barrier}`));
    for (const tab of ["Talk", "Events", "Settings", "Servers"]) {
      await page.getByRole("tab", { name: tab }).click();
      await clean(tab);
    }
    await page.getByRole("list", { name: "Links" }).getByRole("button").first().click();
    await page.getByTestId("link-inspector").getByText("Advanced").click();
    await clean("the inspector of a link");
    await page.getByRole("list", { name: "Servers" }).getByRole("button").first().click();
    await page.getByTestId("server-inspector").waitFor();
    await clean("the inspector of a server");
    await page.keyboard.press("Control+a");
    await page.getByTestId("group-inspector").waitFor();
    await clean("the inspector of several");
    for (const [button, dialog] of [
      ["Find or do", "Find or do"],
      ["Place many servers", "Place many servers"],
      ["Keys and gestures", "Keys and gestures"],
    ]) {
      await page.getByRole("button", { name: button, exact: true }).click();
      await page.getByRole("dialog", { name: dialog }).waitFor();
      await clean(dialog);
      await page.keyboard.press("Escape");
    }
    assert.deepEqual(found, []);
    await ui.close();
  });
}

test("what is selected is not hidden by its inspector", async () => {
  const ui = await open(browser, mesh.url);
  await ui.page.getByRole("tab", { name: "Servers" }).click();
  for (const [id, [x, y]] of PLACES.entries()) {
    await ui.page.getByRole("list", { name: "Servers" }).getByRole("button", { name: `hs${id} ` }).click();
    const inspector = await ui.page.getByTestId("server-inspector").boundingBox();
    await until(`hs${id} is beside the inspector`, async () => (await ui.at({ x, y })).x > inspector.x + inspector.width);
  }
  await ui.close();
});

test("the theme follows the browser, can be chosen, and is remembered", async () => {
  const ui = await open(browser, mesh.url, { scheme: "dark" });
  const background = () => ui.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await background();
  await ui.page.getByRole("button", { name: "Use light colours" }).click();
  const light = await background();
  assert.notEqual(light, dark);
  await until("the canvas is light too", async () => (await ui.pixels(0, "#f6f7f9")) > 10_000);
  await ui.page.reload();
  await ui.page.getByRole("button", { name: "Use dark colours" }).waitFor();
  assert.equal(await background(), light);
  await ui.close();
});

test("a narrow window starts without the side panel, which can be opened", async () => {
  const ui = await open(browser, mesh.url, { width: 640, height: 560 });
  assert.equal(await ui.page.getByRole("complementary").count(), 0);
  assert.deepEqual(await overlaps(ui.page), []);
  await ui.page.getByRole("button", { name: "Show the side panel" }).click();
  await ui.page.getByRole("complementary").waitFor();
  await ui.screenshot("narrow-640");
  await ui.close();
});

test("a lost connection is said, tried again, and made good without a reload", async () => {
  const ui = await open(browser, mesh.url);
  await ui.page.evaluate(() => (window.untouched = true));
  await mesh.stop();
  await ui.page.getByTestId("lost").getByText("Connection to meshsim lost.").waitFor();
  await ui.screenshot("lost-1280");
  await ui.click({ x: 40, y: 400 });
  await ui.page.getByRole("alert").getByText("can not be reached").waitFor();
  await ui.page.getByRole("button", { name: "Try now" }).click();
  await mesh.start();
  await ui.page.getByTestId("lost").waitFor({ state: "detached" });
  await until("the page shows the new mesh, which is empty", async () => (await ui.page.getByTestId("figure-servers").innerText()) === "0");
  assert.equal(await ui.page.evaluate(() => window.untouched), true, "the page was not loaded again");
  await ui.close();
  await mesh.place(PLACES);
});
