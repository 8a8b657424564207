// Look-ups of names that are never answered: a call leaves two of them behind, and no other call waits for it.

import assert from "node:assert/strict";
import dns from "node:dns";
import promises from "node:dns/promises";
import { syncBuiltinESMExports } from "node:module";
import { isIP } from "node:net";
import { after, afterEach, before, test } from "node:test";
import { parseTarget } from "../dist/connection-config/resolve.js";
import { limitsWith } from "../dist/limits.js";
import { Session } from "../dist/session.js";
import { lend } from "./host-api.js";
import { ready, ScriptedServer } from "./scripted.js";

const LOCAL = { address: "127.0.0.1", family: 4 };
const real = { lookup: dns.lookup, promised: promises.lookup };
/** Names that were looked up. None but `localhost` has an answer. */
let names: string[] = [];

function install(lookup: unknown, promised: unknown): void {
  Object.assign(dns, { lookup });
  Object.assign(promises, { lookup: promised });
  syncBuiltinESMExports();
}

before(() => {
  type Callback = (error: Error | null, found: unknown) => void;
  const lookup = (name: string, options: object, callback: Callback) => {
    // A server's own address, which is none to look up.
    if (isIP(name)) return real.lookup(name, options, callback);
    names.push(name);
    if (name === "localhost") process.nextTick(() => callback(null, [LOCAL]));
  };
  const promised = (name: string) => {
    names.push(name);
    return name === "localhost" ? Promise.resolve([LOCAL]) : new Promise(() => {});
  };
  install(lookup, promised);
});
after(() => install(real.lookup, real.promised));
afterEach(() => {
  names = [];
});

const silent = (count: number, more = "") =>
  `postgres://ann:hunter2@${Array.from({ length: count }, (_, index) => `h${index}.invalid:1`)}${more}/shop`;

test("a session with a list of silent names leaves two look-ups behind", async () => {
  const opening = Session.unchecked(parseTarget(silent(16)), limitsWith({ connectTimeoutMs: 800 }));
  await assert.rejects(opening, { kind: "server-unreachable" });
  assert.deepEqual(names, ["h0.invalid", "h1.invalid"]);
});

test("a call with sessions and probes at silent names leaves two look-ups behind", async () => {
  const { hostApi, credential } = await lend({ url: silent(8), limits: { connectTimeoutMs: 400 } });
  const probing = hostApi.call("database.probe", { credential, count: 8, timeoutMs: 400 });
  await assert.rejects(hostApi.call("session.open", { credential }), { kind: "server-unreachable" });
  assert.ok((await probing).every(({ tag }) => tag === "err"));
  await hostApi.close();
  assert.equal(names.length, 2, names.join());
});

test("a name behind a silent one is looked up, and other calls have their own look-ups", async () => {
  const server = await ScriptedServer.start(() => [ready()]);
  try {
    const limits = limitsWith({ connectTimeoutMs: 4_000 });
    const after = parseTarget(silent(1, `,localhost:${server.port}`));
    const [failedOver, others] = await Promise.all([
      Session.unchecked({ ...after, connectTimeoutMs: 200 }, limits),
      Promise.all(
        [2, 3].map(() => Session.unchecked(parseTarget(`postgres://ann@localhost:${server.port}/d`), limits)),
      ),
    ]);
    for (const session of [failedOver, ...others]) await session.close();
    assert.deepEqual([failedOver.target.host, names.length], ["localhost", 4]);
  } finally {
    await server.stop();
  }
});

test("probes at one name share its look-up", async () => {
  const server = await ScriptedServer.start(() => [ready()]);
  try {
    const { hostApi, credential } = await lend({ url: `postgres://ann@localhost:${server.port}/shop` });
    await hostApi.call("database.probe", { credential, count: 8, timeoutMs: 400 });
    await hostApi.close();
    assert.deepEqual(names, ["localhost"]);
  } finally {
    await server.stop();
  }
});
