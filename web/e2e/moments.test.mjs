// Moments: at which pace things travel, the time line, the pause, looking back.
import assert from "node:assert/strict";
import { until } from "./meshsim.mjs";
import { everywhere, LAPTOP, PHONE, SMALL } from "./stage.mjs";
import { watched } from "./watched.mjs";

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
  await page.getByTestId("moment").getByText(/[1-3] min/).waitFor();
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
  const figure = ui.page.getByRole("region", { name: "Time line" }).getByTestId("read-received");
  await until("the second that is over had deliveries", async () => (await figure.textContent()) !== "0/s");
  await until("the next had none", async () => (await figure.textContent()) === "0/s");
  await ui.keys("p");
  await ui.page.getByRole("slider", { name: "Moment shown" }).focus();
  await until("a second with deliveries is read out", async () => {
    await ui.page.keyboard.press("ArrowLeft");
    return (await figure.textContent()) !== "0/s";
  });
});
