// Compiles the tests and runs them: all, or the files that are named.

import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
rmSync(join(root, "build"), { recursive: true, force: true });
run("node_modules/typescript/bin/tsc", "--project", "tsconfig.test.json");
const wanted = process.argv.slice(2);
const files = readdirSync(join(root, "build")).filter((file) => file.endsWith(".test.js"));
const chosen = files.filter((file) => wanted.length === 0 || wanted.some((word) => file.startsWith(word)));
// A test that never ends fails by its name. A whole file is a test as well, and takes minutes on a busy machine.
run("--test", "--test-reporter=spec", "--test-timeout=900000", ...chosen.map((file) => join("build", file)));

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
