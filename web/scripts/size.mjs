// Checks that the built page stays small: what a browser fetches, compressed, against the budget.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET = 250_000; // bytes, compressed

const dist = new URL("../dist/", import.meta.url);
const sizes = readdirSync(dist).map((name) => [name, gzipSync(readFileSync(new URL(name, dist))).length]);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);
for (const [name, size] of sizes) console.log(`${String(size).padStart(8)}  ${name}`);
console.log(`${String(total).padStart(8)}  of ${BUDGET} bytes`);
process.exit(total <= BUDGET ? 0 : 1);
