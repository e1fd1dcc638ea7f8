// Checks that what is committed is what the sources give: dist from src, and src/wire.ts from the API's
// OpenAPI document.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const web = fileURLToPath(new URL("../", import.meta.url));
const fresh = mkdtempSync(join(tmpdir(), "meshsim-web-"));
const stale = [];

try {
  await build({ root: web, logLevel: "error", build: { outDir: join(fresh, "dist"), emptyOutDir: true } });
  const names = new Set([...readdirSync(join(web, "dist")), ...readdirSync(join(fresh, "dist"))]);
  for (const name of names) compare(join(web, "dist", name), join(fresh, "dist", name), "npm run build");

  const document = join(web, "../api/openapi.json");
  const options = { cwd: web, stdio: ["ignore", "ignore", "inherit"] };
  execFileSync(process.execPath, ["node_modules/openapi-typescript/bin/cli.js", document, "-o", join(fresh, "wire.ts")], options);
  compare(join(web, "src/wire.ts"), join(fresh, "wire.ts"), "npm run wire");
} finally {
  rmSync(fresh, { recursive: true });
}

for (const line of stale) console.error(line);
process.exit(stale.length === 0 ? 0 : 1);

function compare(committed, made, remedy) {
  if (!bytes(committed)?.equals(bytes(made) ?? Buffer.from("nothing"))) {
    stale.push(`${committed.slice(web.length)} is not what the sources give: run ${remedy} in web and commit it`);
  }
}

function bytes(path) {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
