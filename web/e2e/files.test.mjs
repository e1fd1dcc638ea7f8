// Meshes that come in and go out: examples, files of ours and of others, pictures.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, open } from "./browser.mjs";
import { binary, freePort, Meshsim, until } from "./meshsim.mjs";

const mesh = new Meshsim(binary(), await freePort());
let browser;
let ui;
let settings;

before(async () => {
  await mesh.start();
  settings = await mesh.get("/settings");
  browser = await launch();
});

after(async () => {
  await browser.close();
  assert.equal(await mesh.stop(), 0, mesh.output);
});

beforeEach(async () => {
  await mesh.clear();
  await mesh.ask("PUT", "/settings", settings);
});
afterEach(() => ui.close());

const present = async () => (await mesh.get("/servers")).filter((s) => s.state !== "gone");
const dialog = (name) => ui.page.getByRole("dialog", { name });

/** What a click on this choice of the dialog saves, by name and bytes. */
async function saved(choice) {
  const [download] = await Promise.all([ui.page.waitForEvent("download"), dialog("Save the mesh").getByRole("button", { name: choice }).click()]);
  return { name: download.suggestedFilename(), data: readFileSync(await download.path()) };
}

for (const [width, height, scheme] of [
  [1280, 720, "light"],
  [1920, 1080, "dark"],
  [480, 860, "dark"],
]) {
  test(`an example is looked at and added with two clicks, and undone with one key, ${width} ${scheme}`, async () => {
    ui = await open(browser, mesh.url, { width, height, scheme });
    const before = await mesh.get("/settings");
    await ui.page.getByRole("button", { name: "Open an example" }).click();
    const d = dialog("Open a mesh");
    await d.getByText("it is shown here before anything changes").waitFor();
    const examples = d.getByRole("list", { name: "Examples" }).getByRole("button");
    await examples.first().waitFor();
    const star = examples.filter({ hasText: "A hub with nine leaves" }).first();
    await star.click();
    await d.getByRole("img", { name: /Preview of \d+ servers/ }).waitFor();
    const counted = Number(/(\d+) servers/.exec(await d.getByTestId("preview").innerText())[1]);
    assert.equal((await present()).length, 0, "a preview adds nothing");
    await ui.screenshot(`open-${width}-${scheme}`);
    assert.deepEqual(await ui.barriers(), []);
    await d.getByRole("button", { name: /^Add / }).click();
    await d.waitFor({ state: "hidden" });
    await until("they are there", async () => (await present()).length === counted);
    await ui.board.focus();
    await ui.page.keyboard.press("Control+z");
    await until("they are gone", async () => (await present()).length === 0);
    await until("the settings are as they were", async () => JSON.stringify(await mesh.get("/settings")) === JSON.stringify(before));
  });
}

test("what is pasted is checked as it is pasted, with the line that is wrong", async () => {
  ui = await open(browser, mesh.url);
  await ui.page.keyboard.press("Control+o");
  const d = dialog("Open a mesh");
  await d.getByText("or paste its text").click();
  const text = d.getByRole("textbox", { name: "Text of a mesh" });
  await text.fill('{"links": [{"source": "a", "target": ]}');
  await d.getByRole("alert").waitFor();
  await ui.screenshot("open-refused-1280");
  assert.equal(await d.getByRole("button", { name: "Add" }).isDisabled(), true);
  await text.fill('{"links": [{"source": "a", "target": "b", "latency": 20}, {"source": "b", "target": "b"}]}');
  await d.getByText("2 servers, 1 link").waitFor();
  await d.getByText("meshnet-lab JSON").waitFor();
  await d.getByRole("list", { name: "What is not taken over" }).waitFor();
  await d.getByRole("button", { name: "Add 2 servers" }).click();
  await until("they are there, by their names", async () => (await present()).map((s) => s.name).join() === "a,b");
});

test("a file that is dropped on the canvas is shown before anything changes", async () => {
  ui = await open(browser, mesh.url);
  const transfer = await ui.page.evaluateHandle(() => {
    const data = new DataTransfer();
    const graph = '<graphml><graph edgedefault="undirected"><node id="x"/><node id="y"/><edge source="x" target="y"/></graph></graphml>';
    data.items.add(new File([graph], "two.graphml"));
    return data;
  });
  await ui.board.dispatchEvent("drop", { dataTransfer: transfer });
  const d = dialog("Open a mesh");
  await d.getByText("GraphML", { exact: true }).waitFor();
  await d.getByRole("button", { name: "Add 2 servers" }).waitFor();
  assert.equal((await present()).length, 0);
});

test("the mesh is saved as a file of ours and of others, and comes back from it", async () => {
  const [a, b] = await mesh.place([
    [300, 200],
    [420, 260],
  ]);
  await mesh.ask("PUT", `/links/${a}/${b}`, { pins_ab: { loss_pct: 3 } });
  ui = await open(browser, mesh.url);
  await ui.page.keyboard.press("Control+s");
  await dialog("Save the mesh").waitFor();
  await ui.screenshot("save-1280");
  assert.deepEqual(await ui.barriers(), []);
  for (const [choice, name, says] of [
    [/^Mesh file/, /^mesh\.ya?ml$/, /loss/],
    [/^meshnet-lab/, /\.json$/, /"links"/],
    [/^GraphML/, /\.graphml$/, /<graphml/],
    [/^containerlab/, /\.ya?ml$/, /topology:/],
  ]) {
    const file = await saved(choice);
    assert.match(file.name, name);
    assert.match(file.data.toString(), says);
    const preview = await mesh.ask("POST", "/import/preview", { text: file.data.toString() });
    assert.equal(preview.servers.length, 2, file.name);
  }
});

test("the picture is a real SVG with every server and link, and a real PNG of it", async () => {
  const ids = await mesh.place([
    [300, 200],
    [420, 260],
    [500, 120],
  ]);
  ui = await open(browser, mesh.url, { scheme: "dark" });
  await ui.page.getByTestId("figure-links").getByText("3", { exact: true }).waitFor();
  await ui.page.keyboard.press("Control+s");
  const svg = await saved(/^SVG/);
  assert.equal(svg.name, "mesh.svg");
  const found = await ui.page.evaluate((text) => {
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
    const texts = [...parsed.querySelectorAll("text")].map((t) => t.textContent);
    return {
      broken: parsed.querySelector("parsererror")?.textContent ?? "",
      circles: parsed.querySelectorAll("circle").length,
      lines: parsed.querySelectorAll("path").length,
      texts,
    };
  }, svg.data.toString());
  assert.deepEqual([found.broken, found.circles, found.lines], ["", 3, 3]);
  for (const id of ids) assert.ok(found.texts.includes(`hs${id}`), found.texts.join());
  assert.ok(found.texts.some((t) => / ms /.test(t)), found.texts.join());

  const png = await saved(/^PNG/);
  assert.equal(png.name, "mesh.png");
  assert.equal(png.data.subarray(1, 4).toString(), "PNG");
  assert.deepEqual([png.data.readUInt32BE(16), png.data.readUInt32BE(20)], [3200, 2000]);
  const colours = await ui.page.evaluate(async (base64) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${base64}`)).blob());
    const c = new OffscreenCanvas(image.width, image.height).getContext("2d");
    c.drawImage(image, 0, 0);
    const { data } = c.getImageData(0, 0, image.width, image.height);
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4 * 7) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    return seen.size;
  }, png.data.toString("base64"));
  assert.ok(colours > 20, `the picture has ${colours} colours`);
});
