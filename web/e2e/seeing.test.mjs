// Seeing: what travels, halos and failures, colours, the small map, following, the figures.
import assert from "node:assert/strict";
import { until } from "./meshsim.mjs";
import { everyLook, everywhere, inWindow, LAPTOP, SMALL } from "./stage.mjs";
import { PLACES, watched } from "./watched.mjs";

everywhere("crowded traffic is bundled under one mark", async (scene) => {
  const { ui, say, delivered } = await watched(scene);
  await delivered("The connection is there");
  await ui.page.getByLabel("Pace").selectOption({ label: "1/50 of it" });
  await Promise.all(Array.from({ length: 12 }, (_, i) => say(`one of many, ${i}`)));
  const bundle = await ui.colour("--canvas-bundle");
  await until("a mark that stands for several is seen", async () => (await ui.pixels(1, bundle)) > 60);
  await ui.screenshot("bundled");
});

everyLook(
  "links are coloured by latency, load and loss, servers by kind, with a legend",
  async (scene) => {
    const { ui, delivered } = await watched(scene);
    await ui.hidePanel();
    const { page } = ui;
    const choose = page.getByLabel("What the colours show");
    await choose.selectOption("latency");
    await page.getByRole("list", { name: "Links by latency" }).getByText("below 30 ms").waitFor();
    const long = await ui.colour("--scale-3");
    await until("long links are of another colour", async () => (await ui.pixels(0, long)) > 100);
    await ui.screenshot("by-latency");
    await scene.mesh.ask("PUT", "/links/0/1", { pins_ab: { loss_pct: 2 }, pins_ba: { loss_pct: 2 } });
    await choose.selectOption("loss");
    const without = await ui.colour("--scale-0");
    await until("links without loss have the first colour", async () => (await ui.pixels(0, without)) > 100);
    assert.deepEqual(await ui.barriers(), []);
    await ui.screenshot("by-loss");
    await choose.selectOption("load");
    await page.getByRole("list", { name: "Links by load" }).waitFor();
    await choose.selectOption("kind");
    await page.getByRole("list", { name: "Kinds of servers" }).getByText("embedded").waitFor();
    await ui.screenshot("by-kind");
    await choose.selectOption("events");
    await page.getByRole("list", { name: "Kinds of servers" }).waitFor({ state: "detached" });
    await ui.panel("Talk");
    await delivered("The colours are those of events again");
  },
  [SMALL, LAPTOP],
);

everywhere("names are left out where they would not be legible, and come back when one looks closer", async ({ mesh, visit }) => {
  await mesh.place(Array.from({ length: 48 }, (_, i) => [60 * (i % 8), 60 * Math.floor(i / 8)]));
  const ui = await visit();
  await ui.counts(48);
  const ink = await ui.colour("--ink");
  await ui.keys("0");
  for (let i = 0; i < 9; i++) await ui.keys("-");
  await ui.rests();
  await until("there are no names from afar", async () => (await ui.pixels(0, ink)) === 0);
  await ui.screenshot("from-afar");
  await ui.keys("f", "+", "+", "+");
  await ui.rests();
  await until("there are names", async () => (await ui.pixels(0, ink)) > 50);
  await ui.screenshot("near");
});

everywhere("a small map shows what is out of sight and takes the view there", async (scene) => {
  const { ui } = await watched(scene);
  await ui.hidePanel();
  await ui.keys("f");
  await ui.rests();
  const map = ui.page.getByTestId("minimap");
  assert.equal(await map.count(), 0, "everything is in sight");
  await ui.keys("+", "+", "+", "+");
  await map.waitFor();
  await ui.rests();
  await ui.screenshot("minimap");
  const before = await ui.view();
  const box = await map.boundingBox();
  await ui.page.mouse.click(box.x + box.width - 12, box.y + 20);
  await until("the view moved", async () => (await ui.view()).x < before.x - 100);
  await ui.keys("f");
  await map.waitFor({ state: "detached" });
});

everywhere("a server and a message are followed", async (scene) => {
  const { ui, delivered } = await watched(scene);
  const { mesh } = scene;
  const { page } = ui;
  await ui.panel("Servers");
  await page.getByRole("list", { name: "Servers" }).getByRole("button", { name: "hs3 " }).click();
  await page.getByRole("button", { name: "Follow hs3" }).click();
  await page.getByTestId("following").getByText("hs3").waitFor();
  const place = async () => ui.at(await mesh.server(3));
  await ui.rests();
  const middle = await place();
  const held = await ui.board.boundingBox();
  await mesh.ask("PATCH", "/servers/3", { x: 380, y: 400 });
  await until("the view went along", async () => {
    const p = await place();
    return p.y > held.y && p.y < held.y + held.height && Math.hypot(p.x - middle.x, p.y - middle.y) < 30;
  });
  await page.keyboard.press("Escape");
  await page.getByTestId("following").waitFor({ state: "detached" });
  await mesh.ask("PATCH", "/servers/3", { x: 320, y: 330 });

  await ui.find("newest message");
  await page.getByTestId("following").getByText("the newest message").waitFor();
  const before = await ui.view();
  await page.keyboard.press("+");
  await page.keyboard.press("+");
  await until("it is zoomed in", async () => (await ui.view()).k > 1.3 * before.k);
  await ui.panel("Talk");
  await delivered("Follow me");
  await until("the view shows all that it went through", async () => {
    const places = await Promise.all(PLACES.map(([x, y]) => ui.at({ x, y })));
    return places.every((p) => p.x > held.x && p.x < held.x + held.width && p.y > held.y && p.y < held.y + held.height);
  });
  await ui.screenshot("following");
  await page.getByTestId("following").getByRole("button", { name: "Stop" }).click();
});

everywhere("the figures say whether the mesh is connected and what is not yet everywhere; failures are seen", async (scene) => {
  const { ui, say, card } = await watched(scene);
  const figure = (name) => ui.page.getByTestId(`figure-${name}`).textContent();
  await until("it is connected", async () => (await figure("parts")) === "connected");
  await scene.mesh.setCut(3, true);
  await until("two parts are counted", async () => (await figure("parts")) === "2");
  await say("Not for everybody");
  await card("Not for everybody").getByText("2 of 3 have it").waitFor();
  await until("an event is not everywhere", async () => Number(await figure("incomplete")) >= 1);
  await ui.screenshot("apart");
  await scene.mesh.setCut(3, false);
  await until("it is connected again", async () => (await figure("parts")) === "connected");
  await card("Not for everybody").getByText("all have it").waitFor();
  await until("everything is everywhere", async () => (await figure("incomplete")) === "0");
});

everywhere("a transaction that fails is seen where it fails, and delivered by a retry", async (scene) => {
  const { ui, ids, say, card, delivered, acknowledged } = await watched(scene);
  await delivered("The connection is there");
  await acknowledged();
  const failed = await ui.colour("--danger");
  await ui.page.getByLabel("Pace").selectOption({ label: "1/5 of it" }); // so that what flashes can be looked at
  await scene.mesh.ask("POST", `/servers/${ids[3]}/stop`);
  await say("Not to the one that is stopped");
  await until("a halo of failure is seen", async () => (await ui.pixels(1, failed)) > 20);
  await ui.screenshot("failed-halo");
  await scene.mesh.ask("POST", `/servers/${ids[3]}/start`);
  await card("Not to the one that is stopped").getByText("all have it").waitFor();
  await card("Not to the one that is stopped").getByText(/after a retry/).waitFor();
});

inWindow("what is sent again travels as a diamond", { ...LAPTOP, scheme: "light" }, async (scene) => {
  const { ui, ids, say, card, delivered, acknowledged, still } = await watched(scene);
  const { page } = ui;
  await delivered("The connection is there");
  await acknowledged();
  await scene.mesh.slower(10);
  await scene.mesh.ask("POST", `/servers/${ids[3]}/stop`);
  await say("Once more to the one that is stopped");
  await card("Once more to the one that is stopped").getByText("2 of 3 have it").waitFor();
  await card("Once more to the one that is stopped").getByText("stopped", { exact: true }).waitFor();
  await until("it is counted", async () => Number(await page.getByTestId("figure-incomplete").textContent()) === 1);
  await still();
  await scene.mesh.ask("POST", `/servers/${ids[3]}/start`);
  await card("Once more to the one that is stopped").getByText("all have it").waitFor();
  await card("Once more to the one that is stopped").getByText(/after a retry/).waitFor();

  // Back from now, step by step: first the retry is met half way, then the first sending.
  await page.getByRole("slider", { name: "Moment shown" }).focus();
  const seen = async (shape) => {
    await page.keyboard.press("ArrowLeft");
    await ui.settled(1);
    return (await ui.shapes(1, PLACES)).includes(shape);
  };
  await until("a diamond is met", () => seen("diamond"));
  await ui.screenshot("diamond");
  await until("before it, a circle is met", () => seen("circle"));
});

everywhere("the feed is narrowed to a type, a room and a server; pointing at an event shows its reach", async (scene) => {
  const { ui, ids, delivered } = await watched(scene);
  const { page } = ui;
  const other = await scene.mesh.room("aside", ids.slice(0, 2));
  await delivered("To everybody");
  await scene.mesh.say(other, ids[0], "Between us");
  await ui.panel("Events");
  const feed = page.getByTestId("events");
  const rows = feed.getByRole("list", { name: "Events, the newest first" }).locator("> li");
  await feed.getByText("m.room.member").first().waitFor();
  await page.getByLabel("Type").selectOption("m.room.message");
  await until("the messages are left", async () => (await rows.count()) === 2 && !(await feed.innerText()).includes("m.room.member"));
  await page.getByLabel("Room", { exact: true }).selectOption({ label: "aside" });
  await until("one is left", async () => (await rows.count()) === 1);
  await page.getByLabel("Server", { exact: true }).selectOption({ label: `hs${ids[3]}` });
  await feed.getByText("No event fits what is chosen above.").waitFor();
  await page.getByLabel("Room", { exact: true }).selectOption("");
  await until("the one that went there is left", async () => (await rows.count()) === 1);
  assert.deepEqual(await ui.barriers(), []);
  const accent = await ui.colour("--accent");
  await feed.getByRole("button", { name: "m.room.message" }).hover();
  await until("its reach is shown on the canvas", async () => (await ui.pixels(0, accent)) > 10);
  await ui.screenshot("events");
});

everywhere("an event is opened: a waterfall by server, bytes and transport, and its path on the canvas", async (scene) => {
  const { ui, delivered } = await watched(scene);
  await delivered("By which way?");
  await ui.panel("Events");
  const feed = ui.page.getByTestId("events");
  await feed.getByRole("button", { name: "m.room.message" }).first().click();
  const waterfall = feed.getByTestId("waterfall");
  await waterfall.getByText(/to each of 3 by https/).waitFor();
  const bars = waterfall.getByRole("listitem");
  await bars.filter({ hasText: / ms| s$/ }).nth(2).waitFor();
  assert.equal(await bars.count(), 3, "a bar for each of the others");
  assert.match(await bars.first().getAttribute("title"), /path .*, transmission .*, rest /);
  const accent = await ui.colour("--accent");
  await bars.last().hover(); // over two links
  await until("its path is shown on the canvas", async () => (await ui.pixels(0, accent)) > 10);
  await ui.screenshot("waterfall");
  assert.deepEqual(await ui.barriers(), []);
  // What it took on the wire: more than its own bytes, there and back, to each and altogether.
  const said = await feed.getByTestId("wire").getByText(/On the wire: .* there and .* back to 3 servers/).innerText();
  assert.ok(!said.includes("without headers"), said);
  await feed.getByRole("button", { name: /m\.room\.message.*https [\d.]+ kB/s }).first().waitFor();
  const bytes = await waterfall.locator(".bytes").allInnerTexts();
  assert.equal(bytes.filter((text) => /^[\d.]+ kB$/.test(text)).length, 3, bytes.join());
  await feed.getByRole("button", { name: "Follow on the canvas" }).click();
  await ui.page.getByTestId("following").waitFor();
});

everywhere("an event that takes the low-bandwidth transport is marked, with its fewer bytes", async (scene) => {
  const { ui, delivered } = await watched(scene);
  await scene.mesh.ask("PUT", "/transport", { transport: "lowband" });
  await ui.page.getByTestId("lowband").waitFor(); // another's change is on the stream
  for (const text of ["Once with handshakes", "And once without"]) await delivered(text);
  await ui.panel("Events");
  const feed = ui.page.getByTestId("events");
  await feed.getByRole("button", { name: /m\.room\.message.*lowband \d+ B/s }).first().waitFor();
  await feed.getByRole("button", { name: /lowband/ }).first().click();
  await feed.getByTestId("wire").waitFor();
  await ui.screenshot("lowband");
  await scene.mesh.ask("PUT", "/transport", { transport: "https" });
  await ui.page.getByTestId("lowband").waitFor({ state: "detached" });
});

everywhere("a page that stands still does not hold up the mesh, and catches up at once", async (scene) => {
  const { ui, room, say, card, still } = await watched(scene);
  const devtools = await ui.page.context().newCDPSession(ui.page);
  await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
  for (let i = 0; i < 20; i++) await say(`While away ${i}`);
  await until("the mesh delivered them", async () => {
    const at = await scene.mesh.get(`${room.path}/messages?server=2`).catch(() => undefined);
    return JSON.stringify(at ?? "").includes("While away 19");
  });
  await devtools.send("Page.setWebLifecycleState", { state: "active" });
  await card("While away 19").getByText("all have it").waitFor();
  await still();
});
