// Sessions opened as psql opens them: variables, files, sockets, several hosts.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Host } from "archon-connection-pool";
import { CredentialScope, type Sources } from "../dist/credentials.js";
import { limitsWith } from "../dist/limits.js";
import { Session } from "../dist/session.js";
import { Cluster, PASSWORD } from "./cluster.js";
import { own, scratch } from "./process.js";
import { ready, ScriptedServer } from "./scripted.js";

let cluster: Cluster;
let sockets: string;
before(async () => {
  sockets = join(scratch(), "sockets");
  mkdirSync(sockets);
  own(sockets);
  cluster = await Cluster.start({ unix_socket_directories: sockets });
});
after(() => cluster.stop());

/** Opens the default credential of these sources, and hands out where it leads and what is noted of it. */
async function open(sources: Sources): Promise<{ host: string; notes: readonly string[] }> {
  const { target } = new CredentialScope(sources).lookup(undefined);
  const session = await Session.open(target, limitsWith());
  const { notes } = session;
  await session.close();
  return { host: session.target.host, notes };
}

const own127 = () => ({
  PGHOST: "127.0.0.1",
  PGPORT: String(cluster.port),
  PGUSER: "postgres",
  PGDATABASE: "postgres",
});

test("variables of libpq open a session, and a request has none of them", async () => {
  const environment = { ...own127(), PGPASSWORD: PASSWORD };
  assert.deepEqual(await open({ environment }), { host: "127.0.0.1", notes: [] });
  const host = new Host({ environment });
  const params = { action: "monitor", options: { sampleMs: 0 } };
  assert.equal(JSON.parse((await host.call(params)).output).success, true);
  const supabaseUrl = `postgres://postgres@127.0.0.1:${cluster.port}/postgres`;
  const asked = JSON.parse((await host.call({ ...params, supabaseUrl })).output);
  assert.equal(asked.error.kind, "authentication-failed");
  assert.match(asked.error.message, /the credential has none/);
});

test("a pass file and a service file open a session", async () => {
  const home = scratch();
  writeFileSync(join(home, ".pgpass"), `127.0.0.1:${cluster.port}:postgres:postgres:${PASSWORD}\n`, { mode: 0o600 });
  const service = ["[mine]", "host=127.0.0.1", `port=${cluster.port}`, "user=postgres", "dbname=postgres"];
  writeFileSync(join(home, ".pg_service.conf"), `${service.join("\n")}\n`);
  await open({ environment: own127(), home });
  await open({ environment: { PGSERVICE: "mine" }, home });
  await open({ map: { default: "service=mine application_name=web" }, home });
  await open({ map: { default: `host=127.0.0.1 port=${cluster.port} user=postgres` }, environment: { HOME: home } });
});

test("a Unix socket opens a session, which nobody else on the way can read", async () => {
  const text = `host=${sockets} port=${cluster.port} user=postgres password='${PASSWORD}'`;
  assert.deepEqual(await open({ map: { default: text } }), { host: sockets, notes: [] });
});

test("the first of several hosts that is of the wanted kind is taken", async () => {
  const standby = await ScriptedServer.start(() => [ready({ in_hot_standby: "on" })]);
  const hosts = `127.0.0.1:1,127.0.0.1:${standby.port},localhost:${cluster.port}`;
  const url = `postgres://postgres:${PASSWORD}@${hosts}/postgres?target_session_attrs=primary`;
  assert.equal((await open({ map: { default: url } })).host, "localhost");
  await standby.stop();
});

test("what is passed over is noted", async () => {
  const { notes } = await open({ map: { default: `${cluster.url()}?pgbouncer=true&schema=app&connect_timeout=5` } });
  assert.deepEqual(
    notes,
    ["pgbouncer", "schema"].map((name) => `connection parameter '${name}' is passed over: it changes nothing here`),
  );
});

test("a report holds the notes of its session", async () => {
  const host = new Host({ credentials: { default: `${cluster.url()}?pgbouncer=true` }, environment: false });
  const { output } = await host.call({ action: "monitor", options: { sampleMs: 0 } });
  const { data } = JSON.parse(output);
  assert.ok(data.notes.includes("connection parameter 'pgbouncer' is passed over: it changes nothing here"), output);
});

test("a server that only reads by default is not one to write to", async () => {
  await cluster.run("CREATE DATABASE archive");
  await cluster.run("ALTER DATABASE archive SET default_transaction_read_only = on");
  const to = (database: string, attrs: string) =>
    open({ map: { default: `${cluster.url("postgres", database)}?target_session_attrs=${attrs}` } });
  await to("postgres", "read-write");
  await to("archive", "read-only");
  await to("archive", "primary");
  await assert.rejects(to("archive", "read-write"), /its sessions are read-only/);
  await assert.rejects(to("postgres", "read-only"), /its sessions may write/);
  await assert.rejects(to("postgres", "standby"), /it is no standby/);
});
