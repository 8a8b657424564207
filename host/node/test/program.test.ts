// The command `archon-connection-pool`, which runs the program archon-pool.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { scratch } from "./process.js";

const launcher = fileURLToPath(new URL("../bin/archon-connection-pool.mjs", import.meta.url));

function run(program: string, ...args: string[]) {
  const env = { ...process.env, ARCHON_POOL_PROGRAM: program };
  return spawnSync(process.execPath, [launcher, ...args], { env, encoding: "utf8" });
}

function script(text: string) {
  const program = join(scratch(), "archon-pool");
  writeFileSync(program, `#!/bin/sh\n${text}\n`, { mode: 0o700 });
  return program;
}

test("the program gets the arguments and gives its status", () => {
  const done = run(script('printf "%s\\n" "$@"; exit 7'), "mcp", "--credential", "a b");
  assert.deepEqual([done.status, done.stdout], [7, "mcp\n--credential\na b\n"]);
});

test("the signal that ended the program ends the command", () => {
  assert.equal(run(script("kill -TERM $$")).signal, "SIGTERM");
});

test("a missing program is named with the variable", () => {
  const done = run(join(scratch(), "nothing"), "mcp");
  assert.equal(done.status, 3);
  assert.match(done.stderr, /ARCHON_POOL_PROGRAM/);
});
