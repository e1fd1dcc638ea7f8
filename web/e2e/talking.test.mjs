// Talk: a room with one click, a message seen travelling to where it arrives, who has it and who has not, members that speak by themselves.
import assert from "node:assert/strict";
import { until } from "./meshsim.mjs";
import { everywhere, inWindow, LAPTOP, LARGE, PHONE, SMALL } from "./stage.mjs";

const THREE = [
  [420, 200],
  [560, 320],
  [700, 200],
];

const MARK = /--event:\s*(#\w+)/;
const colourOf = async (card) => MARK.exec(await card.getAttribute("style"))[1];

/** The page with these servers in a room, which is shown. */
async function forum({ mesh, visit }, options) {
  const ids = await mesh.place(THREE);
  const room = await mesh.room("forum", ids);
  const ui = await visit(options);
  await ui.counts(ids.length);
  await ui.panel("Talk");
  const card = (text) => ui.page.getByRole("log", { name: "Messages" }).locator("article", { hasText: text });
  return { ui, ids, room, card };
}

everywhere("five servers are put in a room, one says something, and it is watched to arrive at all", async ({ mesh, visit }) => {
  const ui = await visit();
  const { page } = ui;
  await page.getByRole("button", { name: "Place five servers for me" }).click();
  await ui.counts(5);
  await ui.panel("Talk");
  await page.getByRole("tabpanel").getByRole("button", { name: "Put all 5 servers in a room" }).click();
  await page.getByText("5 of 5 joined").waitFor();
  await ui.keys("f");
  await until("the joins have come to rest", async () => (await ui.pixels(1)) === 0);

  await mesh.slower(10);
  await page.getByLabel("Write as").selectOption({ label: "hs2" });
  await page.getByLabel("Message", { exact: true }).fill("Good morning, mesh");
  await page.keyboard.press("Enter");
  const card = page.getByRole("log").locator("article", { hasText: "Good morning, mesh" });
  await card.waitFor();
  const colour = await colourOf(card);
  await until("a circle of its colour is under way", async () => (await ui.pixels(1, colour)) > 20);
  await ui.screenshot("travelling");
  await card.getByText("all have it").waitFor();
  await until("the servers took its colour", async () => (await ui.pixels(0, colour)) > 4 * 300);
  await until("the halos are gone", async () => (await ui.pixels(1, colour)) === 0);
  assert.equal(await card.getByRole("listitem").filter({ hasText: / ms| s$/ }).count(), 4, "a delay for each of the others");
  await page.getByLabel("As seen by").selectOption({ label: "hs4" });
  await card.waitFor();
  await ui.screenshot("talked");

  // A second reader that comes later finds the same.
  const later = await visit();
  await later.panel("Talk");
  await later.page.getByRole("log").locator("article", { hasText: "Good morning, mesh" }).getByText("all have it").waitFor();
});

everywhere("a room is made of chosen members", async ({ mesh, visit }) => {
  const [, , left] = await mesh.place(THREE);
  const ui = await visit();
  const { page } = ui;
  await ui.counts(3);
  await ui.panel("Talk");
  const maker = page.getByRole("tabpanel");
  await maker.getByText("Choose servers, name and room version").click();
  await maker.getByLabel("Name").fill("two of us");
  await maker.getByRole("checkbox", { name: `hs${left}` }).uncheck();
  await ui.screenshot("room-maker");
  assert.deepEqual(await ui.barriers(), []);
  await maker.getByRole("button", { name: "Put 2 servers in a room" }).click();
  await page.getByText("2 of 2 joined").waitFor();
  const [room] = await mesh.get("/rooms");
  assert.equal(room.name, "two of us");
});

everywhere(
  "of a server that is still joining it is not said that it has a message",
  async ({ mesh, visit }) => {
    const ids = await mesh.place(THREE);
    await mesh.ask("POST", `/servers/${ids[2]}/pause`);
    await mesh.ask("POST", "/rooms", { name: "forum", creator: ids[0], members: ids.slice(1) });
    const ui = await visit();
    const { page } = ui;
    await ui.panel("Talk");
    await page.getByTestId("members").getByText("2 of 3 joined").waitFor();
    await page.getByLabel("Message", { exact: true }).fill("Who is there?");
    await page.keyboard.press("Enter");
    const card = page.getByRole("log", { name: "Messages" }).locator("article", { hasText: "Who is there?" });
    await card.getByText("1 of 2 have it, 1 is joining").waitFor();
    await card.getByRole("listitem").filter({ hasText: `hs${ids[2]}` }).getByText("joining", { exact: true }).waitFor();
    await ui.screenshot("joining");
    await page.getByRole("button", { name: "Side by side" }).click();
    await page.getByTestId("differences").getByText("All 2 have the same. 1 is joining").waitFor();
    await page.keyboard.press("Escape");
    assert.deepEqual(await ui.barriers(), []);
    await mesh.ask("POST", `/servers/${ids[2]}/resume`);
    await page.getByTestId("members").getByText("3 of 3 joined").waitFor();
    await card.getByText("all have it").waitFor();
  },
  [PHONE, LAPTOP],
);

everywhere("a server behind a cut link is shown to lack the message, and gets it when the link is back", async (scene) => {
  const { ui, ids, card } = await forum(scene);
  const { page } = ui;
  await scene.mesh.setCut(ids[2], true);
  await page.getByLabel("Write as").selectOption({ label: `hs${ids[0]}` });
  await page.getByLabel("Message", { exact: true }).fill("Can you hear me?");
  await page.keyboard.press("Enter");
  await card("Can you hear me?").getByText("1 of 2 have it").waitFor();
  await ui.screenshot("cut");
  await scene.mesh.setCut(ids[2], false);
  await card("Can you hear me?").getByText("all have it").waitFor();
});

everywhere(
  "servers' views stand side by side, and what differs is marked",
  async (scene) => {
    const { mesh } = scene;
    const { ui, ids, room, card } = await forum(scene);
    await mesh.say(room, ids[0], "Everybody hears this");
    await card("Everybody hears this").getByText("all have it").waitFor();
    await mesh.setCut(ids[2], true);
    await mesh.say(room, ids[0], "The third does not hear this");
    await mesh.say(room, ids[2], "And I speak alone");
    await ui.page.getByRole("button", { name: "Side by side" }).click();
    const d = ui.page.getByRole("dialog", { name: "forum, side by side" });
    await d.getByText("They differ in 2 of 3.").waitFor();
    const row = d.getByRole("row").filter({ hasText: "The third does not hear this" });
    await row.getByRole("cell").nth(2).getByText("has not").waitFor();
    const alone = d.getByRole("row").filter({ hasText: "And I speak alone" });
    assert.deepEqual(await alone.getByRole("cell").allInnerTexts(), ["has not", "has not", "And I speak alone"]);
    await ui.screenshot("side-by-side");
    assert.deepEqual(await ui.barriers(), []);
    await d.getByLabel("only what differs").check();
    assert.equal(await d.getByRole("row").count(), 3, "the head and two that differ");
    await d.getByLabel("only what differs").uncheck();
    await mesh.setCut(ids[2], false);
    await d.getByText(/All 3 have the same|in another order here/).first().waitFor();
    await until("nothing is missing", async () => (await d.getByText("has not").count()) === 0);
  },
  [PHONE, LAPTOP, LARGE],
);

everywhere("members chatter at a chosen rate, faster while they do, and fall silent", async (scene) => {
  const { ui, room } = await forum(scene);
  const rate = ui.page.getByRole("textbox", { name: "Chatter" });
  await rate.fill("often");
  await ui.page.getByText("Write a rate such as 2 a second or 30 a minute.").waitFor();
  await rate.fill("5");
  await rate.press("Enter");
  await ui.page.getByRole("button", { name: "Start" }).click();
  const chatter = () => scene.mesh.get(`${room.path}/chatter`);
  await until("they speak", async () => (await chatter()).sent > 5);
  await ui.page.getByRole("log", { name: "Messages" }).locator("article").nth(3).waitFor();
  await ui.page.getByTestId("chatter").filter({ hasText: /\d said/ }).waitFor();
  await ui.screenshot("chatter");
  await rate.fill("20");
  await rate.press("Enter");
  await until("they speak faster", async () => (await chatter()).per_second === 20);
  await ui.page.getByRole("button", { name: "Stop", exact: true }).click();
  await until("they are silent", async () => (await chatter()).per_second === 0);
  await ui.page.getByRole("button", { name: "Start" }).waitFor();
});

everywhere("the newest message is in sight, unless one has scrolled back to read", async (scene) => {
  const { ui, ids, room, card } = await forum(scene);
  const log = ui.page.getByRole("log", { name: "Messages" });
  const fromEnd = () => log.evaluate((list) => list.scrollHeight - list.scrollTop - list.clientHeight);
  for (let i = 1; i <= 20; i++) await scene.mesh.say(room, ids[i % ids.length], `line ${i}.`);
  await card("line 20.").waitFor();
  await until("its end is in sight", async () => (await fromEnd()) < 2);
  await log.hover();
  await ui.page.mouse.wheel(0, -600);
  await until("it was scrolled back", async () => (await fromEnd()) > 300);
  const read = await log.evaluate((list) => list.scrollTop);
  await scene.mesh.say(room, ids[0], "one more");
  await card("one more").getByText("all have it").waitFor();
  assert.ok(Math.abs((await log.evaluate((list) => list.scrollTop)) - read) < 100, "what is read stays in sight");
  await ui.page.mouse.wheel(0, 20_000);
  await until("the end is in sight again", async () => (await fromEnd()) < 2);
  await scene.mesh.say(room, ids[0], "the last");
  await card("the last").waitFor();
  await until("the end is followed", async () => (await fromEnd()) < 2);
  await ui.page.mouse.wheel(0, -600);
  await until("it was scrolled back again", async () => (await fromEnd()) > 300);
  await ui.page.getByLabel("Message", { exact: true }).fill("mine");
  await ui.page.keyboard.press("Enter");
  await card("mine").waitFor();
  await until("one's own message is in sight", async () => (await fromEnd()) < 2);
});

everywhere("with reduced motion links light up and nothing flies or grows", async (scene) => {
  const { ui, ids, room, card } = await forum(scene, { motion: "reduce" });
  await ui.keys("f");
  await scene.mesh.slower(10);
  await scene.mesh.say(room, ids[0], "Calmly");
  await card("Calmly").waitFor();
  const colour = await colourOf(card("Calmly"));
  const [[ax, ay], [bx, by]] = THREE;
  const along = (t) => ({ x: ax + (bx - ax) * t, y: ay + (by - ay) * t });
  await until("the link is lit from end to end", () => ui.painted(1, colour, [along(0.3), along(0.7)]));
  await ui.screenshot("calm");
  await card("Calmly").getByText("all have it").waitFor();
});

inWindow("servers that were removed are counted apart, and why a message did not arrive is said", { ...SMALL, scheme: "light" }, async (scene) => {
  const { mesh } = scene;
  const { ui, ids, room, card } = await forum(scene);
  const members = ui.page.getByTestId("members");
  await members.getByText("3 of 3 joined").waitFor();
  await mesh.setCut(ids[2], true);
  await mesh.say(room, ids[0], "Who is there?");
  await card("Who is there?").getByText("no path").waitFor();
  await mesh.ask("POST", `/servers/${ids[1]}/pause`);
  await mesh.say(room, ids[0], "And now?");
  await card("And now?").getByText("paused", { exact: true }).waitFor();
  await ui.page.getByLabel("Write as").selectOption({ label: `hs${ids[1]}` });
  await ui.page.getByText(`hs${ids[1]} is paused: it sends this when it goes on.`).waitFor();
  await ui.screenshot("barred");
  assert.deepEqual(await ui.barriers(), []);
  await mesh.ask("POST", `/servers/${ids[1]}/resume`);
  await card("And now?").getByText("1 of 2 have it").waitFor();
  await mesh.ask("DELETE", `/servers/${ids[2]}`);
  await members.getByText("2 joined, 1 removed").waitFor();
  await card("And now?").getByText("all have it").waitFor();
  await mesh.ask("DELETE", `/servers/${ids[1]}`);
  await card("And now?").getByText("nobody else is here yet").waitFor();
});

/** Hides from the page what travels, as where no gateway sees it; runs in the page before it loads. */
function unseen() {
  window.Worker = class extends Worker {
    set onmessage(hear) {
      super.onmessage = (message) => {
        if (!Array.isArray(message.data)) return hear(message);
        const reports = message.data.filter((report) => report.tell !== "events");
        for (const report of reports) {
          for (const server of report.snapshot?.servers ?? report.diff?.servers ?? []) server.unseen = "What it sends is not seen.";
        }
        hear(new MessageEvent("message", { data: reports }));
      };
    }
  };
}

inWindow("where nothing is seen of a message's way, servers are asked again until they have it", { ...LAPTOP, scheme: "dark" }, async (scene) => {
  const { ui, ids, card } = await forum(scene, { before: (page) => page.addInitScript(unseen) });
  await scene.mesh.setCut(ids[2], true);
  await ui.page.getByLabel("Message", { exact: true }).fill("Unseen");
  await ui.page.keyboard.press("Enter");
  await card("Unseen").getByText("1 of 2 have it").waitFor();
  await scene.mesh.setCut(ids[2], false);
  await card("Unseen").getByText("all have it").waitFor();
});
