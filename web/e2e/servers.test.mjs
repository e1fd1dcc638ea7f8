// One server as a person looks into it: rooms, what waits for others, its log, and for a container a shell.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, open } from "./browser.mjs";
import { binary, freePort, Meshsim, until } from "./meshsim.mjs";

const mesh = new Meshsim(binary(), await freePort());
const SIZES = [
  { name: "1280-light", width: 1280, height: 720, scheme: "light" },
  { name: "1920-dark", width: 1920, height: 1080, scheme: "dark" },
  { name: "480-dark", width: 480, height: 860, scheme: "dark" },
];
let browser;
let ui;

before(async () => {
  await mesh.start();
  browser = await launch();
});

after(async () => {
  await browser.close();
  assert.equal(await mesh.stop(), 0, mesh.output);
});

beforeEach(() => mesh.clear());
afterEach(() => ui.close());

const server = async (id) => (await mesh.get("/servers")).find((s) => s.id === id);

/** Finds a server by its name, as one does by keyboard. */
async function inspect(name) {
  await ui.page.keyboard.press("Control+k");
  await ui.page.getByRole("combobox", { name: "Find or do" }).fill(name);
  await ui.page.keyboard.press("Enter");
  const inspector = ui.page.getByTestId("server-inspector");
  await inspector.getByRole("heading", { name }).waitFor();
  return inspector;
}

for (const size of SIZES) {
  test(`a server tells its rooms, what waits for whom and what it writes, ${size.name}`, async () => {
    const [a, b, c] = await mesh.place([
      [420, 200],
      [560, 320],
      [700, 200],
    ]);
    const room = await mesh.ask("POST", "/rooms", { name: `square ${size.name}`, creator: a, members: [b, c] });
    await until("all joined", async () =>
      (await mesh.get("/rooms")).find((r) => r.id === room.id)?.members.every((m) => m.state === "joined"),
    );
    ui = await open(browser, mesh.url, size);
    const inspector = await inspect(`hs${a}`);
    await inspector.getByTestId("rooms").getByText(`square ${size.name}`).waitFor();
    const peers = inspector.getByTestId("peers").getByRole("listitem");
    await peers.filter({ hasText: `hs${b}` }).filter({ hasText: "nothing waits" }).waitFor();

    await mesh.ask("POST", `/servers/${c}/stop`);
    await mesh.ask("POST", `/rooms/${encodeURIComponent(room.id)}/messages`, { server: a, body: "is anybody there?" });
    const failing = peers.filter({ hasText: `hs${c}` });
    await failing.filter({ hasText: /1 event waits; tries again/ }).waitFor();
    assert.match(await peers.first().innerText(), new RegExp(`hs${c}`), "what fails comes first");

    await inspector.getByText("Log", { exact: true }).click();
    await inspector.getByRole("log").getByText(/\S/).first().waitFor();
    await inspector.getByRole("log").scrollIntoViewIfNeeded();
    await ui.screenshot(`server-log-${size.name}`);
    assert.deepEqual(await ui.barriers(), []);
    await inspector.getByTestId("peers").scrollIntoViewIfNeeded();
    await ui.screenshot(`server-peers-${size.name}`);
  });
}

for (const [width, height, scheme] of [
  [1280, 720, "light"],
  [1920, 1080, "dark"],
]) {
  test(`a server pings another and traces the path to it, ${width} ${scheme}`, async () => {
    const [a, b, c] = await mesh.place([
      [420, 200],
      [640, 200],
      [860, 200],
    ]);
    await until("they are linked in a row", async () => (await mesh.get("/links")).length === 2);
    ui = await open(browser, mesh.url, { width, height, scheme });
    const inspector = await inspect(`hs${a}`);
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
    await ui.screenshot(`server-probe-${width}-${scheme}`);
    assert.deepEqual(await ui.barriers(), []);
    await probe.getByRole("button", { name: "Stop" }).click();
    await probe.getByRole("button", { name: "Ping", exact: true }).waitFor();
    assert.match(await probe.getByTestId("probed").innerText(), new RegExp(`^Ping to hs${c}: \\d+ of \\d+ answered; least \\d`));
  });
}

test("a server is restarted with one click, and keeps its place", async () => {
  const [a] = await mesh.place([[500, 300]]);
  ui = await open(browser, mesh.url);
  const inspector = await inspect(`hs${a}`);
  await inspector.getByRole("button", { name: "Restart" }).click();
  await until("it runs again", async () => (await server(a)).state === "running");
  await inspector.getByTestId("state").getByText("running").waitFor();
  assert.equal(await inspector.getByRole("button", { name: "Kill" }).count(), 0, "only a container's process can be killed");
});

/** Whether there is an engine with the image that the test wants. */
function engine() {
  try {
    return execFileSync("docker", ["images", "-q", "meshsim/synapse"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim() !== "";
  } catch {
    return false;
  }
}

test("a container has a shell, figures of what it uses, and is killed", { skip: !engine() && "no engine with a Synapse image" }, async () => {
  const { id } = await mesh.ask("POST", "/servers", { x: 500, y: 300, kind: "synapse" });
  await until("it runs", async () => (await server(id)).state === "running", 240_000);
  ui = await open(browser, mesh.url);
  const inspector = await inspect((await server(id)).name);
  await inspector.getByText("sees its events").waitFor();
  await inspector.getByTestId("usage").getByText(/\d [kMG]B/).waitFor();
  await inspector.getByRole("button", { name: "Shell" }).click();
  const shell = ui.page.getByTestId("terminal");
  await shell.locator(".xterm-rows").waitFor();
  await shell.getByRole("textbox").focus();
  await ui.page.keyboard.type("echo $((6*7))-ok\n");
  await until("the shell has answered", async () => (await shell.innerText()).includes("42-ok"));
  await ui.screenshot("terminal-1280");
  assert.deepEqual(await ui.barriers(), []);
  await ui.page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await inspector.getByRole("button", { name: "Kill" }).click();
  await until("it has failed", async () => (await server(id)).state === "failed");
  await inspector.getByRole("button", { name: "Start" }).click();
  await until("it runs again, with its data", async () => (await server(id)).state === "running", 240_000);
});
