// Runs the browser tests one after the other: builds the page and meshsim once, and lets node's test runner
// do the rest. Arguments name test files; without any, all run.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { binary } from "./meshsim.mjs";

const here = fileURLToPath(new URL("./", import.meta.url));
const wanted = process.argv.slice(2);
const files = wanted.length > 0 ? wanted : readdirSync(here).filter((f) => f.endsWith(".test.mjs")).map((f) => here + f);
const env = { ...process.env, MESHSIM: binary() };
const { status } = spawnSync(process.execPath, ["--test", "--test-concurrency=1", ...files], { stdio: "inherit", env });
process.exit(status ?? 1);
