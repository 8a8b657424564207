// Sessions on a real server: read-only, exact, bounded, and gone with their call.

import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { DEFAULT_LIMITS } from "archon-connection-pool";
import { parseTarget } from "../dist/connection-config/resolve.js";
import { toRows } from "../dist/row-set.js";
import { Session } from "../dist/session.js";
import type { Value } from "../dist/values.js";
import { Cluster, PASSWORD } from "./cluster.js";
import { CLOCK, lend, statement } from "./host-api.js";
import { until } from "./process.js";

let cluster: Cluster;
before(async () => {
  cluster = await Cluster.start();
  await cluster.run("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
});
after(() => cluster.stop());

const everything = () => true;

/** Runs statements in one batch of a session. */
async function query(sqls: (string | [string, Value[]])[], database = "postgres", limits = {}) {
  const session = await Session.open(parseTarget(cluster.url("postgres", database)), { ...DEFAULT_LIMITS, ...limits });
  try {
    const batch = sqls.map((it) => (typeof it === "string" ? statement(it) : statement(...it)));
    return await session.query(batch, everything);
  } finally {
    await session.close();
  }
}

/** The first row of one statement. */
async function row(sql: string, params: Value[] = [], database = "postgres"): Promise<unknown[]> {
  const [answer] = await query([[sql, params]], database);
  if (!answer || "err" in answer) throw answer?.err;
  return (toRows(answer.ok)[0] ?? []).map((value) => ("val" in value ? value.val : null));
}

test("a session is read-only, has its timeouts and says who it is", async () => {
  const settings = ["transaction_read_only", "statement_timeout", "lock_timeout", "search_path", "application_name"];
  const found = await row(`SELECT ${settings.map((name) => `current_setting('${name}')`).join(", ")}`);
  assert.deepEqual(found, ["on", "15s", "2s", "pg_catalog", "archon-pool"]);
  const [answer] = await query(["CREATE TABLE t (n int)"]);
  assert.ok(answer && "err" in answer && answer.err.sqlstate === "25006", JSON.stringify(answer));
});

test("one statement's failure leaves the others alone, and answers keep their order", async () => {
  const answers = await query(["SELECT 1::int8", "SELECT 1/0", "SELECT nothing", "SELECT 2::int8"]);
  assert.deepEqual(
    answers.map((it) => ("ok" in it ? toRows(it.ok)[0] : it.err.sqlstate)),
    [[{ tag: "int64", val: 1n }], "22012", "42703", [{ tag: "int64", val: 2n }]],
  );
});

test("values are exact", async () => {
  const sql = `SELECT 9223372036854775807::int8, (-9223372036854775808)::int8, 0.1::float8, 'NaN'::float8,
    'Grüße 🐘'::text, '\\x00ff'::bytea, true, NULL::text, '{"a":1}'::jsonb, 4294967295::oid, 1.5::float4, (-7)::int2`;
  const [max, min, tenth, nan, text, bytes, ...rest] = await row(sql);
  assert.deepEqual([max, min, tenth, text], [2n ** 63n - 1n, -(2n ** 63n), 0.1, "Grüße 🐘"]);
  assert.ok(Number.isNaN(nan));
  assert.deepEqual(Buffer.from(bytes as Uint8Array), Buffer.from([0, 255]));
  assert.deepEqual(rest, [true, null, '{"a": 1}', 4_294_967_295n, 1.5, -7n]);
});

test("times are exact to the microsecond, beyond JavaScript's dates, and infinity is the end of time", async () => {
  const sql = `SELECT '1970-01-01 00:00:00.000001+00'::timestamptz, '294276-12-31 23:59:59.999999+00'::timestamptz,
    '4713-01-01 BC'::timestamptz, 'infinity'::timestamptz, '-infinity'::timestamptz`;
  const found = await row(sql);
  // The very last times of PostgreSQL's are beyond 64 bits of microseconds since 1970.
  const [first, last] = [-(2n ** 63n), 2n ** 63n - 1n];
  assert.deepEqual(found, [1n, last, -210_863_520_000_000_000n, last, first]);
});

test("parameters arrive as what they are", async () => {
  const params: Value[] = [
    { tag: "int64", val: 2n ** 63n - 1n },
    { tag: "text", val: "O'Hara \\ 🐘" },
    { tag: "timestamp", val: 1_700_000_000_123_456n },
    { tag: "boolean", val: false },
    { tag: "float64", val: -0.5 },
    { tag: "bytes", val: new Uint8Array([0, 255]) },
    { tag: "null" },
  ];
  const found = await row("SELECT $1, $2, $3, $4, $5, $6, $7::text", params);
  assert.deepEqual(found.slice(0, 5), [2n ** 63n - 1n, "O'Hara \\ 🐘", 1_700_000_000_123_456n, false, -0.5]);
  assert.deepEqual([Buffer.from(found[5] as Uint8Array), found[6]], [Buffer.from([0, 255]), null]);
});

test("a type outside the seven is refused by name, and a byte that nobody can read is shown as such", async () => {
  const [numeric] = await query(["SELECT 1.5 AS price"]);
  assert.ok(numeric && "err" in numeric);
  assert.deepEqual(
    [numeric.err.kind, /'price' has type numeric/.test(numeric.err.message)],
    ["unsupported-type", true],
  );
  const odd = "SELECT convert_from('\\x61ff62', 'SQL_ASCII')";
  assert.deepEqual(await row(odd, [], "ascii"), ["a\ufffdb"]);
});

test("rows and bytes beyond the caps are cut off and said to be", async () => {
  const session = await Session.open(parseTarget(cluster.url()), DEFAULT_LIMITS);
  const many = "SELECT n::int8 FROM generate_series(1, 100000) n";
  let left = 5;
  const [few, small, exact] = await Promise.all([
    session.query([statement(many, [], 3)], everything),
    session.query([statement(many, [], 1_000_000)], () => left-- > 0),
    session.query([statement("SELECT generate_series(1, 3)::int8", [], 3)], everything),
  ]);
  await session.close();
  const told = [few, small, exact].map((answers) => {
    const [answer] = answers ?? [];
    return answer && "ok" in answer ? [answer.ok.count, answer.ok.truncated] : answer;
  });
  assert.deepEqual(told, [
    [3, true],
    [5, true],
    [3, false],
  ]);
});

test("what one call may read and say is counted", async () => {
  const sql = CLOCK?.sql ?? "";
  const { hostApi, credential } = await lend({
    url: cluster.url(),
    limits: { statements: 2, sessions: 1, probes: 2, hostCalls: 9, answerRows: 1, orders: 1 },
  });
  const { session } = await hostApi.call("session.open", { credential });
  await assert.rejects(hostApi.call("session.open", { credential }), /limit `sessions`/);
  const batch = (count: number) => hostApi.call("session.query", { session, batch: Array(count).fill(statement(sql)) });
  await assert.rejects(batch(3), /limit `statements`/);
  const answers = await batch(2);
  assert.deepEqual(
    answers.map((it) => it.tag === "ok" && it.val.truncated),
    [false, true],
  );
  await assert.rejects(batch(1), /limit `answer(Rows|Bytes)`/);
  await assert.rejects(hostApi.call("database.probe", { credential, count: 3, timeoutMs: 1_000 }), /limit `probes`/);
  const order = { pid: 1, backendStart: 0n, signal: "terminate", state: "idle", stateChange: 0n, reason: "" } as const;
  await assert.rejects(
    hostApi.call("backends.deliver", { session, orders: [order, order], dryRun: true }),
    /limit `orders`/,
  );
  await hostApi.call("session.access-path", { session });
  await assert.rejects(hostApi.call("session.access-path", { session }), /limit `hostCalls`/);
  await hostApi.close();
});

test("a session that the server ends says why, and the next is refused for the same reason", async () => {
  const session = await Session.open(parseTarget(cluster.url()), DEFAULT_LIMITS);
  const asking = session.query([statement("SELECT pg_sleep(60)"), statement("SELECT 1::int8")], everything);
  asking.catch(() => {});
  const victims = "FROM pg_stat_activity WHERE application_name = 'archon-pool' AND query LIKE '%pg_sleep%'";
  await until("it sleeps", async () => (await cluster.run(`SELECT 1 ${victims} AND state = 'active'`)).rowCount === 1);
  await cluster.run(`SELECT pg_terminate_backend(pid) ${victims}`);
  const lost = { kind: "connection-lost", sqlstate: "57P01", retryable: true };
  await assert.rejects(asking, lost);
  await assert.rejects(session.query([statement("SELECT 1::int8")], everything), lost);
});

test("a session that is closed in the middle of a statement leaves nothing behind", async () => {
  const session = await Session.open(parseTarget(cluster.url()), DEFAULT_LIMITS);
  const asking = session.query([statement("SELECT pg_sleep(14)")], everything);
  asking.catch(() => {});
  await until("it sleeps", async () => {
    const sql = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'archon-pool' AND wait_event = 'PgSleep'";
    return (await cluster.run(sql)).rowCount === 1;
  });
  await session.close();
  await until("it is gone", async () => (await cluster.count("archon-pool")) === 0);
});

test("what keeps a session from being opened is told with what to change", async () => {
  const wrong = { ...parseTarget(cluster.url().replace(PASSWORD, "wrong")) };
  await assert.rejects(Session.open(wrong, DEFAULT_LIMITS), { kind: "authentication-failed", sqlstate: "28P01" });
  const none = { ...wrong, password: undefined };
  await assert.rejects(Session.open(none, DEFAULT_LIMITS), /asks for a password, and the credential has none/);
  const nowhere = parseTarget(cluster.url("postgres", "nowhere"));
  await assert.rejects(Session.open(nowhere, DEFAULT_LIMITS), { kind: "database-not-found", sqlstate: "3D000" });
  const nobody = { ...wrong, port: 1 };
  await assert.rejects(Session.open(nobody, DEFAULT_LIMITS), { kind: "server-unreachable", retryable: true });
  const encrypted = { ...parseTarget(cluster.url()), sslMode: "require" as const };
  await assert.rejects(Session.open(encrypted, DEFAULT_LIMITS), /no TLS with .*set sslmode=prefer/);
});

test("a server that says nothing is given up after the connect timeout", async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  const target = { ...parseTarget(cluster.url()), port };
  const opening = Session.open(target, { ...DEFAULT_LIMITS, connectTimeoutMs: 50 });
  await assert.rejects(opening, /no session within 50 ms \(limit `connectTimeoutMs`\)/);
  for (const socket of sockets) socket.destroy();
  silent.close();
});

test("the settings do not come from this process's environment", async () => {
  process.env.PGOPTIONS = "-c statement_timeout=1";
  process.env.PGAPPNAME = "somebody";
  try {
    const target = { ...parseTarget(cluster.url()), options: "-c statement_timeout=2" };
    const session = await Session.open(target, DEFAULT_LIMITS);
    const [answer] = await session.query([statement("SELECT current_setting('statement_timeout')")], everything);
    await session.close();
    assert.deepEqual(answer && "ok" in answer && toRows(answer.ok), [[{ tag: "text", val: "15s" }]]);
  } finally {
    delete process.env.PGOPTIONS;
    delete process.env.PGAPPNAME;
  }
});
