// Seeing: what travels and at which pace, halos and failures, the time line, colours, the small map, following, the figures.
import assert from "node:assert/strict";
import { until } from "./meshsim.mjs";
import { everyLook, everywhere, inWindow, LAPTOP, PHONE, SMALL } from "./stage.mjs";

const PLACES = [
  [100, 120],
  [320, 120],
  [540, 120],
  [320, 330],
];

/** The page with four servers in a room, of which the first speaks, Talk beside the canvas, all of the mesh in sight. */
async function watched({ mesh, visit }, options) {
  const ids = await mesh.place(PLACES);
  const room = await mesh.room("watched", ids);
  const ui = await visit(options);
  await ui.counts(ids.length);
  await ui.panel("Talk");
  await ui.keys("f");
  await ui.rests();
  const say = (body) => mesh.say(room, ids[0], body);
  const card = (text) => ui.page.getByRole("log", { name: "Messages" }).locator("article", { hasText: text });
  return {
    ui,
    ids,
    room,
    say,
    card,
    still: () => until("nothing moves", async () => (await ui.pixels(1)) === 0),
    /** A message, waited for until every server has it. */
    async delivered(body) {
      await say(body);
      await card(body).getByText("all have it").waitFor();
    },
  };
}

// The pace is measured in windows that a busy machine without a graphics card paints several times a second.
everywhere("a circle travels at the pace of its link", async ({ mesh, visit }) => {
  const [left, right] = await mesh.place([
    [300, 200],
    [560, 200],
  ]);
  const room = await mesh.room("pace", [left, right]);
  const ui = await visit();
  await ui.counts(2);
  await mesh.say(room, left, "The connection is there");
  await until("it is there", async () => Number(await ui.page.getByTestId("figure-received").innerText()) > 0);
  const latency_ms = 8000;
  await mesh.ask("PUT", "/settings", { ...(await mesh.get("/settings")), max_latency_ms: 9000 });
  await mesh.ask("PUT", `/links/${left}/${right}`, { pins_ab: { latency_ms }, pins_ba: { latency_ms } });
  await until("nothing moves", async () => (await ui.pixels(1)) === 0);

  await mesh.say(room, left, "Slowly");
  await until("it is on its way", async () => (await ui.pixels(1)) > 0);
  const inTime = ((await ui.pace(latency_ms, { x: 330, y: 200 }, { x: 530, y: 200 })) * latency_ms) / 1000;
  assert.ok(Math.abs(inTime / 260 - 1) < 0.2, `in ${latency_ms} ms it would go ${inTime} of 260 pixels`);
}, [PHONE, SMALL, LAPTOP]);

everywhere("in slow motion circles go at the chosen part of the real pace, which is said", async (scene) => {
  const { ui, say, delivered, still } = await watched(scene);
  const { page } = ui;
  await delivered("The connection is there");
  await still();
  await page.getByLabel("Pace").selectOption({ label: "1/50 of it" });
  await page.getByTestId("moment").getByText("Slow motion, 1/50 of the real pace").waitFor();
  await say("Slowly");
  await until("it is on its way", async () => (await ui.pixels(1)) > 0);
  const path = (await scene.mesh.link(0, 1)).ab.latency_ms * 50;
  const inTime = ((await ui.pace(6000, { x: 130, y: 120 }, { x: 290, y: 120 })) * path) / 1000;
  assert.ok(inTime > 60 && inTime < 330, `in ${path} ms it would go ${inTime} of 220 pixels`);
  await ui.screenshot("slow");
  await page.getByLabel("Pace").selectOption({ label: "real pace" });
  await page.getByRole("button", { name: "Back to now" }).click();
  await page.getByTestId("moment").waitFor({ state: "detached" });
}, [SMALL, LAPTOP, { width: 1600, height: 900 }]);

everywhere("the view is paused while the mesh goes on, and comes back to now", async (scene) => {
  const { ui, say, card, still } = await watched(scene);
  const { page } = ui;
  await scene.mesh.slower(10);
  await say("Before the pause");
  await until("it is under way", async () => (await ui.pixels(1)) > 20);
  await page.getByRole("button", { name: "Pause the view" }).click();
  await page.getByTestId("moment").getByText("The view is paused").waitFor();
  const held = await ui.settled(1);
  assert.ok(held > 0, "what moved stands still, and is there");
  await card("Before the pause").getByText("all have it").waitFor();
  assert.equal(await ui.pixels(1), held, "the mesh went on, the view did not");
  await ui.screenshot("paused");
  await page.getByRole("button", { name: "Back to now" }).click();
  await page.getByTestId("moment").waitFor({ state: "detached" });
  await still();
});

everywhere("scrubbing back shows the traffic of then, by pointer and by keys", async (scene) => {
  const { ui, delivered, still } = await watched(scene);
  const { page } = ui;
  await scene.mesh.slower(10);
  await delivered("To be looked at again");
  await scene.mesh.slower(1);
  await still();
  const slider = page.getByRole("slider", { name: "Moment shown" });
  assert.equal(await slider.getAttribute("aria-valuetext"), "now");
  await slider.focus();
  await page.keyboard.press("ArrowLeft");
  await page.getByTestId("moment").waitFor();
  await until("a circle of then is seen", async () => {
    await page.keyboard.press("ArrowLeft");
    return (await ui.settled(1)) > 20;
  });
  assert.match(await slider.getAttribute("aria-valuetext"), /ago/);
  await ui.screenshot("scrubbed");

  const box = await slider.boundingBox();
  await page.mouse.click(box.x + 4, box.y + box.height / 2);
  await page.getByTestId("moment").getByText(/2 min|1 min/).waitFor();
  assert.deepEqual(await ui.barriers(), []);
  await page.getByRole("button", { name: "Back to now" }).click();
  assert.equal(await slider.getAttribute("aria-valuetext"), "now");
});

everywhere("scrubbing back further than anything is kept says so; no label lies on the bars", async (scene) => {
  const { ui, delivered } = await watched(scene);
  const { page } = ui;
  await delivered("Kept");
  const line = page.getByRole("region", { name: "Time line" });
  const [bars, unkept, slider] = [line.locator("svg").last(), line.getByTestId("unkept"), page.getByRole("slider", { name: "Moment shown" })];
  const [chart, without, all] = await Promise.all([bars.boundingBox(), unkept.boundingBox(), slider.boundingBox()]);
  assert.ok(without.width > 0 && without.width < all.width, `of ${all.width} pixels ${without.width} are from before the page`);
  for (const name of ["now", "3 min ago"]) {
    const label = await line.getByText(name, { exact: true }).boundingBox();
    assert.ok(label.y >= chart.y + chart.height - 1, `${name} is at ${label.y}, the bars end at ${chart.y + chart.height}`);
  }
  await ui.screenshot("time-line");

  await page.mouse.click(all.x + without.width / 2, all.y + all.height / 2);
  await page.getByTestId("moment").getByText("nothing that old is kept").waitFor();
  assert.match(await slider.getAttribute("aria-valuetext"), /ago, nothing that old is kept$/);
  assert.match(await slider.getAttribute("title"), /not kept: the page was not there yet/);
  await ui.screenshot("not-kept");
  await slider.focus();
  await until("it is said no more where something is kept", async () => {
    await page.keyboard.press("PageUp");
    return !/kept/.test(await slider.getAttribute("aria-valuetext"));
  });
  assert.ok(!(await page.getByTestId("moment").innerText()).includes("kept"));
  assert.deepEqual(await ui.barriers(), []);
});

everywhere("the time line counts what is delivered", async (scene) => {
  const { ui, delivered } = await watched(scene);
  await delivered("Counted");
  const figures = ui.page.getByRole("region", { name: "Time line" });
  await ui.keys("p");
  await ui.page.getByRole("slider", { name: "Moment shown" }).focus();
  await until("a second with deliveries is read out", async () => {
    await ui.page.keyboard.press("ArrowLeft");
    return (await figures.getByTestId("read-received").textContent()) !== "0/s";
  });
});

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
  const { ui, ids, say, card, delivered } = await watched(scene);
  await delivered("The connection is there");
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
  const { ui, ids, say, card, delivered, still } = await watched(scene);
  const { page } = ui;
  await delivered("The connection is there");
  await scene.mesh.slower(10);
  await scene.mesh.ask("POST", `/servers/${ids[3]}/stop`);
  await say("Once more to the one that is stopped");
  await card("Once more to the one that is stopped").getByText("2 of 3 have it").waitFor();
  await until("it has failed", async () => Number(await page.getByTestId("figure-incomplete").textContent()) === 1);
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
