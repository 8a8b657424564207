// PgBouncer: its console, and statements that go through it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SupabaseConnectionPool } from "archon-connection-pool";
import { parseTarget } from "../dist/connection-config/resolve.js";
import { limitsWith } from "../dist/limits.js";
import { toRows } from "../dist/row-set.js";
import { Session } from "../dist/session.js";
import { Cluster } from "./cluster.js";
import { type Asked, lend, statement } from "./host-api.js";
import { PgBouncer, WATCHER } from "./pgbouncer.js";

let cluster: Cluster;
let bouncer: PgBouncer;
before(async () => {
  cluster = await Cluster.start();
  bouncer = await PgBouncer.before(cluster, {}, ["fixed = @ dbname=postgres pool_size=3"]);
});
after(async () => {
  await bouncer?.stop();
  await cluster.stop();
});

const SCALE = { action: "auto-scale", options: { minSize: 5, maxSize: 50, growthRate: 20, shrinkRate: 20 } };

async function onConsole(asked: Partial<Asked> = {}) {
  const lent = await lend({ url: cluster.url(), console: bouncer.console(), request: SCALE, ...asked });
  const { console } = await lent.hostApi.call("console.open", { credential: lent.credential });
  const resize = (size: number, more: { pool?: string; dryRun?: boolean } = {}) =>
    lent.hostApi.call("scaling.resize", { console, size, reason: "a test", dryRun: false, ...more });
  return { ...lent, console, resize };
}

test("views are shown by name, and no text reaches the console that is none", async () => {
  const { hostApi, console } = await onConsole();
  assert.equal(await hostApi.call("console.kind", { console }), "pgbouncer");
  const views = ["config", "pools", "POOLS", "pools; SHUTDOWN", "version"];
  const answers = await hostApi.call("console.show", { console, views });
  assert.deepEqual(
    answers.map((it) => (it.tag === "ok" ? "ok" : it.val.kind)),
    ["ok", "ok", "unsupported-view", "unsupported-view", "ok"],
  );
  const [config] = answers;
  assert.ok(config?.tag === "ok");
  const key = config.val.columns.findIndex(({ name }) => name === "key");
  assert.ok(toRows(config.val).some((row) => row[key]?.tag === "text" && row[key].val === "default_pool_size"));
  await hostApi.close();
});

test("a pool is resized within bounds and pace, once in a call, and read back", async () => {
  const { hostApi, resize, records } = await onConsole();
  const outcome = async (size: number, more = {}) => {
    const { before, after, executed, note } = await resize(size, more);
    return { before, after, executed, note };
  };
  assert.match((await outcome(20)).note, /from 10 to 20 is a step of 10, and options.growthRate, 20 %, allows 2/);
  assert.match((await outcome(10)).note, /has this size already/);
  assert.match((await outcome(12, { pool: "nowhere" })).note, /no database 'nowhere'/);
  assert.match((await outcome(4, { pool: "fixed" })).note, /edit pool_size of \[databases\] fixed/);
  const dry = await outcome(12, { dryRun: true });
  assert.deepEqual([dry.before, dry.after, dry.executed], [10, undefined, false]);
  assert.equal(await bouncer.setting("default_pool_size"), "10");
  const done = await outcome(12);
  assert.deepEqual([done.before, done.after, done.executed], [10, 12, true]);
  assert.match(done.note, /it lasts until PgBouncer is reloaded.*database 'fixed' with a pool_size of their own/);
  assert.equal(await bouncer.setting("default_pool_size"), "12");
  assert.match((await outcome(13)).note, /changes the size of a pool once/);
  assert.deepEqual(records.map(({ outcome }) => outcome).slice(-3), ["sending", "executed", "denied"]);
  await hostApi.close();
  const back = await onConsole();
  assert.equal((await back.resize(10)).executed, true);
  await back.hostApi.close();
});

test("nothing is resized unless the request and the policy ask for just that", async () => {
  for (const [asked, told] of [
    [{ request: { action: "kill-idle" } }, /only auto-scale changes pools/],
    [{ request: { ...SCALE, options: { allowAutoScaling: false } } }, /allowAutoScaling is false/],
    [{ request: { ...SCALE, options: { minSize: "5" } } }, /options.minSize is not in its range/],
    [{ policy: { resize: false } }, /set the policy's resize/],
    [{ policy: { apply: false } }, /set the policy's apply/],
    [{ policy: { maxResizesPerHour: 0 } }, /maxResizesPerHour/],
    [{ consent: () => "not now" }, /consent was not given: not now/],
  ] as [Partial<Asked>, RegExp][]) {
    const { hostApi, resize } = await onConsole(asked);
    const { executed, note } = await resize(11);
    assert.equal(executed, false);
    assert.match(note, told);
    await hostApi.close();
  }
  assert.equal(await bouncer.setting("default_pool_size"), "10");
});

test("whoever may only look is told so", async () => {
  const { hostApi, resize } = await onConsole({ console: bouncer.console(WATCHER) });
  await assert.rejects(resize(11), { kind: "insufficient-privilege", message: /add it to admin_users/ });
  await hostApi.close();
});

test("server connections are reconnected by the name of their database", async () => {
  await runThrough(bouncer.url());
  const { hostApi, console } = await onConsole();
  const reconnect = (database: string) =>
    hostApi.call("scaling.reconnect", { console, database, reason: "a test", dryRun: false });
  assert.match((await reconnect(`x"; SHUTDOWN`)).note, /no database/);
  assert.equal((await reconnect("fixed")).executed, true);
  await hostApi.close();
});

test("a server that is no pooler is told from one", async () => {
  const { hostApi, credential } = await lend({ url: cluster.url(), console: cluster.url("postgres", "pgbouncer") });
  await assert.rejects(hostApi.call("console.open", { credential }), /is no PgBouncer/);
  await hostApi.close();
  const without = await lend({ url: cluster.url() });
  await assert.rejects(without.hostApi.call("console.open", { credential: without.credential }), { kind: "no-pooler" });
  await without.hostApi.close();
});

test("behind a transaction pooler every statement is still bounded and nothing of it stays", async () => {
  await runThrough(bouncer.url());
  const { hostApi, credential } = await lend({ url: bouncer.url() });
  const { session } = await hostApi.call("session.open", { credential });
  assert.equal(await hostApi.call("session.access-path", { session }), "pooled");
  await hostApi.close();
});

test("a full analysis and an automatic resize work with the console", async () => {
  const pool = new SupabaseConnectionPool({
    environment: false,
    credentials: { default: { url: cluster.url(), pooler: bouncer.console() } },
  });
  const { data, error } = await pool.run({ action: "full-analysis", options: { sampleMs: 0 } });
  assert.ok(data, JSON.stringify(error));
  assert.equal(data.scaling.controller, "pgbouncer");
  const scaled = await pool.run({ action: "auto-scale", options: { ...SCALE.options, sampleMs: 0 } });
  assert.equal(scaled.success, true, JSON.stringify(scaled.error));
});

/** Runs statements through the pooler, each of which must be bounded. */
async function runThrough(url: string): Promise<void> {
  const session = await Session.open(parseTarget(url), limitsWith());
  const show = (name: string) => statement(`SELECT current_setting('${name}')`);
  const answers = await session.query(
    [show("transaction_read_only"), statement("SELECT 1/0"), show("statement_timeout"), show("search_path")],
    () => true,
  );
  await session.close();
  assert.deepEqual(
    answers.map((it) => ("ok" in it ? toRows(it.ok)[0]?.map((value) => "val" in value && value.val) : it.err.sqlstate)),
    [["on"], "22012", ["15s"], ["pg_catalog"]],
  );
}

test("a parameter that cannot be sent fails its statement, and leaves no transaction open", async () => {
  const session = await Session.open(parseTarget(bouncer.url()), limitsWith());
  assert.equal(session.accessPath, "pooled");
  const odd = statement("SELECT $1", [{ tag: "timestamp", val: -(2n ** 63n) + 5n }]);
  const answers = await session.query([odd, statement("SELECT 1::int8"), odd], () => true);
  assert.deepEqual(
    answers.map((it) => ("ok" in it ? toRows(it.ok) : it.err.kind)),
    ["query-failed", [[{ tag: "int64", val: 1n }]], "query-failed"],
  );
  const open = "SELECT count(*)::int8 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
  const [count] = await session.query([statement(open)], () => true);
  assert.deepEqual(count && "ok" in count ? toRows(count.ok) : count, [[{ tag: "int64", val: 0n }]]);
  await session.close();
});
