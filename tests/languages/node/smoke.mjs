// Loads the components in Node, as a JavaScript platform would: jco turns each into plain ES modules.
//
//     node smoke.mjs FOLDER-OF-COMPONENTS SNAPSHOT.json WORK-FOLDER
//
// Prints the report of `analyse` as canonical JSON, for comparison with what other runtimes print.

import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { transpile } from "@bytecodealliance/jco";

const PACKAGE = "archon:connection-pool";
const SUSPECTS = ["checkout-service", "invoice-worker"];
const ACTIONS = ["monitor", "detect-leaks", "health-check", "auto-scale", "kill-idle", "full-analysis"];

// WIT's 64-bit integers are BigInt in JavaScript. These are the fields of `snapshot` and `options`
// that have one; JSON.parse cannot know.
const LONG = new Set(
  (
    "takenAt startedAt backendStart stateChange xactStart queryStart xminAge waitingSince at statsReset transactions " +
    "sessions abandoned backends calls idleTimeoutMs maxConnectionAge leakDetectionThreshold healthCheckInterval " +
    "maxKillPercentage minSize maxSize growthRate shrinkRate idleInTransactionTimeoutMs sampleMs askedAt maxWaitUs " +
    "waitUs queries transactionUs queryUs copiedBytes preparedAt"
  ).split(" "),
);

const [components, snapshotFile, work] = process.argv.slice(2);
if (!work) {
  console.error("usage: smoke.mjs FOLDER-OF-COMPONENTS SNAPSHOT.json WORK-FOLDER");
  process.exit(2);
}

const report = await analyser();
await manager();
process.stdout.write(canonical(report) + "\n");
console.error("node: 2 passed, 0 failed");

// The analyser needs nothing from its host.
async function analyser() {
  const { [`${PACKAGE}/analysis@1.0.0`]: analysis } = await load("pool-analyser", {});
  const revive = (key, value) => {
    // JavaScript spells an absent option `undefined`.
    if (value === null) return undefined;
    return typeof value === "number" && LONG.has(key) ? BigInt(value) : value;
  };
  const snapshot = JSON.parse(await readFile(snapshotFile, "utf8"), revive);
  // A reviver that returns undefined deletes the property, which lowers as an absent option too.
  const report = analysis.analyse(snapshot, {}, undefined);

  assert.equal(report.action, "full-analysis");
  const clients = snapshot.backends.filter((it) => it.backendType === "client backend" && !it.own);
  assert.equal(report.poolStats.connections.total, clients.length);
  assert.equal(report.leakDetection.detected, true, "the planted leak was not found");
  const suspects = new Set(report.leakDetection.suspectedConnections.map((it) => it.application));
  assert.deepEqual([...suspects].sort(), SUSPECTS);
  assert.equal(typeof report.analysisDuration, "bigint");
  assert.equal(canonical(analysis.analyse(snapshot, {}, undefined)), canonical(report), "the same twice");

  // An error of WIT's `result` is thrown, with the record as its payload.
  const outOfRange = () => analysis.analyse(snapshot, { idleTimeoutMs: 1n }, undefined);
  assert.throws(outOfRange, (error) => /idleTimeoutMs/.test(error.payload.message));
  return report;
}

// The manager asks for every power; these stubs lend none, and `describe` and bad input need none.
async function manager() {
  const lent = [];
  const refuse = (what) => () => {
    lent.push(what);
    throw { kind: "no-power", message: `${what} is a stub`, retryable: false };
  };
  class Credential {}
  class Session {
    static open = refuse("session.open");
  }
  class Console {
    static open = refuse("console.open");
  }
  // jco names exports with their version and imports without.
  const { [`${PACKAGE}/skill@1.0.0`]: skill } = await load("pool-manager", {
    [`${PACKAGE}/types`]: {},
    [`${PACKAGE}/credentials`]: { Credential, lookup: refuse("credentials.lookup") },
    [`${PACKAGE}/database`]: { Session, probe: refuse("database.probe") },
    [`${PACKAGE}/pooler`]: { Console },
    [`${PACKAGE}/backends`]: { deliver: refuse("backends.deliver") },
    [`${PACKAGE}/scaling`]: { resize: refuse("scaling.resize"), reconnect: refuse("scaling.reconnect") },
  });

  const description = skill.describe();
  JSON.parse(description);
  for (const action of ACTIONS) assert.ok(description.includes(`"${action}"`), `describe does not name ${action}`);
  assert.deepEqual(lent, [], "describe used a power");

  // The JSON door answers bad input and a host's refusal alike: never by a trap.
  assert.equal(JSON.parse(skill.run("no JSON at all")).success, false);
  const refused = JSON.parse(skill.run(`{"action":"monitor"}`));
  assert.deepEqual([refused.success, refused.error.kind, lent], [false, "no-power", ["credentials.lookup"]]);
}

async function load(name, imports) {
  const wasm = await readFile(join(components, `${name}.wasm`));
  const { files } = await transpile(wasm, { name, instantiation: "async" });
  const folder = resolve(work, name);
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  const { instantiate } = await import(pathToFileURL(join(folder, `${name}.js`)));
  return instantiate(async (path) => WebAssembly.compile(await readFile(join(folder, path))), imports);
}

// Sorted keys, no spaces, absent options as null, numbers as ECMAScript writes them (RFC 8785).
function canonical(value) {
  if (value === undefined || value === null) return "null";
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${members.join(",")}}`;
}
