// The examples of the package, run as they are.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { SkillOutput } from "archon-connection-pool";
import { Cluster } from "./cluster.js";

let cluster: Cluster;
before(async () => {
  cluster = await Cluster.start();
});
after(() => cluster.stop());

const path = (name: string) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url));

async function run(name: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, DATABASE_URL: cluster.url() };
  return (await promisify(execFile)(process.execPath, [path(name), ...args], { env })).stdout;
}

test("the smallest host reads a live server, in under 60 lines", async () => {
  const session = await cluster.session("checkout-service");
  await session.query("BEGIN");
  const input = JSON.stringify({ action: "monitor", options: { sampleMs: 100 } });
  const { success, data, error } = JSON.parse(await run("minimal.mjs", input)) as SkillOutput;
  assert.equal(success, true, JSON.stringify(error));
  assert.deepEqual(data?.poolStats.connections.byApplication, [{ name: "checkout-service", count: 1 }]);
  assert.ok(readFileSync(path("minimal.mjs"), "utf8").trimEnd().split("\n").length < 60);
  const refused = JSON.parse(await run("minimal.mjs", "no JSON")) as SkillOutput;
  assert.equal(refused.error?.kind, "invalid-params");
});

test("the first example prints what a pool looks like", async () => {
  const text = await run("first.mjs");
  assert.match(text, /of 37 usable connections are taken/);
});
