// Many servers at once: selecting, moving, lining up, duplicating, placing, and taking it all back.
import assert from "node:assert/strict";
import { until } from "./meshsim.mjs";
import { everywhere } from "./stage.mjs";

/** The page with servers at these places, seen at 100 %, and what a test says of them. */
async function arranged({ mesh, visit }, at) {
  const ids = await mesh.place(at);
  const ui = await visit();
  await ui.counts(at.length);
  await ui.fullSize();
  const placesOf = async (wanted) => (await mesh.present()).filter((s) => wanted.includes(s.id)).map(({ x, y }) => [Math.round(x), Math.round(y)]);
  return {
    ui,
    ids,
    placesOf,
    group: ui.page.getByTestId("group-inspector"),
    become: (what, places) => until(what, async () => JSON.stringify(await placesOf(ids)) === JSON.stringify(places)),
    async shiftClick(world) {
      await ui.page.keyboard.down("Shift");
      await ui.click(world);
      await ui.page.keyboard.up("Shift");
    },
  };
}

everywhere("servers are selected one by one or in a box, and move together; undo and redo take it back and do it again", async (scene) => {
  const at = [
    [440, 160],
    [560, 220],
    [680, 180],
  ];
  const { ui, become, group, shiftClick } = await arranged(scene, at);
  await ui.click({ x: 440, y: 160 });
  await ui.rests();
  await shiftClick({ x: 560, y: 220 });
  await group.getByText("2 servers").waitFor();
  await ui.rests();
  await shiftClick({ x: 560, y: 220 });
  await ui.page.getByTestId("server-inspector").waitFor();

  await ui.page.keyboard.press("Escape");
  await ui.rests();
  await ui.page.keyboard.down("Shift");
  await ui.drag({ x: 400, y: 120 }, { x: 620, y: 280 }, { hold: () => ui.screenshot("box") });
  await ui.page.keyboard.up("Shift");
  await group.getByText("2 servers").waitFor();
  await ui.rests();

  await ui.drag({ x: 560, y: 220 }, { x: 560, y: 320 });
  const moved = [
    [440, 260],
    [560, 320],
    [680, 180],
  ];
  await become("both moved, the third did not", moved);
  await ui.page.keyboard.press("Control+z");
  await become("both are back", at);
  await ui.page.keyboard.press("Control+Shift+z");
  await become("both moved again", moved);
  await ui.screenshot("group");
});

everywhere("all are selected, aligned, spaced out and nudged; each is one step back", async (scene) => {
  const at = [
    [440, 160],
    [500, 220],
    [680, 190],
  ];
  const { ui, become, group } = await arranged(scene, at);
  await ui.keys("Control+a");
  await group.getByText("3 servers").waitFor();
  await group.getByRole("button", { name: "Align top" }).click();
  await become("they are in line", at.map(([x]) => [x, 160]));
  await group.getByRole("button", { name: "Space out evenly, across" }).click();
  const spaced = [
    [440, 160],
    [560, 160],
    [680, 160],
  ];
  await become("they are evenly apart", spaced);
  await ui.keys("ArrowDown", "Shift+ArrowDown");
  await become("they are nudged", spaced.map(([x, y]) => [x, y + 11]));
  await ui.keys("Control+z", "Control+z", "Control+z", "Control+z");
  await become("all of it is undone", at);
});

everywhere("servers are duplicated, removed, paused together, and brought back", async (scene) => {
  const { ui, ids, placesOf, group } = await arranged(scene, [
    [500, 160],
    [600, 220],
  ]);
  const { mesh } = scene;
  await ui.keys("Control+a", "Control+d");
  await ui.counts(4);
  const copies = (await mesh.present()).map((s) => s.id).filter((id) => !ids.includes(id));
  assert.deepEqual(await placesOf(copies), [
    [540, 200],
    [640, 260],
  ]);
  await group.getByRole("button", { name: "Pause" }).click();
  await until("the copies are paused", async () => (await mesh.present()).filter((s) => s.state === "paused").length === 2);
  await group.getByRole("button", { name: "Resume" }).click();
  await ui.counts(4);
  await group.getByRole("button", { name: "Remove" }).click();
  await ui.counts(2);
  await ui.page.getByRole("status").getByRole("button", { name: "Undo" }).click();
  await ui.counts(4);
  await ui.page.getByRole("button", { name: "Redo" }).click();
  await ui.counts(2);
});

everywhere("copies are pinned among each other as the originals are, each way", async (scene) => {
  const { mesh } = scene;
  const [a, b] = await mesh.place([
    [420, 200],
    [560, 200],
  ]);
  await mesh.ask("PUT", `/links/${a}/${b}`, { pins_ab: { loss_pct: 3 }, pins_ba: { latency_ms: 44 }, linked: true });
  const ui = await scene.visit();
  await ui.counts(2);
  await ui.keys("Control+a", "Control+d");
  await ui.counts(4);
  const copy = await until("the copies are pinned", async () =>
    (await mesh.get("/pins")).find((p) => p.a > b && p.pins_ab.loss_pct === 3 && p.pins_ba.latency_ms === 44),
  );
  assert.equal(copy.linked, true);
  await until("what was done is over", async () => (await ui.page.getByRole("progressbar").count()) === 0);
  await ui.keys("Control+z");
  await ui.counts(2);
});

everywhere("a placed server and a changed setting are undone too", async ({ mesh, visit }) => {
  const ui = await visit();
  await ui.click({ x: 100, y: 300 });
  await ui.counts(1);
  await ui.panel("Settings");
  const scale = ui.page.getByRole("textbox", { name: "Latency scale" });
  await scale.fill("250");
  await scale.press("Enter");
  await until("the scale is set", async () => (await mesh.get("/settings")).latency_scale_pct === 250);
  await ui.page.getByRole("button", { name: "Undo" }).first().click();
  await until("the scale is back", async () => (await mesh.get("/settings")).latency_scale_pct === 100);
  await ui.page.getByRole("button", { name: "Undo" }).first().click();
  await ui.counts(0);
});

everywhere("a dragged server is drawn to round latencies, unless Alt is held or that is switched off", async (scene) => {
  const { ui, ids } = await arranged(scene, [
    [420, 200],
    [640, 200],
  ]);
  const { mesh } = scene;
  const [a, b] = ids;
  const latency = async () => (await mesh.link(a, b)).ab.latency_ms;
  const standsAt = async (x) => Math.abs((await mesh.server(b)).x - x) < 0.6;
  await ui.drag({ x: 640, y: 200 }, { x: 557, y: 200 });
  await until("it is 140 ms away", async () => (await mesh.server(b)).x === 560 && (await latency()) === 140);
  await ui.page.keyboard.down("Alt");
  await ui.drag({ x: 560, y: 200 }, { x: 578, y: 200 });
  await ui.page.keyboard.up("Alt");
  await until("it is where it was dragged", () => standsAt(578));
  await ui.keys("s");
  assert.equal(await ui.page.getByRole("button", { name: "Round latencies" }).getAttribute("aria-pressed"), "false");
  await ui.drag({ x: 578, y: 200 }, { x: 557, y: 200 });
  await until("it is where it was dragged", () => standsAt(557));
  await ui.page.reload();
  assert.equal(await ui.page.getByRole("button", { name: "Round latencies" }).getAttribute("aria-pressed"), "false", "it is remembered");
});

/** What the places of each shape have in common, as a figure that is small where they have it. */
const mid = (all, key) => (Math.min(...all.map((s) => s[key])) + Math.max(...all.map((s) => s[key]))) / 2;
const spread = (values) => Math.max(...values) - Math.min(...values);
const SHAPES = {
  Grid: (all) => Math.abs(new Set(all.map((s) => s.x)).size * new Set(all.map((s) => s.y)).size - all.length),
  Ring: (all) => spread(all.map((s) => Math.hypot(s.x - mid(all, "x"), s.y - mid(all, "y")))),
  Line: (all) => spread(all.map((s) => s.y)),
  Star: ([hub, ...all]) => Math.max(...all.map((s) => Math.abs(((Math.hypot(s.x - hub.x, s.y - hub.y) + 60) % 120) - 60))), // rings of 120
  Cloud: (all) => all.length - new Set(all.map((s) => `${s.x} ${s.y}`)).size,
  Clusters: (all) => all.length - new Set(all.map((s) => `${s.x} ${s.y}`)).size,
};

everywhere("servers are placed in six shapes, each taken back with one key", async ({ mesh, visit }) => {
  const ui = await visit();
  const { page } = ui;
  const dialog = page.getByRole("dialog", { name: "Place many servers" });
  for (const [shape, error] of Object.entries(SHAPES)) {
    await page.getByRole("button", { name: "Place many servers" }).click();
    await dialog.getByText(shape, { exact: true }).click();
    const servers = dialog.getByLabel("Servers", { exact: true });
    await servers.fill("many");
    await dialog.getByRole("alert").waitFor();
    await servers.fill("12");
    await dialog.getByRole("img", { name: `Preview of 12 servers as a ${shape.toLowerCase()}` }).waitFor();
    if (shape === "Clusters") {
      await ui.screenshot("place-many");
      assert.deepEqual(await ui.barriers(), []);
    }
    await dialog.getByRole("button", { name: "Place 12" }).click();
    await ui.counts(12);
    const placed = await mesh.present();
    assert.ok(error(placed) < 4, `${shape}: ${JSON.stringify(placed.map(({ x, y }) => [x, y]))}`);
    if (shape === "Ring") await ui.screenshot("ring");
    await ui.keys("Control+z");
    await ui.counts(0);
  }
});

everywhere("placing many shows how far it is, is cancelled, and keeps what it placed", async ({ mesh, visit }) => {
  const ui = await visit();
  const { page } = ui;
  // The thirteenth waits until Cancel was pressed, so that it is in time on every machine.
  let asked = 0;
  let proceed;
  const cancelled = new Promise((resolve) => (proceed = resolve));
  await page.route("**/api/v1/servers", async (route) => {
    if (++asked > 12) await cancelled;
    await route.continue();
  });
  await page.getByRole("button", { name: "Place many servers" }).click();
  const dialog = page.getByRole("dialog", { name: "Place many servers" });
  await dialog.getByLabel("Servers", { exact: true }).fill("300");
  await dialog.getByRole("button", { name: "Place 300" }).click();
  await until("some are placed", async () => (await mesh.present()).length >= 12);
  await page.getByRole("progressbar").waitFor();
  await ui.screenshot("progress");
  await page.getByRole("button", { name: "Cancel" }).click();
  proceed();
  await page.getByRole("progressbar").waitFor({ state: "detached" });
  const kept = (await mesh.present()).length;
  assert.ok(kept >= 12 && kept < 300, `${kept} placed`);
});

everywhere("the palette finds servers, links, rooms and actions by what is typed", async ({ mesh, visit }) => {
  const [a, b] = await mesh.place([
    [460, 200],
    [640, 200],
  ]);
  await mesh.room("lounge", [a, b]);
  const ui = await visit();
  const { page } = ui;
  await ui.counts(2);
  await ui.keys("Control+k");
  const palette = page.getByRole("dialog", { name: "Find or do" });
  const wanted = page.getByRole("combobox", { name: "Find or do" });
  await palette.getByRole("option", { name: "Settings of the mesh" }).waitFor();
  await ui.screenshot("palette");
  assert.deepEqual(await ui.barriers(), []);
  for (const [text, found] of [
    ["svg", "Save the mesh"],
    ["example", "Open a mesh"],
    ["low band", "Transport: low bandwidth"],
    ["round", "not at round latencies"],
    ["no such thing", undefined],
  ]) {
    await wanted.fill(text);
    if (found) await palette.getByRole("option").first().filter({ hasText: found }).waitFor();
    else await palette.getByText("Nothing is called that.").waitFor();
  }
  await page.keyboard.press("Escape");
  await palette.waitFor({ state: "hidden" });
  await page.keyboard.press("Control+k");
  await page.keyboard.press("Escape");
  await ui.find(`hs${b} hs${a}`); // at once: what was closed does not close it again
  await page.getByTestId("link-inspector").waitFor();
  await ui.find(`hs${b}`);
  await page.getByTestId("server-inspector").waitFor();
  await ui.find("all servers");
  await page.getByTestId("group-inspector").getByText("2 servers").waitFor();
  await ui.find("lounge");
  await page.getByRole("tab", { name: "Talk", selected: true }).waitFor();
  await until("the room is shown", async () => (await page.getByLabel("Room", { exact: true }).locator("option:checked").innerText()).includes("lounge"));
  await page.keyboard.press("Control+k");
  await wanted.fill("place many");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Place many servers" }).waitFor();
});

/** Makes the page take all servers for containers, of which some are still starting; runs in the page before it loads. */
function containers({ starting }) {
  window.Worker = class extends Worker {
    set onmessage(hear) {
      super.onmessage = (message) => {
        for (const report of Array.isArray(message.data) ? message.data : []) {
          const told = report.snapshot ?? report.diff;
          if (report.snapshot) told.kinds = ["synapse", "embedded"];
          for (const server of told?.servers ?? []) {
            if (starting.includes(server.id) && server.state === "running") server.state = "starting";
          }
        }
        hear(message);
      };
    }
  };
}

/** Makes a page take all servers for containers, of which the last two of five do not run yet. */
const CONTAINERS = {
  async before(page) {
    await page.addInitScript(containers, { starting: [3, 4] });
    await page.route("**/api/v1/servers", async (route) => {
      const answer = await route.fetch({ postData: { ...route.request().postDataJSON(), kind: "embedded" } });
      await route.fulfill({ response: answer, json: { ...(await answer.json()), kind: "synapse" } });
    });
  },
};

everywhere("five containers that one click places are counted together, and taken back with one key", async ({ mesh, visit }) => {
  const ui = await visit(CONTAINERS);
  await ui.page.getByRole("button", { name: "Place five servers for me" }).click();
  await ui.page.getByText("3 of 5 run").waitFor();
  assert.equal(await ui.page.getByRole("note", { name: "Next step" }).isVisible(), false, "the next step waits for all of them");
  await ui.panel("Talk");
  await ui.page.getByText("2 more are still starting, and can join later.").waitFor();
  await ui.screenshot("five-containers-start");
  await ui.keys("Control+z");
  await until("all are taken back", async () => (await mesh.present()).length === 0);
});

everywhere("the kind that a click places is shown; of containers it is shown how many run, and the rest are removed", async ({ mesh, visit }) => {
  const ui = await visit(CONTAINERS);
  const { page } = ui;
  const placing = page.getByLabel("A click places").first();
  await placing.waitFor();
  assert.equal(await placing.inputValue(), "synapse", "the default");
  await page.getByRole("button", { name: "Place many servers" }).click();
  const dialog = page.getByRole("dialog", { name: "Place many servers" });
  await dialog.getByLabel("Servers", { exact: true }).fill("50");
  await dialog.getByText("50 containers take about 6 GB of memory").waitFor();
  await ui.screenshot("many-containers");
  assert.deepEqual(await ui.barriers(), []);
  await dialog.getByLabel("Kind").selectOption("embedded");
  await dialog.getByText("containers take").waitFor({ state: "detached" });
  assert.equal(await placing.inputValue(), "embedded", "one choice, wherever it is made");
  await dialog.getByLabel("Kind").selectOption("synapse");
  await dialog.getByLabel("Servers", { exact: true }).fill("5");
  await dialog.getByRole("button", { name: "Place 5" }).click();
  await page.getByText("3 of 5 run").waitFor();
  await ui.screenshot("containers-start");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("2 servers removed; Ctrl Z brings them back").waitFor();
  await until("those that run are left", async () => (await mesh.present()).length === 3);
});

everywhere("nothing opens or moves under the pointer while one selects with Shift", async (scene) => {
  const { ui, group } = await arranged(scene, [
    [120, 160],
    [220, 240],
    [320, 180],
  ]);
  const view = () => ui.board.getAttribute("data-view");
  const before = await view();
  await ui.page.keyboard.down("Shift");
  for (const at of [{ x: 120, y: 160 }, { x: 220, y: 240 }, { x: 320, y: 180 }]) await ui.click(at);
  assert.equal(await ui.page.locator(".inspector").count(), 0, "no panel is open");
  assert.equal(await view(), before, "the view stands still");
  await ui.page.keyboard.up("Shift");
  await group.getByText("3 servers").waitFor();
  await ui.screenshot("gathered");
  await ui.keys("Delete");
  await ui.page.getByText("3 servers removed; Ctrl Z brings them back").waitFor();
  await ui.keys("Control+z");
  await ui.counts(3);
});
