// Refusals at login: the conformance kit's table, told by a server that says just that, and by real poolers.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import pg from "pg";
import { parseTarget } from "../dist/connection-config/resolve.js";
import type { Fault } from "../dist/fault.js";
import { limitsWith } from "../dist/limits.js";
import { refused } from "../dist/refusal.js";
import { fromServer } from "../dist/server-error.js";
import { Session } from "../dist/session.js";
import { errorResponse } from "./bytes.js";
import { Cluster, PASSWORD } from "./cluster.js";
import { kit } from "./kit.js";
import { ADMIN, PgBouncer } from "./pgbouncer.js";
import { ScriptedServer } from "./scripted.js";

interface Row {
  says: { severity: string; sqlstate: string; message: string };
  kind: string;
  retryable: boolean;
  who: string;
  /** Of an open session, where it is not of a login. */
  at?: "statement";
  /** `tried`: TLS was tried, too. */
  tls?: "tried";
}

const rows = JSON.parse(readFileSync(join(kit, "refusals.json"), "utf8")) as Row[];

let cluster: Cluster;
before(async () => {
  cluster = await Cluster.start({ max_connections: "12" });
  await cluster.run(`CREATE ROLE few LOGIN CONNECTION LIMIT 0 PASSWORD '${PASSWORD}'`);
});
after(() => cluster.stop());

const failed = (url: string): Promise<Fault> =>
  Session.open(parseTarget(url), limitsWith()).then(
    () => assert.fail("a session was opened"),
    (fault) => fault,
  );

test("every refusal of the table is classified, through the wire", async () => {
  const wrong: unknown[] = [];
  for (const { says, kind, retryable, who, tls } of rows.filter(({ at }) => at === undefined)) {
    const { severity, sqlstate, message } = says;
    const server = await ScriptedServer.start(() => [errorResponse(severity, sqlstate, message)]);
    const fault = await failed(server.url(tls === undefined ? "sslmode=disable" : "sslmode=prefer"));
    await server.stop();
    assert.equal(/sslmode=require[ ,]/.test(fault.message) && tls !== undefined, false, fault.message);
    const found = [fault.kind, fault.retryable, fault.sqlstate];
    if (found.join() !== [kind, retryable, sqlstate].join()) wrong.push([who, message, found]);
    assert.ok(fault.message.includes(message) || ["credential-invalid", "insufficient-privilege"].includes(kind));
  }
  assert.deepEqual(wrong, []);
});

test("what poolers say to a statement is classified", () => {
  for (const { says, kind, retryable } of rows.filter(({ at }) => at === "statement")) {
    const { severity, sqlstate, message } = says;
    const fault = fromServer({ fatal: severity === "FATAL", code: sqlstate, message, said: message });
    assert.deepEqual([fault.kind, fault.retryable], [kind, retryable], message);
  }
});

test("no refusal is a failed query", () => {
  const target = parseTarget("postgres://ann@h/shop");
  for (const code of ["08P01", "XX000", "58000", "22000", "", "0A000", "57014", "42P01"]) {
    const fault = refused({ fatal: true, code, message: "something new", said: "" }, target);
    assert.notEqual(fault.kind, "query-failed", code);
  }
});

test("a pooler that has no connection for a statement is full, and not broken", () => {
  const kindOf = (code: string, message: string) => fromServer({ fatal: true, code, message, said: message }).kind;
  assert.equal(kindOf("08P01", "query_wait_timeout"), "too-many-connections");
  assert.equal(kindOf("XX000", "(ECHECKOUTTIMEOUT) Pool checkout timeout"), "too-many-connections");
  assert.equal(kindOf("58000", "could not get connection from the pool - CheckoutTimeout"), "too-many-connections");
  assert.equal(kindOf("08P01", "server conn crashed?"), "connection-lost");
  assert.equal(kindOf("", "query_wait_timeout"), "too-many-connections");
  assert.equal(kindOf("22012", "division by zero"), "query-failed");
});

test("a limit is named as this host spells it, and braces in the server's words stay", () => {
  const fault = fromServer({ fatal: false, code: "57014", message: "", said: "canceled {limit} {user}" });
  assert.equal(
    fault.message,
    "the statement did not finish: canceled {limit} {user}; raise limit `statementTimeoutMs` if the server is merely slow",
  );
  const target = parseTarget("postgres://ann@h/shop");
  const server = { fatal: true, code: "28P01", message: "", said: "{database} $& $1" };
  assert.match(refused(server, target).message, /^h:5432 refused role 'ann': \{database\} \$& \$1; check/);
});

test("a real server's refusals are told with what helps", async () => {
  const full = await failed(cluster.url("few"));
  assert.deepEqual([full.kind, full.sqlstate, full.retryable], ["too-many-connections", "53300", true]);
  const nowhere = await failed(cluster.url("postgres", "nowhere"));
  assert.deepEqual([nowhere.kind, nowhere.sqlstate], ["database-not-found", "3D000"]);
  const parameter = await failed(`${cluster.url()}?options=-c%20lock_timeoutt%3D1`);
  assert.deepEqual([parameter.kind, /lock_timeoutt/.test(parameter.message)], ["credential-invalid", true]);
});

test("a real PgBouncer's refusals are told from those of a server", async () => {
  const bouncer = await PgBouncer.before(cluster, { max_client_conn: "2", query_wait_timeout: "1" }, [
    "narrow = @ dbname=postgres pool_size=1",
  ]);
  const holding = new pg.Client({ connectionString: bouncer.url("narrow"), ssl: false });
  holding.on("error", () => {});
  try {
    await holding.connect();
    await holding.query("BEGIN");
    // PgBouncer admits a client before it has a server's connection for it.
    const waiting = await failed(bouncer.url("narrow"));
    assert.deepEqual([waiting.kind, waiting.retryable], ["too-many-connections", true], waiting.message);
    const console = await failed(bouncer.url("pgbouncer", ADMIN));
    assert.deepEqual([console.kind, console.retryable], ["credential-invalid", false], console.message);
    assert.match(console.message, /admin console: give this URL as `pooler`/);
    const wrong = await failed(bouncer.url().replace(PASSWORD, "wrong"));
    assert.equal(wrong.kind, "authentication-failed", wrong.message);
    const more = new pg.Client({ connectionString: bouncer.url(), ssl: false });
    more.on("error", () => {});
    await more.connect();
    const full = await failed(bouncer.url());
    assert.deepEqual([full.kind, full.retryable], ["too-many-connections", true], full.message);
    await more.end();
  } finally {
    await holding.end();
    await bouncer.stop();
  }
});
