// TLS with libpq's meaning of `sslmode`, against a server that has it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { limitsWith } from "../dist/limits.js";
import { Session } from "../dist/session.js";
import { parseTarget } from "../dist/target.js";
import { check } from "../dist/tls.js";
import { Cluster } from "./cluster.js";
import { statement } from "./powers.js";
import { own, scratch, until } from "./process.js";

let cluster: Cluster;
let folder: string;
before(async () => {
  folder = join(scratch(), "tls");
  mkdirSync(folder);
  own(folder);
  for (const name of ["ca", "other"]) certificate(name, `/CN=${name}`, []);
  certificate("server", "/CN=localhost", [
    "-CA",
    "ca.crt",
    "-CAkey",
    "ca.key",
    "-addext",
    "subjectAltName=DNS:localhost",
  ]);
  for (const file of ["server.crt", "server.key"]) own(join(folder, file));
  const files = { ssl_cert_file: join(folder, "server.crt"), ssl_key_file: join(folder, "server.key") };
  cluster = await Cluster.start({ ssl: "on", ...files });
});
after(() => cluster?.stop());

/** Writes NAME.key and NAME.crt. */
function certificate(name: string, subject: string, more: string[]): void {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${name}.key`];
  const args = ["req", "-x509", ...key, "-out", `${name}.crt`, "-subj", subject, "-days", "2", ...more];
  const { status, error } = spawnSync("openssl", args, { cwd: folder, stdio: "ignore" });
  if (status !== 0) throw new Error(`no certificate could be made: install openssl (${error?.message ?? status})`);
}

/** Opens a session and says whether it is encrypted. */
async function encrypted(parameters: string, host = "127.0.0.1"): Promise<boolean> {
  const url = `${cluster.url().replace("127.0.0.1", host)}?${parameters}`;
  const session = await Session.open(parseTarget(url), limitsWith());
  const sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
  const [answer] = await session.query([statement(sql)], () => true);
  await session.close();
  const value = answer && "ok" in answer ? answer.ok.rows[0]?.[0] : undefined;
  return value?.tag === "boolean" && value.val;
}

const root = (name: string) => `sslrootcert=${join(folder, `${name}.crt`)}`;

test("each sslmode checks what libpq says it checks", async () => {
  assert.equal(await encrypted("sslmode=disable"), false);
  assert.equal(await encrypted(""), true);
  assert.equal(await encrypted("sslmode=require"), true);
  assert.equal(await encrypted(`sslmode=require&${root("ca")}`), true);
  assert.equal(await encrypted(`sslmode=verify-ca&${root("ca")}`), true);
  assert.equal(await encrypted(`sslmode=verify-full&${root("ca")}`, "localhost"), true);
});

test("a certificate that is not good enough is refused, and never silently", async () => {
  const refused = { kind: "tls-failed" };
  await assert.rejects(encrypted(`sslmode=verify-full&${root("ca")}`), refused);
  await assert.rejects(encrypted(`sslmode=verify-ca&${root("other")}`), refused);
  await assert.rejects(encrypted(`sslmode=prefer&${root("other")}`), refused);
  await assert.rejects(encrypted("sslmode=verify-full", "localhost"), refused);
  await assert.rejects(encrypted("sslmode=verify-ca&sslrootcert=/no/such/ca.pem"), /CA file \/no\/such\/ca.pem/);
  const empty = join(folder, "empty.pem");
  writeFileSync(empty, "nothing");
  await assert.rejects(encrypted(`sslmode=verify-ca&sslrootcert=${empty}`), /it holds no certificate/);
});

test("a statement under way is cancelled on an encrypted connection, too", async () => {
  const session = await Session.open(parseTarget(`${cluster.url()}?sslmode=require`), limitsWith());
  session.query([statement("SELECT pg_sleep(14)")], () => true).catch(() => {});
  const sleeping = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
  await until("it sleeps", async () => (await cluster.run(sleeping)).rowCount === 1);
  await session.close();
  await until("it is gone", async () => (await cluster.count("archon-pool")) === 0);
});

test("sslmode has the meaning of libpq", () => {
  const checked = (parameters: string) => check(parseTarget(`postgres://u@h/d?${parameters}`));
  assert.equal(checked("sslmode=prefer"), "nothing");
  assert.equal(checked("sslmode=require&sslrootcert=/ca.pem"), "chain");
  assert.equal(checked("sslmode=verify-ca&sslrootcert=/ca.pem"), "chain");
  assert.equal(checked("sslmode=verify-ca"), "chain-and-name");
  assert.equal(checked("sslmode=require&sslrootcert=system"), "chain-and-name");
  assert.equal(checked("sslmode=verify-full"), "chain-and-name");
});
