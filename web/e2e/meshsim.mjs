// A really running meshsim for one test file: built from the sources unless MESHSIM names a binary, on a free
// port, without client ports.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export function binary() {
  if (process.env.MESHSIM) return process.env.MESHSIM;
  const folder = mkdtempSync(join(tmpdir(), "meshsim-e2e-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "meshsim");
  execFileSync("go", ["build", "-o", path, "./cmd/meshsim"], { cwd: ROOT, stdio: "inherit" });
  return path;
}

export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

export class Meshsim {
  constructor(path, port) {
    this.path = path;
    this.port = port;
    this.url = `http://127.0.0.1:${port}/`;
    this.output = "";
  }

  async start() {
    const args = ["--listen", `127.0.0.1:${this.port}`, "--client-ports", "0", "--seed", "7"];
    this.process = spawn(this.path, args, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (this.output += text));
    }
    for (const end = Date.now() + 60_000; Date.now() < end; ) {
      if (this.process.exitCode !== null) throw new Error(`meshsim ended: ${this.output}`);
      if (await fetch(`${this.url}api/v1/servers`).then((r) => r.ok, () => false)) return this;
      await pause(50);
    }
    throw new Error(`meshsim does not answer: ${this.output}`);
  }

  /** Stops it as Ctrl-C does, and returns its exit status. */
  async stop() {
    if (this.process.exitCode !== null) return this.process.exitCode;
    const ended = once(this.process, "exit");
    this.process.kill("SIGINT");
    const [code] = await ended;
    return code;
  }

  async ask(method, path, body) {
    const answer = await fetch(`${this.url}api/v1${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  get(path) {
    return this.ask("GET", path);
  }

  /** Removes every server, so that the next test begins on an empty canvas. */
  async clear() {
    for (const s of await this.get("/servers")) if (s.state !== "gone") await this.ask("DELETE", `/servers/${s.id}`);
  }

  /** Places servers and waits until they run; returns their ids. */
  async place(points) {
    const ids = [];
    for (const [x, y] of points) ids.push((await this.ask("POST", "/servers", { x, y })).id);
    await until("the servers run", async () => {
      const servers = await this.get("/servers");
      return ids.every((id) => servers.find((s) => s.id === id)?.state === "running");
    });
    return ids;
  }
}

/** Waits until the condition holds and returns its value. The time is for the slowest machine: no test asserts a speed. */
export async function until(what, condition, ms = 60_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain until ${what}`);
    await pause(30);
  }
}
