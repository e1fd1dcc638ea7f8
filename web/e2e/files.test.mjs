// Meshes that come in and go out: examples, files of ours and of others, pictures.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { until } from "./meshsim.mjs";
import { everywhere, LAPTOP, LARGE, PHONE } from "./stage.mjs";

const dialog = (ui, name) => ui.page.getByRole("dialog", { name });

/** What a click on this choice of the dialog saves, by name and bytes. */
async function saved(ui, choice) {
  const [download] = await Promise.all([ui.page.waitForEvent("download"), dialog(ui, "Save the mesh").getByRole("button", { name: choice }).click()]);
  return { name: download.suggestedFilename(), data: readFileSync(await download.path()) };
}

everywhere(
  "an example is looked at and added with two clicks, and undone with one key",
  async ({ mesh, visit }) => {
    const before = await mesh.get("/settings");
    const ui = await visit();
    await ui.page.getByRole("button", { name: "Open an example" }).click();
    const d = dialog(ui, "Open a mesh");
    await d.getByText("it is shown here before anything changes").waitFor();
    const examples = d.getByRole("list", { name: "Examples" }).getByRole("button");
    await examples.first().waitFor();
    await examples.filter({ hasText: "A hub with nine leaves" }).first().click();
    await d.getByRole("img", { name: /Preview of \d+ servers/ }).waitFor();
    const counted = Number(/(\d+) servers/.exec(await d.getByTestId("preview").innerText())[1]);
    assert.equal((await mesh.present()).length, 0, "a preview adds nothing");
    await ui.screenshot("open");
    assert.deepEqual(await ui.barriers(), []);
    await d.getByRole("button", { name: /^Add / }).click();
    await d.waitFor({ state: "hidden" });
    await ui.counts(counted);
    await ui.keys("Control+z");
    await until("they are gone", async () => (await mesh.present()).length === 0);
    await until("the settings are as they were", async () => JSON.stringify(await mesh.get("/settings")) === JSON.stringify(before));
  },
  [PHONE, LAPTOP, LARGE],
);

everywhere("what is pasted is checked as it is pasted, with the line that is wrong", async ({ mesh, visit }) => {
  const ui = await visit();
  await ui.page.keyboard.press("Control+o");
  const d = dialog(ui, "Open a mesh");
  await d.getByText("or paste its text").click();
  const text = d.getByRole("textbox", { name: "Text of a mesh" });
  await text.fill('{"links": [{"source": "a", "target": ]}');
  await d.getByRole("alert").waitFor();
  await ui.screenshot("open-refused");
  assert.equal(await d.getByRole("button", { name: "Add" }).isDisabled(), true);
  await text.fill('{"links": [{"source": "a", "target": "b", "latency": 20}, {"source": "b", "target": "b"}]}');
  await d.getByText("2 servers, 1 link").waitFor();
  await d.getByText("meshnet-lab JSON").waitFor();
  await d.getByRole("list", { name: "What is not taken over" }).waitFor();
  await d.getByRole("button", { name: "Add 2 servers" }).click();
  await until("they are there, by their names", async () => (await mesh.present()).map((s) => s.name).join() === "a,b");
});

const FORMATS = {
  "meshsim mesh file": "servers:\n  - {at: [0, 0]}\n  - {at: [80, 0]}\n",
  "meshnet-lab JSON": '{"links": [{"source": "x", "target": "y"}]}',
  GraphML: '<graphml><graph edgedefault="undirected"><node id="x"/><node id="y"/><edge source="x" target="y"/></graph></graphml>',
  "containerlab YAML": "name: two\ntopology:\n  nodes:\n    x:\n      kind: linux\n    y:\n      kind: linux\n  links:\n    - endpoints: [\"x:eth1\", \"y:eth1\"]\n",
};

everywhere("a file of any of the four formats that is dropped on the canvas is shown before anything changes", async ({ mesh, visit }) => {
  const ui = await visit();
  const d = dialog(ui, "Open a mesh");
  for (const [format, text] of Object.entries(FORMATS)) {
    const transfer = await ui.page.evaluateHandle((content) => {
      const data = new DataTransfer();
      data.items.add(new File([content], "two"));
      return data;
    }, text);
    await ui.board.dispatchEvent("drop", { dataTransfer: transfer });
    await d.getByText(format, { exact: true }).first().waitFor();
    await d.getByRole("button", { name: "Add 2 servers" }).waitFor();
    assert.equal((await mesh.present()).length, 0);
    await ui.page.keyboard.press("Escape");
    await d.waitFor({ state: "hidden" });
  }
});

everywhere("the mesh is saved as a file of ours and of others, and comes back from it", async ({ mesh, visit }) => {
  const [a, b] = await mesh.place([
    [300, 200],
    [420, 260],
  ]);
  await mesh.ask("PUT", `/links/${a}/${b}`, { pins_ab: { loss_pct: 3 } });
  const ui = await visit();
  await ui.page.keyboard.press("Control+s");
  await dialog(ui, "Save the mesh").waitFor();
  await ui.screenshot("save");
  assert.deepEqual(await ui.barriers(), []);
  for (const [choice, name, says] of [
    [/^Mesh file/, /^mesh\.ya?ml$/, /loss/],
    [/^meshnet-lab/, /\.json$/, /"links"/],
    [/^GraphML/, /\.graphml$/, /<graphml/],
    [/^containerlab/, /\.ya?ml$/, /topology:/],
  ]) {
    const file = await saved(ui, choice);
    assert.match(file.name, name);
    assert.match(file.data.toString(), says);
    const preview = await mesh.ask("POST", "/import/preview", { text: file.data.toString() });
    assert.equal(preview.servers.length, 2, file.name);
  }
});

/** How many colours a PNG has, read in the page. */
function coloursOf(ui, png) {
  return ui.page.evaluate(async (base64) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${base64}`)).blob());
    const c = new OffscreenCanvas(image.width, image.height).getContext("2d");
    c.drawImage(image, 0, 0);
    const { data } = c.getImageData(0, 0, image.width, image.height);
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4 * 7) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    return seen.size;
  }, png.toString("base64"));
}

/** What an SVG draws, read in the page. */
function drawn(ui, svg) {
  return ui.page.evaluate((text) => {
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
    return {
      broken: parsed.querySelector("parsererror")?.textContent ?? "",
      circles: parsed.querySelectorAll("circle").length,
      lines: parsed.querySelectorAll("path").length,
      texts: [...parsed.querySelectorAll("text")].map((t) => t.textContent),
    };
  }, svg.toString());
}

everywhere("the picture is a real SVG with every server and link, and a real PNG of it", async ({ mesh, visit }) => {
  const ids = await mesh.place([
    [300, 200],
    [420, 260],
    [500, 120],
  ]);
  const ui = await visit();
  await ui.page.getByTestId("figure-links").getByText("3", { exact: true }).waitFor();
  await ui.page.keyboard.press("Control+s");
  const svg = await saved(ui, /^SVG/);
  assert.equal(svg.name, "mesh.svg");
  const found = await drawn(ui, svg.data);
  assert.deepEqual([found.broken, found.circles, found.lines], ["", 3, 3]);
  for (const id of ids) assert.ok(found.texts.includes(`hs${id}`), found.texts.join());
  assert.ok(found.texts.some((t) => / ms /.test(t)), found.texts.join());

  const png = await saved(ui, /^PNG/);
  assert.equal(png.name, "mesh.png");
  assert.equal(png.data.subarray(1, 4).toString(), "PNG");
  assert.deepEqual([png.data.readUInt32BE(16), png.data.readUInt32BE(20)], [3200, 2000]);
  const colours = await coloursOf(ui, png.data);
  assert.ok(colours > 20, `the picture has ${colours} colours`);
});
