// One server as a person looks into it: its state, paths, rooms, what waits for others, its log, and for a container a shell.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { until } from "./meshsim.mjs";
import { everywhere, inWindow, LAPTOP, LARGE, PHONE, SMALL } from "./stage.mjs";

const ROW = [
  [420, 200],
  [620, 200],
  [820, 200],
];

/** Finds a server by its name, as one does by keyboard. */
async function inspect(ui, name) {
  await ui.find(name);
  const inspector = ui.page.getByTestId("server-inspector");
  await inspector.getByRole("heading", { name }).waitFor();
  return inspector;
}

everywhere("a server is paused, stopped, started and restarted, and keeps its place; its client URL is copied", async ({ mesh, visit }) => {
  const [a] = await mesh.place([[500, 200]]);
  const ui = await visit();
  await ui.counts(1);
  await ui.click({ x: 500, y: 200 });
  const inspector = ui.page.getByTestId("server-inspector");
  const state = (want) => inspector.getByTestId("state").getByText(want, { exact: true }).waitFor();
  await state("running");
  for (const [button, then] of [
    ["Pause", "paused"],
    ["Resume", "running"],
    ["Stop", "stopped"],
    ["Start", "running"],
  ]) {
    await inspector.getByRole("button", { name: button, exact: true }).click();
    await state(then);
    await until(`the mesh has it ${then}`, async () => (await mesh.server(a)).state === then);
  }
  const restarted = ui.page.waitForResponse((answer) => answer.url().endsWith("/restart"));
  await inspector.getByRole("button", { name: "Restart" }).click();
  await restarted; // before it does not yet run again, but still
  await until("it runs again", async () => (await mesh.server(a)).state === "running");
  await state("running");
  assert.equal((await mesh.server(a)).x, 500);
  assert.equal(await inspector.getByRole("button", { name: "Kill" }).count(), 0, "only a container's process can be killed");
  await inspector.getByRole("button", { name: "Copy the client URL" }).click();
  const copied = await ui.page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, (await mesh.server(a)).client_url);
  await ui.screenshot("server-inspector");
});

everywhere("pointing at a server that is reached shows the path to it", async ({ mesh, visit }) => {
  await mesh.place(ROW);
  const ui = await visit();
  await ui.counts(3);
  await ui.click({ x: 420, y: 200 });
  await ui.rests();
  const accent = await ui.colour("--accent");
  const shown = (x) => ui.painted(0, accent, [{ x, y: 200 }]);
  const reached = ui.page.getByTestId("server-inspector").getByRole("listitem");
  await reached.nth(1).waitFor();
  await reached.filter({ hasText: "direct" }).hover();
  await until("the one link is shown", async () => (await shown(445)) && !(await shown(645)));
  await reached.filter({ hasText: "2 hops" }).hover();
  await until("both links are shown", async () => (await shown(445)) && (await shown(645)));
  await ui.screenshot("path");
});

everywhere(
  "a server tells its rooms, what waits for whom and what it writes",
  async ({ mesh, visit }) => {
    const [a, b, c] = await mesh.place([
      [420, 200],
      [560, 320],
      [700, 200],
    ]);
    const room = await mesh.room("square", [a, b, c]);
    const ui = await visit();
    const inspector = await inspect(ui, `hs${a}`);
    await inspector.getByTestId("rooms").getByText("square").waitFor();
    const peers = inspector.getByTestId("peers").getByRole("listitem");
    await peers.filter({ hasText: `hs${b}` }).filter({ hasText: "nothing waits" }).waitFor();

    await mesh.ask("POST", `/servers/${c}/stop`);
    await mesh.say(room, a, "is anybody there?");
    const failing = peers.filter({ hasText: `hs${c}` });
    await failing.filter({ hasText: /1 event waits; tries again/ }).waitFor();
    await until("what fails comes first", async () => (await peers.first().innerText()).includes(`hs${c}`));

    await inspector.getByText("Log", { exact: true }).click();
    await inspector.getByRole("log").getByText(/\S/).first().waitFor();
    await inspector.getByRole("log").scrollIntoViewIfNeeded();
    await ui.screenshot("server-log");
    assert.deepEqual(await ui.barriers(), []);
    await inspector.getByRole("button", { name: "Show the log large" }).click();
    const large = ui.page.getByRole("dialog", { name: `Log of hs${a}` });
    await large.getByRole("log").getByText(/\S/).first().waitFor();
    const width = async (part) => (await part.boundingBox()).width;
    assert.ok((await width(large)) > 0.9 * ui.page.viewportSize().width || (await width(large)) > 1400, "it has the width of the window");
    await ui.screenshot("server-log-large");
    await large.getByRole("button", { name: "Close" }).click();
    await inspector.getByTestId("peers").scrollIntoViewIfNeeded();
    await ui.screenshot("server-peers");
  },
  [PHONE, LAPTOP, LARGE],
);

everywhere("a server pings another and traces the path to it", async ({ mesh, visit }) => {
  const [a, b, c] = await mesh.place(ROW);
  await until("they are linked in a row", async () => (await mesh.get("/links")).length === 2);
  const ui = await visit();
  const inspector = await inspect(ui, `hs${a}`);
  const probe = inspector.getByTestId("probe");
  await probe.locator("summary").click();
  const target = probe.getByRole("combobox", { name: "Ask" });
  assert.equal(await target.inputValue(), String(b), "the nearest is offered first");
  await target.selectOption({ label: `hs${c}` });
  await probe.getByRole("button", { name: "Traceroute" }).click();
  const answers = probe.getByRole("log");
  await answers.getByText(new RegExp(`^1: hs${b} `)).waitFor();
  await answers.getByText(new RegExp(`^2: hs${c} `)).waitFor();
  await probe.getByRole("button", { name: "Ping", exact: true }).waitFor(); // the path is known, so it has ended

  await probe.getByRole("button", { name: "Ping", exact: true }).click();
  await answers.getByText(/^\d+: [\d.]+ m?s$/).first().waitFor();
  await answers.scrollIntoViewIfNeeded();
  await ui.screenshot("server-probe");
  assert.deepEqual(await ui.barriers(), []);
  await probe.getByRole("button", { name: "Stop" }).click();
  await probe.getByRole("button", { name: "Ping", exact: true }).waitFor();
  assert.match(await probe.getByTestId("probed").innerText(), new RegExp(`^Ping to hs${c}: \\d+ of \\d+ answered; least \\d`));
});

/** Makes the page take a server for a container; runs in the page before it loads, and changes what its worker tells it. */
function contained({ id, tells }) {
  window.Worker = class extends Worker {
    set onmessage(hear) {
      super.onmessage = (message) => {
        for (const report of Array.isArray(message.data) ? message.data : []) {
          const servers = report.snapshot?.servers ?? report.diff?.servers ?? [];
          for (const server of servers) if (server.id === id) Object.assign(server, tells);
        }
        hear(message);
      };
    }
  };
}

everywhere("of a container it is said what is not seen of it, and how much memory it shares", async ({ mesh, visit }) => {
  const [id] = await mesh.place(ROW);
  const unseen = "What it sends is not seen: its federation traffic passes the gateway encrypted.";
  const ui = await visit({
    async before(page) {
      await page.addInitScript(contained, { id, tells: { kind: "synapse", gateway: "pass-through", unseen } });
      await page.route(`**/api/v1/servers/${id}/usage`, (route) => route.fulfill({ json: { cpu_ms: 10, memory_bytes: 200e6, merged_bytes: 48e6 } }));
    },
  });
  const inspector = await inspect(ui, `hs${id}`);
  await inspector.getByTestId("unseen").getByText(unseen).waitFor();
  await inspector.getByTestId("merged").getByText("48 MB", { exact: true }).waitFor();
  await inspector.getByTestId("merged").scrollIntoViewIfNeeded();
  await ui.screenshot("server-merged");
  assert.deepEqual(await ui.barriers(), []);
});

everywhere("what all servers together share of memory is said above their list, where equal memory is kept once", async ({ mesh, visit }) => {
  await mesh.place(ROW);
  let asked = 0;
  const merging = (json) => ({ before: (page) => page.route("**/api/v1/merging", (route) => (asked++, route.fulfill({ json }))) });
  const ui = await visit(merging({ on: true, saved_bytes: 48.3e6, profit_bytes: 45.1e6 }));
  assert.equal(asked, 0, "it is asked only where it is shown");
  await ui.panel("Servers");
  const merged = ui.page.getByTestId("merging");
  await merged.getByText("48.3 MB saved by sharing equal memory").waitFor();
  await merged.getByText("45.1 MB after what finding it takes").waitFor();
  await ui.screenshot("merging");
  assert.deepEqual(await ui.barriers(), []);

  asked = 0;
  const without = await visit(merging({ on: false, saved_bytes: 0, profit_bytes: 0 }));
  await without.page.clock.install();
  await without.panel("Servers");
  await until("it was asked", () => asked > 0);
  await without.page.clock.runFor(60_000);
  assert.equal(asked, 1, "where nothing is merged it is not asked again");
  assert.equal(await without.page.getByTestId("merging").count(), 0);
});

inWindow("a shell says of a server that is paused or has stopped why nothing answers, and starts it", { ...SMALL, scheme: "light" }, async ({ mesh, visit }) => {
  const [id] = await mesh.place([[500, 200]]);
  const ui = await visit({
    async before(page) {
      await page.addInitScript(contained, { id, tells: { kind: "synapse" } });
      await page.route(`**/api/v1/servers/${id}/usage`, (route) => route.fulfill({ json: { cpu_ms: 10 } }));
      await page.routeWebSocket(/\/terminal\?/, (shell) => {
        const columns = Number(new URL(shell.url()).searchParams.get("columns"));
        shell.send(Buffer.from(`\u001b[33myellow\u001b[0m \u001b[96mcyan\u001b[0m\r\n${"x".repeat(columns)}\r\n$ `));
      });
    },
  });
  const asked = [];
  ui.page.on("request", (request) => asked.push(request.url()));
  const inspector = await inspect(ui, `hs${id}`);
  await inspector.getByText("What waits to be sent is not known").waitFor();
  await inspector.getByRole("button", { name: "Shell" }).click();
  const shell = ui.page.getByRole("dialog");
  await shell.getByText("yellow").first().waitFor();
  const right = (part) => shell.locator(part).evaluate((e) => e.getBoundingClientRect().right);
  assert.ok((await right(".xterm-screen")) <= (await shell.getByTestId("terminal").evaluate((e) => e.getBoundingClientRect().right)) - 8 - 14, "no column is under the scroll bar");
  await ui.screenshot("shell");
  await ui.page.emulateMedia({ colorScheme: "dark" });
  const dark = (await ui.colour("--surface-2")).match(/\w\w/g).map((hex) => parseInt(hex, 16));
  const background = () => shell.locator(".xterm-scrollable-element").evaluate((e) => getComputedStyle(e).backgroundColor);
  await until("it is in the dark colours", async () => (await background()) === `rgb(${dark.join(", ")})`);
  await ui.screenshot("shell-dark");
  await mesh.ask("POST", `/servers/${id}/pause`);
  await shell.getByText(`hs${id} is paused: what you type is read when it goes on.`).waitFor();
  await ui.screenshot("shell-paused");
  await mesh.ask("POST", `/servers/${id}/resume`);
  await mesh.ask("POST", `/servers/${id}/stop`);
  await shell.getByText(`hs${id} is stopped.`).waitFor();
  await shell.getByRole("button", { name: "Start" }).click();
  await until("it runs again", async () => (await mesh.server(id)).state === "running");
  assert.deepEqual(asked.filter((url) => url.endsWith("/peers")), [], "a container is not asked for its queue");
});

/** A UDP port that nobody uses. */
async function freePort() {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

everywhere("CoAP without encryption is said in the header, and its address in the inspector, to be copied", async ({ mesh, visit }) => {
  await mesh.stop();
  mesh.flags = ["--coap-ports", String(await freePort()), "--lowband-insecure"];
  await mesh.start();
  const [id] = await mesh.place([[500, 200]]);
  await until("it has a CoAP address", async () => (await mesh.server(id)).coap_url);
  const { coap_url } = await mesh.server(id);
  assert.match(coap_url, /^coap:/);
  const ui = await visit();
  await ui.page.getByTestId("insecure").getByText("unencrypted").waitFor();
  const inspector = await inspect(ui, `hs${id}`);
  await inspector.getByText(coap_url, { exact: true }).waitFor();
  await inspector.getByText("CoAP without encryption").waitFor();
  await inspector.getByRole("button", { name: "Copy the CoAP address" }).click();
  assert.equal(await ui.page.evaluate(() => navigator.clipboard.readText()), coap_url);
  await ui.screenshot("coap");
  assert.deepEqual(await ui.barriers(), []);
});

/** Whether there is an engine with the image that the test wants. */
function engine() {
  try {
    return execFileSync("docker", ["images", "-q", "meshsim/synapse"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim() !== "";
  } catch {
    return false;
  }
}

inWindow(
  "a container has a shell, figures of what it uses, and is killed",
  { ...LAPTOP, scheme: "light" },
  async ({ mesh, visit }) => {
    const { id } = await mesh.ask("POST", "/servers", { x: 500, y: 300, kind: "synapse" });
    await until("it runs", async () => (await mesh.server(id)).state === "running", 240_000);
    const ui = await visit();
    const inspector = await inspect(ui, (await mesh.server(id)).name);
    await inspector.getByText("sees its events").waitFor();
    await inspector.getByTestId("usage").getByText(/\d [kMG]B/).waitFor();
    await inspector.getByRole("button", { name: "Shell" }).click();
    const shell = ui.page.getByTestId("terminal");
    await shell.locator(".xterm-rows").waitFor();
    await shell.getByRole("textbox").focus();
    await ui.page.keyboard.type("echo $((6*7))-ok\n");
    await until("the shell has answered", async () => (await shell.innerText()).includes("42-ok"));
    await ui.screenshot("terminal");
    assert.deepEqual(await ui.barriers(), []);
    await ui.page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
    await inspector.getByRole("button", { name: "Kill" }).click();
    await until("it has failed", async () => (await mesh.server(id)).state === "failed");
    await inspector.getByRole("button", { name: "Start" }).click();
    await until("it runs again, with its data", async () => (await mesh.server(id)).state === "running", 240_000);
  },
  { skip: !engine() && "no engine with a Synapse image" },
);
