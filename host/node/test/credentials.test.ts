// What opens a connection, and what of it is ever shown.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { parseTarget } from "../dist/connection-config/resolve.js";
import { place } from "../dist/connection-config/target.js";
import { CredentialScope, type Environment, type Sources } from "../dist/credentials.js";
import { policyWith } from "../dist/guard/policy.js";
import { CallLog, type LogLine } from "../dist/log.js";
import { readRequest } from "../dist/request.js";
import { holdsSecret } from "../dist/secret-scan.js";
import { targetOf } from "../dist/supabase.js";

const PROJECT = "https://abcdefghijklmnopqrst.supabase.co";

function fault(run: () => unknown): { kind: string; message: string } {
  try {
    run();
  } catch (error) {
    return error as { kind: string; message: string };
  }
  throw new Error("it did not fail");
}

test("a URL is taken apart, with defaults", () => {
  const full = parseTarget("postgresql://ann:p%40ss@db.example:6543/shop?sslmode=verify-full&sslrootcert=/ca.pem");
  assert.deepEqual([place(full), full.user, full.password?.reveal()], ["db.example:6543", "ann", "p@ss"]);
  assert.deepEqual([full.database, full.sslMode, full.roots], ["shop", "verify-full", "/ca.pem"]);
  const short = parseTarget("postgres://ann@[::1]");
  assert.deepEqual([short.host, short.port, short.database, short.sslMode], ["::1", 5432, "ann", "prefer"]);
  assert.equal(parseTarget("postgres://ann:p@ss@h/d").password?.reveal(), "p@ss");
  assert.equal(parseTarget("postgres://ann@/shop?host=/var/run/postgresql").host, "/var/run/postgresql");
  assert.equal(parseTarget("postgres://u@db.abcdefghijklmnopqrst.supabase.co/d").sslMode, "require");
  assert.equal(parseTarget("postgres://u:100%25%ff@h/d".replace("%ff", "%")).password?.reveal(), "100%%");
});

test("what is wrong is named, and secrets are not", () => {
  assert.match(fault(() => parseTarget("postgres://ann:hunter2@h/d?pgbounce=true")).message, /'pgbounce'.*'pgbouncer'/);
  for (const url of [
    "postgres://ann:hunter2/x@h/d",
    "postgres://ann:p@hunter2/x@h/d",
    "postgres://ann:hunter2@h:99999/d",
    "postgres://ann:hunter2@h/d?sslmode=hunter2",
    "postgres://:hunter2@h/d",
    "mysql://ann:hunter2@h/d",
    "postgres://ann:hunter2@/d",
  ]) {
    const { kind, message } = fault(() => parseTarget(url));
    assert.equal(kind, "credential-invalid", url);
    assert.ok(!message.includes("hunter2"), message);
  }
});

test("a password shows in nothing that is printed", () => {
  const target = parseTarget("postgres://ann:hunter2@h/d");
  const shown = `${inspect(target, { depth: 9 })} ${JSON.stringify(target)} ${target.password}`;
  assert.ok(!shown.includes("hunter2"), shown);
});

test("a project is opened by its database password, and a key that opens something else is told apart", () => {
  const target = targetOf(PROJECT, "hunter2");
  assert.deepEqual(
    [place(target), target.user, target.sslMode],
    ["db.abcdefghijklmnopqrst.supabase.co:5432", "postgres", "require"],
  );
  for (const key of ["eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "sb_secret_abc", "sb_publishable_abc", "sbp_abc"]) {
    const { message } = fault(() => targetOf(PROJECT, key));
    assert.match(message, /database password/);
    assert.ok(!message.includes(key), message);
  }
  assert.equal(targetOf(PROJECT, "eyJust-a-password").password?.reveal(), "eyJust-a-password");
  assert.match(fault(() => targetOf(PROJECT)).message, /nothing that opens it came with it/);
  assert.match(fault(() => targetOf("https://example.com", "x")).message, /https:\/\/<project>.supabase.co/);
  assert.match(fault(() => targetOf("postgres://u:x@h/d", "y")).message, /give one of them/);
});

function found(sources: Sources, { url, key, name }: { url?: string; key?: string; name?: string } = {}) {
  return new CredentialScope(sources, url, key, name).lookup(name);
}

test("request, host and environment are asked in this order", () => {
  const environment: Environment = { SUPABASE_DB_URL: "postgres://u@two/d", DATABASE_URL: "postgres://u@one/d" };
  const map = { default: "postgres://u@mapped/d", test: { url: PROJECT, key: "hunter2" } };
  assert.equal(found({ map, environment }, { url: "postgres://u@requested/d" }).target.host, "requested");
  assert.equal(found({ map, environment }).target.host, "mapped");
  assert.equal(found({ environment }).target.host, "one");
  assert.equal(found({ environment: { ...environment, DATABASE_URL: "" } }).target.host, "two");
  assert.equal(found({ map, environment }, { name: "environment" }).target.host, "one");
  assert.equal(found({ map }, { name: "test" }).target.host, "db.abcdefghijklmnopqrst.supabase.co");
  const project = { SUPABASE_URL: PROJECT, SUPABASE_KEY: "hunter2", PGBOUNCER_URL: "postgres://a:b@p:6432/pgbouncer" };
  assert.equal(found({ environment: project }).console?.host, "p");
});

test("what is not found, or wrong, is told with its place", () => {
  assert.match(fault(() => found({ map: {} }, { name: "other" })).message, /under the name 'other'.*no entry 'other'/);
  assert.match(fault(() => found({}, { name: "hunter2 hunter2" })).message, /no plain name/);
  assert.match(fault(() => found({ map: {} }, { name: "__proto__" })).message, /not found/);
  assert.match(
    fault(() => found({ environment: { DATABASE_URL: "mysql://u:hunter2@h/d" } })).message,
    /^DATABASE_URL: /,
  );
  assert.match(
    fault(() => found({ environment: { SUPABASE_URL: PROJECT } })).message,
    /^SUPABASE_URL and SUPABASE_KEY: /,
  );
  const console = { DATABASE_URL: "postgres://u@h/d", PGBOUNCER_URL: "postgres://u:hunter2@h/shop" };
  assert.match(fault(() => found({ environment: console })).message, /^PGBOUNCER_URL: .*\/pgbouncer/);
  assert.match(fault(() => found({}, { key: "hunter2" })).message, /opens nothing by itself/);
  assert.match(fault(() => found({}, { url: "postgres://u@h/d", name: "x" })).message, /both name a database/);
});

test("a secret where none belongs is refused before a component sees it", () => {
  for (const request of [
    { options: { supabaseKey: "hunter2" } },
    { options: { include: { roles: ["postgres://u:hunter2@h/d"] } } },
    { SUPABASE_KEY: "hunter2" },
    { options: { "access-token": "hunter2" } },
    { action: " postgresql://u:hunter2@h/d" },
    { action: "postgresql+asyncpg://u:hunter2@h/d" },
    { action: "host=h password = hunter2" },
    { "postgres://u:hunter2@h/d": 1 },
    { credential: "u:hunter2@h" },
    "postgres://u:hunter2@h/d",
  ]) {
    const { kind, message } = fault(() => readRequest(request, {}, policyWith()));
    assert.equal(kind, "secret-in-params", JSON.stringify(request));
    assert.ok(!message.includes("hunter2"));
  }
  const request = {
    action: "monitor",
    carry: { groups: ["postgres://x"] },
    options: { include: { roles: ["password_reset"] } },
  };
  assert.equal(holdsSecret({ options: request.options }), false);
  const { input } = readRequest(
    { ...request, supabaseUrl: "postgres://u:hunter2@h/d", supabaseKey: null },
    {},
    policyWith(),
  );
  assert.equal(input, JSON.stringify(request));
});

test("the log's url is a host name and never more", () => {
  for (const [given, shown] of [
    [PROJECT, "abcdefghijklmnopqrst.supabase.co"],
    ["postgres://u:hunter2@db.example:5432/d", "db.example"],
    ["postgres://u:hunter2@[::1]/d", "::1"],
    ["postgres://u:hunter2/x@h/d", "unreadable"],
    ["postgres://u:p@hunter2/x@h/d", "unreadable"],
    ["postgres://u:p@hunter2?x@h,h2:1/d", "h,h2"],
    ["host=h password=x://hunter2", "h"],
    ["password=x://hunter2", "unreadable"],
    ["https://hunter2@h/", "unreadable"],
    ["hunter2", "unreadable"],
    [undefined, "from-vault"],
  ]) {
    const lines: LogLine[] = [];
    new CallLog((line) => lines.push(line), { supabaseUrl: given, action: "hunter2" }).started();
    assert.deepEqual(lines[0]?.context, { action: "unknown", url: shown });
    assert.deepEqual(Object.keys(lines[0] ?? {}), ["timestamp", "skill", "level", "message", "context"]);
  }
});
