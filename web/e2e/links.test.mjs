// Links as a person looks at them and edits them: pins and what they come from, what flows, one and many.
import assert from "node:assert/strict";
import { until } from "./meshsim.mjs";
import { everywhere, LAPTOP, LARGE, PHONE } from "./stage.mjs";

/** The page with servers in a row, each linked to the next 200 ms away; `between` is a point on the i-th link. */
async function row({ mesh, visit }, count = 2) {
  const ids = await mesh.place(Array.from({ length: count }, (_, i) => [440 + 200 * i, 200]));
  await until("they are linked", async () => (await mesh.get("/links")).length === count - 1);
  const ui = await visit();
  await ui.page.getByTestId("figure-links").getByText(String(count - 1), { exact: true }).waitFor();
  const between = (i) => ({ x: 440 + 200 * i + 60, y: 200 });
  return { ui, ids, between, inspector: ui.page.getByTestId("link-inspector") };
}

everywhere("a link turns red when it is clicked; its parameters are pinned, checked as typed, and derived again", async (scene) => {
  const { ui, ids, between, inspector } = await row(scene);
  const link = () => scene.mesh.link(...ids);
  await ui.click(between(0));
  await inspector.waitFor();
  const red = await ui.colour("--danger");
  await until("it is red", async () => (await ui.pixels(0, red)) > 100);

  const latency = inspector.getByRole("textbox", { name: "Latency" });
  assert.equal(await latency.inputValue(), "200 ms");
  await inspector.getByTestId("param-latency_ms").getByText("distance × scale").waitFor();
  await latency.fill("soon");
  await inspector.getByText("Write a time such as 20 ms or 1.5 s.").waitFor();
  await latency.fill("50");
  const pinned = await until("it is pinned without a further key", async () => {
    const l = await link();
    return l.ab.latency_ms === 50 && l;
  });
  assert.deepEqual([pinned.pins_ab, pinned.pins_ba], [{ latency_ms: 50 }, { latency_ms: 50 }]);
  await inspector.getByTestId("param-latency_ms").getByText("pinned", { exact: true }).waitFor();
  await ui.screenshot("link-pinned");

  await inspector.getByRole("button", { name: "Each way" }).click();
  const back = inspector.getByRole("textbox", { name: `Bandwidth, hs${ids[1]} to hs${ids[0]}` });
  await back.fill("9600 bit/s");
  await back.press("Enter");
  await until("one direction is slower", async () => {
    const l = await link();
    return l.ba.bandwidth === 9600 && l.ab.bandwidth > 9600;
  });

  await inspector.getByRole("button", { name: "Both ways" }).click();
  await inspector.getByRole("button", { name: "Unpin latency" }).click();
  await until("latency follows the distance again", async () => (await link()).ab.latency_ms === 200);

  await inspector.getByText("Advanced").click();
  await inspector.getByLabel("Loss in bursts").check();
  await until("bursts are pinned", async () => (await link()).pins_ab.burst !== undefined);
  await ui.screenshot("link-advanced");
  assert.deepEqual(await ui.barriers(), []);
  await inspector.getByRole("button", { name: "Unpin all" }).click();
  await until("nothing is pinned", async () => Object.keys((await link()).pins_ab).length === 0);
});

everywhere("a pin beyond the limits unmakes the link, which is said and undone with one click", async (scene) => {
  const { ui, ids, between, inspector } = await row(scene);
  await ui.click(between(0));
  await inspector.getByRole("textbox", { name: "Latency" }).fill("2 s");
  const notice = ui.page.getByRole("status");
  await notice.getByText("no longer linked: the settings link only under 300 ms").waitFor();
  assert.equal((await scene.mesh.get("/links")).length, 0);
  await notice.getByRole("button", { name: "Undo" }).click();
  await until("the link is back", async () => (await scene.mesh.get("/links")).length === 1);
  assert.equal((await scene.mesh.link(...ids)).ab.latency_ms, 200);
});

everywhere("a pinned pair that is not linked is found in the settings and unpinned there", async (scene) => {
  const { ui, between, inspector } = await row(scene);
  await ui.click(between(0));
  await inspector.getByRole("textbox", { name: "Latency" }).fill("2 s");
  await until("they are not linked", async () => (await scene.mesh.get("/links")).length === 0);
  await ui.panel("Settings");
  const apart = ui.page.getByTestId("apart");
  await apart.getByText("latency 2000 ms").waitFor();
  await apart.getByRole("button", { name: /^Unpin / }).click();
  await until("they are linked again", async () => (await scene.mesh.get("/links")).length === 1);
  await apart.waitFor({ state: "detached" });
});

everywhere("a link is cut and restored by button and by key, and the cut can be undone", async (scene) => {
  const { ui, ids, between } = await row(scene);
  const cut = async () => (await scene.mesh.link(...ids)).cut;
  await ui.click(between(0));
  const [panel, button] = await Promise.all([ui.page.getByTestId("link-inspector"), ui.page.getByTestId("cut")].map((part) => part.boundingBox()));
  assert.ok(button.y + button.height < panel.y + panel.height, "it is there without scrolling");
  await ui.page.getByRole("button", { name: "Cut the link" }).click();
  await until("it is cut", cut);
  await ui.page.getByRole("button", { name: "Restore the link" }).click();
  await ui.page.getByRole("button", { name: "Cut the link" }).waitFor();
  assert.equal(await cut(), false);
  await ui.page.keyboard.press("Delete");
  await until("it is cut by the key", cut);
  await ui.screenshot("link-cut");
  await ui.page.getByRole("status").getByRole("button", { name: "Undo" }).click();
  await until("the cut is undone", async () => !(await cut()));
});

everywhere(
  "a link shows what flows over it: rate, utilisation, queue, drops by reason, delay asked for and achieved",
  async (scene) => {
    const { mesh } = scene;
    const { ui, ids, inspector } = await row(scene, 3);
    const [a, b] = ids;
    const room = await mesh.room("flow", ids);
    await ui.find(`hs${a} – hs${b}`);
    await inspector.waitFor();
    const there = inspector.getByTestId("flow").first();
    await mesh.ask("PUT", `/links/${a}/${b}`, { pins_ab: { bandwidth: 20_000, loss_pct: 30 } });
    await inspector.getByTestId("param-bandwidth").getByText(/pinned/).waitFor();
    for (let i = 0; i < 6; i++) await mesh.say(room, a, `message ${i} ${"x".repeat(900)}`);
    await until("a rate is shown", async () => /bit\/s/.test(await there.getByTestId("rate").innerText()));
    const delay = await until("a delay is shown", async () => {
      const text = await there.getByTestId("delay").innerText();
      return text.includes("→") && text;
    });
    assert.match(delay, /^[\d.]+ m?s → [\d.]+ m?s$/);
    await there.getByText(/loss/).first().waitFor();
    const lines = await there.locator("svg path").evaluateAll((paths) => paths.map((p) => p.getAttribute("d")));
    assert.ok(lines.some((d) => /L/.test(d)), "a line is drawn");
    await ui.screenshot("link-flow");
    assert.deepEqual(await ui.barriers(), []);
  },
  [PHONE, LAPTOP, LARGE],
);

everywhere("several links are selected with Shift, edited, cut and restored together, and all of it is undone", async (scene) => {
  const { mesh } = scene;
  const { ui, ids, between } = await row(scene, 3);
  const [a, b, c] = ids;
  const both = async (check) => (await Promise.all([mesh.link(a, b), mesh.link(b, c)])).every(check);
  await mesh.ask("PUT", `/links/${a}/${b}`, { pins_ab: { jitter_pct: 7 } });
  await ui.click(between(0));
  await ui.page.getByTestId("link-inspector").waitFor();
  await ui.rests();
  await ui.page.keyboard.down("Shift");
  await ui.click(between(1));
  await ui.page.keyboard.up("Shift");
  const inspector = ui.page.getByTestId("links-inspector");
  await inspector.getByRole("heading", { name: "2 links" }).waitFor();
  assert.equal(await inspector.getByRole("textbox", { name: "Jitter" }).inputValue(), "", "what differs is not made up");
  const loss = inspector.getByRole("textbox", { name: "Loss" });
  await loss.fill("much");
  await inspector.getByText("Write a percentage such as 5 %.").waitFor();
  await loss.fill("4 %");
  await loss.press("Enter");
  await until("both lose 4 %", () => both((l) => l.pins_ab.loss_pct === 4 && l.pins_ba.loss_pct === 4));
  assert.equal((await mesh.link(a, b)).pins_ab.jitter_pct, 7, "what else was pinned stays");
  await ui.screenshot("links-inspector");
  assert.deepEqual(await ui.barriers(), []);

  await ui.keys("Delete");
  await until("both are cut", () => both((l) => l.cut));
  await inspector.getByRole("button", { name: "Restore all" }).click();
  await until("both carry again", () => both((l) => !l.cut));
  await ui.keys("Control+z", "Control+z", "Control+z");
  await until("all is as it was", async () =>
    (await both((l) => !l.cut && l.pins_ba.loss_pct === undefined)) && (await mesh.link(a, b)).pins_ab.jitter_pct === 7,
  );
});

everywhere("the links between selected servers are one click away", async (scene) => {
  const { ui, ids } = await row(scene, 3);
  await ui.keys("Control+a");
  await ui.page.getByTestId("group-inspector").getByRole("button", { name: "2 between them" }).click();
  const inspector = ui.page.getByTestId("links-inspector");
  await inspector.getByRole("button", { name: "Pin latency of each to what it is" }).click();
  await until("each is pinned to its own", async () => (await scene.mesh.link(ids[0], ids[1])).pins_ab.latency_ms === 200);
});

everywhere("two servers out of each other's reach are linked by hand, and unlinked again", async ({ mesh, visit }) => {
  const [a, b] = await mesh.place([
    [440, 200],
    [840, 200],
  ]);
  const ui = await visit();
  await ui.counts(2);
  await ui.keys("Control+a");
  const group = ui.page.getByTestId("group-inspector");
  await group.getByRole("heading", { name: "2 servers" }).waitFor();
  await group.getByRole("button", { name: "Link them" }).click();
  await until("they are linked", async () => (await mesh.get("/links")).some((l) => l.a === a && l.b === b));
  await group.getByRole("button", { name: "1 between them" }).click();
  const kept = ui.page.getByTestId("link-inspector").getByRole("checkbox", { name: /Linked wherever they stand/ });
  assert.equal(await kept.isChecked(), true);
  await ui.screenshot("link-by-hand");
  await kept.click();
  await until("they are apart again", async () => (await mesh.get("/links")).length === 0);
});
