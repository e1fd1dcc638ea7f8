// Runs the browser tests, one file more at once than there are processors, for they wait a lot: builds meshsim once, and
// lets node's test runner do the rest. Arguments name test files; without any, all run.
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { binary } from "./meshsim.mjs";

const MOST = 4; // files at once: each has a browser of its own

const here = fileURLToPath(new URL("./", import.meta.url));
const wanted = process.argv.slice(2);
const files = wanted.length > 0 ? wanted : readdirSync(here).filter((f) => f.endsWith(".test.mjs")).map((f) => here + f);
rmSync(fileURLToPath(new URL("../../artefacts/failed", import.meta.url)), { recursive: true, force: true });
const env = { ...process.env, MESHSIM: binary() };
const concurrency = `--test-concurrency=${Math.min(MOST, availableParallelism() + 1)}`;
const { status } = spawnSync(process.execPath, ["--test", concurrency, ...files], { stdio: "inherit", env });
process.exit(status ?? 1);
