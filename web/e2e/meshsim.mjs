// A really running meshsim for one test: built from the sources unless MESHSIM names a binary, on a free
// port, without client ports.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
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

export class Meshsim {
  constructor(path) {
    this.path = path;
    this.port = 0; // the kernel chooses one
    this.output = "";
    this.flags = []; // further ones, for the next start
  }

  get url() {
    return `http://127.0.0.1:${this.port}/`;
  }

  /** Starts it, where it was if it ran before. */
  async start() {
    const args = ["--listen", `127.0.0.1:${this.port}`, "--client-ports", "0", "--seed", "7", ...this.flags];
    this.process = spawn(this.path, args, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (this.output += text));
    }
    await until("meshsim answers", async () => {
      if (this.process.exitCode !== null) throw new Error(`meshsim ended: ${this.output}`);
      this.port = Number(/ at http:\/\/localhost:(\d+)\//.exec(this.output)?.[1] ?? 0);
      return this.port > 0 && fetch(`${this.url}api/v1/servers`).then((r) => r.ok, () => false);
    });
    return this;
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

  async server(id) {
    return (await this.get("/servers")).find((s) => s.id === id);
  }

  /** The servers that are not removed. */
  async present() {
    return (await this.get("/servers")).filter((s) => s.state !== "gone");
  }

  link(a, b) {
    return this.get(`/links/${a}/${b}`);
  }

  /** Cuts a server off, or lets it in again. */
  async setCut(id, cut) {
    const links = (await this.get("/links")).filter((l) => l.a === id || l.b === id);
    for (const l of links) await this.ask("PUT", `/links/${l.a}/${l.b}`, { cut });
  }

  /** Scales all latencies, so that what travels can be looked at while it does. */
  async slower(factor) {
    const settings = await this.get("/settings");
    await this.ask("PUT", "/settings", { ...settings, latency_scale_pct: 100 * factor, max_latency_ms: 300 * factor });
  }

  /** Puts servers in a room and waits until all joined, which takes them tens of round trips: in a mesh as small as a town. */
  async room(name, [creator, ...members]) {
    const settings = await this.get("/settings");
    await this.slower(0.05);
    const { id } = await this.ask("POST", "/rooms", { name, creator, members });
    const joined = async () => (await this.get("/rooms")).find((r) => r.id === id)?.members.every((m) => m.state === "joined");
    await until("all joined", joined);
    await this.ask("PUT", "/settings", settings);
    return { id, path: `/rooms/${encodeURIComponent(id)}` };
  }

  say(room, server, body) {
    return this.ask("POST", `${room.path}/messages`, { server, body });
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
