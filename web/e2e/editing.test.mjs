// Editing the mesh as a person does: placing, dragging, panning, removing, by pointer and by keys.
import assert from "node:assert/strict";
import { until } from "./meshsim.mjs";
import { everywhere, inWindow, LAPTOP } from "./stage.mjs";

/** Two servers of which the first links to the second, within every window's canvas beside an inspector. */
const PAIR = [
  [420, 200],
  [640, 200],
];

/** The page with servers at these places, seen at 100 %. */
async function placed({ mesh, visit }, points) {
  const ids = await mesh.place(points);
  const ui = await visit();
  await ui.counts(points.length);
  await ui.fullSize();
  return { ui, ids };
}

everywhere("an empty page says what to do, and one click places five servers", async ({ mesh, visit }) => {
  const ui = await visit();
  await ui.page.getByText("Click anywhere to place a server").waitFor();
  await ui.screenshot("empty");
  await ui.page.getByRole("button", { name: "Place five servers for me" }).click();
  await ui.counts(5);
  await until("they are linked", async () => (await mesh.get("/links")).length >= 4);
  await ui.page.getByRole("note", { name: "Next step" }).getByText("Put all 5 in a room").waitFor();
  assert.equal(await ui.page.getByText("Click anywhere to place a server").count(), 0);
  await ui.screenshot("five");
});

everywhere("a click places a server where it was", async ({ mesh, visit }) => {
  const ui = await visit();
  const places = [
    [60, 90],
    [180, 300],
  ];
  for (const [i, [x, y]] of places.entries()) {
    await ui.click({ x, y });
    await ui.counts(i + 1);
  }
  assert.deepEqual(
    (await mesh.present()).map(({ x, y }) => [Math.round(x), Math.round(y)]),
    places,
  );
});

everywhere("dragging a server moves it in the mesh while it is dragged, and its latency with it", async (scene) => {
  const { ui, ids } = await placed(scene, PAIR);
  const [a, b] = ids;
  const { mesh } = scene;
  await ui.drag(
    { x: 640, y: 200 },
    { x: 540, y: 200 },
    {
      hold: async () => {
        await until("the mesh has the new place before the button is up", async () => Math.abs((await mesh.server(b)).x - 540) < 2);
        await ui.screenshot("dragging");
      },
    },
  );
  const link = await until("the link is as long as it looks", async () => {
    const l = await mesh.link(a, b);
    return Math.abs(l.ab.latency_ms - 120) < 2 && l;
  });
  assert.ok(Math.abs(link.ba.latency_ms - 120) < 2);
  assert.equal((await mesh.present()).length, 2, "a drag places nothing");
});

everywhere("the background pans, space pans from anywhere, the wheel zooms at the pointer", async ({ mesh, visit }) => {
  const ui = await visit();
  const [a] = await mesh.place([[300, 300]]);
  await ui.counts(1);
  await ui.drag({ x: 500, y: 200 }, { x: 560, y: 240 });
  let v = await ui.view();
  assert.deepEqual([v.k, Math.round(v.x), Math.round(v.y)], [1, 60, 40]);

  await ui.board.focus();
  await ui.page.keyboard.down(" ");
  await ui.drag({ x: 300, y: 300 }, { x: 270, y: 290 });
  await ui.page.keyboard.up(" ");
  v = await ui.view();
  assert.deepEqual([Math.round(v.x), Math.round(v.y)], [30, 30]);

  await ui.drag({ x: 300, y: 300 }, { x: 310, y: 310 }, { button: "middle" });
  v = await ui.view();
  assert.deepEqual([Math.round(v.x), Math.round(v.y)], [40, 40]);

  const before = await ui.at({ x: 300, y: 300 });
  await ui.page.mouse.move(before.x, before.y);
  await ui.page.mouse.wheel(0, -300);
  await until("it is larger", async () => (await ui.view()).k > 1.2);
  const under = await ui.at({ x: 300, y: 300 });
  assert.ok(Math.hypot(under.x - before.x, under.y - before.y) < 1.5, "what was under the pointer stays there");

  await ui.page.keyboard.press("0");
  await until("it is at 100 % again", async () => (await ui.view()).k === 1);
  await ui.page.keyboard.press("f");
  await until("all is in sight", async () => (await ui.view()).k === 1.6);
  const s = await mesh.server(a);
  assert.deepEqual([s.x, s.y], [300, 300], "panning moves no server");
  assert.equal((await mesh.present()).length, 1, "panning places none");
});

everywhere("a server that was just placed is what lies under the pointer, which has not moved", async ({ visit }) => {
  const ui = await visit();
  await ui.click({ x: 100, y: 300 });
  await ui.counts(1);
  const cursor = () => ui.board.evaluate((board) => board.style.cursor);
  await until("the board points at it", async () => (await cursor()) === "pointer");
});

everywhere("Delete removes a server, and Ctrl-Z brings the same one back", async (scene) => {
  const { ui, ids } = await placed(scene, [[500, 300]]);
  const [a] = ids;
  await ui.click({ x: 500, y: 300 });
  await ui.page.keyboard.press("Delete");
  await until("it is gone", async () => (await scene.mesh.server(a)).state === "gone");
  await ui.page.getByText(`hs${a} removed`).first().waitFor();
  await ui.page.keyboard.press("Control+z");
  await until("it is back", async () => (await scene.mesh.server(a)).state === "running");
  await ui.counts(1);
});

everywhere("what the mesh refuses is said where it was tried, in the mesh's words", async ({ mesh, visit }) => {
  const ui = await visit();
  await ui.page.route("**/api/v1/servers", (route) =>
    route.continue({ postData: JSON.stringify({ x: "left", y: 3 }), headers: { ...route.request().headers() } }),
  );
  await ui.click({ x: 200, y: 380 });
  const alert = ui.page.getByRole("alert");
  await alert.waitFor();
  assert.match(await alert.innerText(), /left/);
  await ui.screenshot("refused");
  const box = await alert.boundingBox();
  const p = await ui.at({ x: 200, y: 380 });
  assert.ok(Math.abs(box.x + box.width / 2 - p.x) < 200 && Math.abs(box.y + box.height - p.y) < 60, JSON.stringify(box));
  assert.equal((await mesh.present()).length, 0);
});

everywhere("all of it works by keyboard", async ({ mesh, visit }) => {
  const ui = await visit();
  const { page } = ui;
  await ui.keys("Enter");
  await ui.counts(1);
  await page.keyboard.press("]");
  const inspector = page.getByTestId("server-inspector");
  await inspector.waitFor();
  const [before] = await mesh.present();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Shift+ArrowDown");
  await until("it moved", async () => {
    const [s] = await mesh.present();
    return Math.abs(s.x - before.x - 10) < 0.01 && Math.abs(s.y - before.y - 1) < 0.01;
  });
  await page.keyboard.press("Escape");
  await inspector.waitFor({ state: "detached" });
  const { x } = await ui.view();
  await page.keyboard.press("ArrowRight");
  await until("without a selection the view moves", async () => (await ui.view()).x < x - 50);
  await page.keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keys and gestures" });
  await help.waitFor();
  await ui.screenshot("help");
  assert.deepEqual(await ui.barriers(), []);
  await page.keyboard.press("Escape");
  await help.waitFor({ state: "hidden" });
});

/** Holds back what the page is told from the first of these servers on, until it is let go; runs in the page before it loads. */
function held({ from }) {
  const waiting = [];
  let holds = true;
  window.Worker = class extends Worker {
    set onmessage(hear) {
      super.onmessage = (message) => {
        const reports = message.data;
        if (!holds || !Array.isArray(reports)) return hear(message);
        /** Tells of one of the servers that wait; false where it is not there. */
        window.letGo ??= (id) => {
          const of = waiting.find((r) => r.diff?.servers?.some((s) => s.id === id));
          const servers = of?.diff.servers.filter((s) => s.id === id);
          if (of) hear({ data: [{ tell: "diff", diff: { version: of.diff.version, servers } }] });
          return of !== undefined;
        };
        window.letAllGo ??= () => {
          holds = false;
          hear({ data: waiting });
        };
        const first = waiting.length > 0 ? 0 : reports.findIndex((r) => r.diff?.servers?.some((s) => s.id >= from));
        waiting.push(...(first < 0 ? [] : reports.splice(first)));
        hear(message);
      };
    }
  };
}

inWindow("copies are selected all, also where the mesh tells of them one by one", { ...LAPTOP, scheme: "light" }, async ({ mesh, visit }) => {
  const ids = await mesh.place([
    [500, 160],
    [600, 220],
  ]);
  const from = ids.length;
  const ui = await visit({ before: (page) => page.addInitScript(held, { from }) });
  await ui.counts(2);
  await ui.keys("Control+a", "Control+d");
  await ui.page.getByRole("button", { name: "Undo" }).and(ui.page.getByTitle("2 servers placed")).waitFor();
  await until("the mesh has told of one", () => ui.page.evaluate((id) => window.letGo(id), from));
  await ui.page.evaluate(() => window.letAllGo());
  await ui.counts(4);
  await ui.page.getByTestId("group-inspector").getByText("2 servers").waitFor();
  await ui.keys("Delete");
  await ui.counts(2);
  assert.deepEqual((await mesh.present()).map((s) => s.id), ids, "the copies were selected");
});
