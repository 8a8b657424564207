// TLS with libpq's meaning of `sslmode`, against a server that has it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createServer, type TLSSocket } from "node:tls";
import { parseTarget } from "../dist/connection-config/resolve.js";
import type { Fault } from "../dist/fault.js";
import { limitsWith } from "../dist/limits.js";
import { Lookups } from "../dist/lookups.js";
import { toRows } from "../dist/row-set.js";
import { whyNotNamed } from "../dist/server-name.js";
import { Session } from "../dist/session.js";
import { openSocket } from "../dist/socket.js";
import { check } from "../dist/tls.js";
import { errorResponse, message } from "./bytes.js";
import { Cluster, PASSWORD } from "./cluster.js";
import { statement } from "./host-api.js";
import { flood } from "./peer.js";
import { own, scratch, until } from "./process.js";
import { ready } from "./scripted.js";

let cluster: Cluster;
let folder: string;
before(async () => {
  folder = join(scratch(), "tls");
  mkdirSync(folder);
  own(folder);
  for (const name of ["ca", "other"]) certificate(name, `/CN=${name}`, []);
  const signed = ["-CA", "ca.crt", "-CAkey", "ca.key"];
  certificate("usual", "/CN=localhost", [...signed, "-addext", "subjectAltName=DNS:localhost"]);
  certificate("wildcard", "/CN=x", [...signed, "-addext", "subjectAltName=DNS:*.localhost"]);
  certificate("address", "/CN=127.0.0.1", [...signed, "-addext", "subjectAltName=DNS:db.example"]);
  certificate("self-signed", "/CN=localhost", ["-addext", "basicConstraints=critical,CA:TRUE"]);
  certificate("short", "/CN=localhost", signed, ["rsa:1024"]);
  certificate("ed25519", "/CN=localhost", signed, ["ed25519"]);
  // As in PostgreSQL's manual: version 1, without extensions, its own root.
  openssl(
    "req",
    "-new",
    "-nodes",
    "-newkey",
    "rsa:2048",
    "-keyout",
    "v1.key",
    "-out",
    "v1.csr",
    "-subj",
    "/CN=localhost",
  );
  openssl("x509", "-req", "-in", "v1.csr", "-days", "2", "-signkey", "v1.key", "-out", "v1.crt");
  certificate("client", "/CN=badge", [...signed, "-addext", "basicConstraints=CA:FALSE"]);
  copyCertificate("usual");
  const files = { ssl_cert_file: join(folder, "server.crt"), ssl_key_file: join(folder, "server.key") };
  cluster = await Cluster.start({ ssl: "on", ...files, ssl_ca_file: join(folder, "ca.crt") });
  for (const role of ["only_plain", "only_tls", "badge", "clear"]) {
    await cluster.run(`CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}'`);
  }
  await cluster.admit(
    "hostssl all only_plain all reject",
    "hostnossl all only_tls all reject",
    "hostssl all badge all cert",
    "host all clear all password",
  );
});
after(() => cluster?.stop());

/** Writes NAME.key and NAME.crt. */
function certificate(
  name: string,
  subject: string,
  more: string[],
  newkey = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
): void {
  const key = ["-newkey", ...newkey, "-nodes", "-keyout", `${name}.key`];
  openssl("req", "-x509", ...key, "-out", `${name}.crt`, "-subj", subject, "-days", "2", ...more);
  chmodSync(join(folder, `${name}.key`), 0o600);
}

function openssl(...args: string[]): void {
  const { status, error, stderr } = spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
  if (status !== 0) throw new Error(`no certificate could be made: install openssl (${error?.message ?? stderr})`);
}

function copyCertificate(name: string): void {
  for (const end of ["crt", "key"]) {
    const file = join(folder, `server.${end}`);
    copyFileSync(join(folder, `${name}.${end}`), file);
    chmodSync(file, 0o600);
    own(file);
  }
}

/** Has the server show another certificate. */
async function serve(name: string): Promise<void> {
  copyCertificate(name);
  const { raw } = new X509Certificate(readFileSync(join(folder, `${name}.crt`)));
  await cluster.run("SELECT pg_reload_conf()");
  await until("the certificate is shown", async () => {
    const target = parseTarget(`${cluster.url()}?sslmode=require`);
    const socket = (await openSocket(target, "required", new AbortController().signal, new Lookups())) as TLSSocket;
    const shown = socket.getPeerCertificate().raw;
    socket.destroy();
    return shown.equals(raw);
  });
}

/** Opens a session and says whether it is encrypted. */
async function encrypted(parameters: string, host = "127.0.0.1", role = "postgres"): Promise<boolean> {
  const url = `${cluster.url(role).replace("127.0.0.1", host)}?${parameters}`;
  const session = await Session.open(parseTarget(url), limitsWith());
  const sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()";
  const [answer] = await session.query([statement(sql)], () => true);
  await session.close();
  const value = answer && "ok" in answer ? toRows(answer.ok)[0]?.[0] : undefined;
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
  await assert.rejects(encrypted(`sslmode=require&${root("other")}`), refused);
  await assert.rejects(encrypted("sslmode=verify-full", "localhost"), refused);
  await assert.rejects(encrypted("sslmode=verify-ca&sslrootcert=/no/such/ca.pem"), /CA file \/no\/such\/ca.pem/);
  const empty = join(folder, "empty.pem");
  writeFileSync(empty, "nothing");
  await assert.rejects(encrypted(`sslmode=verify-ca&sslrootcert=${empty}`), /it holds no certificate/);
});

test("where nothing is verified no certificate is refused", async () => {
  // Made as in the manual (Railway), its own root (Supabase self-hosted), of a kind that libpq cannot bind to.
  for (const name of ["v1", "self-signed", "ed25519", "usual"]) {
    await serve(name);
    for (const mode of ["", "sslmode=require", "sslmode=require&channel_binding=disable", "sslmode=no-verify"]) {
      assert.equal(await encrypted(mode), true, `${name} ${mode}`);
    }
  }
});

test("a certificate is its own root, of version 1 too", async () => {
  for (const name of ["v1", "self-signed"]) {
    await serve(name);
    for (const mode of ["require", "verify-ca", "verify-full"]) {
      assert.equal(await encrypted(`sslmode=${mode}&${root(name)}`, "localhost"), true, `${name} ${mode}`);
      await assert.rejects(encrypted(`sslmode=${mode}&${root("ca")}`, "localhost"), { kind: "tls-failed" });
    }
  }
  await serve("usual");
});

test("a name is looked for by libpq's rules", async () => {
  await serve("address");
  assert.equal(await encrypted(`sslmode=verify-full&${root("ca")}`), true);
  const other = encrypted(`sslmode=verify-full&${root("ca")}`, "localhost");
  await assert.rejects(other, /certificate is for db\.example and not for localhost/);
  await serve("usual");
  const named = (name: string, host: string) => {
    const made = new X509Certificate(readFileSync(join(folder, `${name}.crt`)));
    return whyNotNamed(host, made) === undefined;
  };
  assert.equal(named("wildcard", "a.localhost"), true);
  assert.equal(named("wildcard", "A.LOCALHOST"), true);
  assert.equal(named("wildcard", "a.b.localhost"), false);
  assert.equal(named("wildcard", "localhost"), false);
  assert.equal(named("wildcard", "x"), false);
  assert.equal(named("v1", "localhost"), true);
  assert.equal(named("usual", "127.0.0.1"), false);
  assert.equal(named("address", "db.example"), true);
});

test("prefer and allow try the other way where the first is refused", async () => {
  assert.equal(await encrypted("sslmode=prefer", "127.0.0.1", "only_plain"), false);
  assert.equal(await encrypted("sslmode=allow", "127.0.0.1", "only_tls"), true);
  assert.equal(await encrypted("sslmode=allow"), false);
  assert.equal(await encrypted("sslmode=prefer", "127.0.0.1", "only_tls"), true);
  // An entry rejects it: that is said, whatever the entry is about.
  await assert.rejects(encrypted("sslmode=disable", "127.0.0.1", "only_tls"), { kind: "authentication-failed" });
  await assert.rejects(encrypted("sslmode=require", "127.0.0.1", "only_plain"), { kind: "authentication-failed" });
});

test("prefer goes without TLS where none can be agreed on, and require does not", async () => {
  // As in libpq, a certificate that is not accepted counts so, too.
  assert.equal(await encrypted(`sslmode=prefer&${root("other")}`), false);
  await cluster.run("ALTER SYSTEM SET ssl_max_protocol_version = 'TLSv1.1'");
  await cluster.run("ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1'");
  await cluster.run("SELECT pg_reload_conf()");
  await until("its TLS is old", async () =>
    encrypted("sslmode=require").then(
      () => false,
      ({ kind }) => kind === "tls-failed",
    ),
  );
  assert.equal(await encrypted("sslmode=prefer"), false);
  await cluster.run("ALTER SYSTEM RESET ALL");
  await cluster.run("SELECT pg_reload_conf()");
  await until("its TLS is new", async () => encrypted("sslmode=prefer"));
  assert.equal(await encrypted("sslmode=require&ssl_min_protocol_version=TLSv1.3"), true);
});

test("SCRAM is bound to TLS when that is required, and never to anything else", async () => {
  assert.equal(await encrypted("sslmode=require&channel_binding=require&require_auth=scram-sha-256"), true);
  assert.equal(await encrypted("channel_binding=disable"), true);
  await assert.rejects(encrypted("sslmode=disable&channel_binding=require"), /channel_binding=require/);
  await assert.rejects(encrypted("channel_binding=require", "127.0.0.1", "clear"), /asks for method password/);
  assert.equal(await encrypted("require_auth=password", "127.0.0.1", "clear"), true);
});

test("a client certificate is shown, and its key must be nobody else's to read", async () => {
  const shown = `sslcert=${join(folder, "client.crt")}&sslkey=${join(folder, "client.key")}`;
  assert.equal(await encrypted(`sslmode=require&${shown}`, "127.0.0.1", "badge"), true);
  const without = encrypted("sslmode=require", "127.0.0.1", "badge");
  await assert.rejects(without, { kind: "authentication-failed", sqlstate: "28000" });
  chmodSync(join(folder, "client.key"), 0o644);
  const open = encrypted(`sslmode=require&${shown}`, "127.0.0.1", "badge");
  await assert.rejects(open, /client\.key: others may read it/);
});

test("TLS begins with the first byte where that is asked for, with a short key, too", async () => {
  for (const [name, ALPNProtocols, said] of [
    ["usual", ["postgresql"], undefined],
    // Debian's own server takes no key that short.
    ["short", ["postgresql"], undefined],
    ["usual", undefined, /did not confirm PostgreSQL's protocol/],
  ] as const) {
    const [key, cert] = ["key", "crt"].map((end) => readFileSync(join(folder, `${name}.${end}`)));
    const options = {
      key,
      cert,
      ciphers: "DEFAULT@SECLEVEL=0",
      ...(ALPNProtocols ? { ALPNProtocols: [...ALPNProtocols] } : {}),
    };
    const server = createServer(options, (socket) =>
      socket.on("error", () => {}).once("data", () => socket.write(ready())),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const target = parseTarget(`postgres://ann@127.0.0.1:${port}/d?sslmode=require&sslnegotiation=direct`);
    const opening = Session.unchecked(target, limitsWith()).then((session) => session.close());
    if (said) await assert.rejects(opening, said);
    else await opening;
    server.close();
  }
});

test("a statement under way is cancelled on an encrypted connection, too", async () => {
  const session = await Session.open(parseTarget(`${cluster.url()}?sslmode=require`), limitsWith());
  session.query([statement("SELECT pg_sleep(14)")], () => true).catch(() => {});
  const sleeping = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
  await until("it sleeps", async () => (await cluster.run(sleeping)).rowCount === 1);
  await session.close();
  await until("it is gone", async () => (await cluster.count("archon-pool")) === 0);
});

test("a server that floods, breaks the protocol or says nothing within TLS is left within a second", async () => {
  const [key, cert] = ["key", "crt"].map((end) => readFileSync(join(folder, `usual.${end}`)));
  const notice = message("N", errorResponse("NOTICE", "00000", "by the way").subarray(5));
  for (const [behave, kind] of [
    [(socket: TLSSocket) => flood(socket, notice), "limit-exceeded"],
    [(socket: TLSSocket) => socket.write(message("G", Buffer.alloc(3))), "unexpected-answer"],
    [(socket: TLSSocket) => socket.write(Buffer.from([0x44, 0x7f, 0xff, 0xff, 0xff])), "limit-exceeded"],
    [() => {}, "connection-lost"],
  ] as [(socket: TLSSocket) => void, string][]) {
    const open = new Set<TLSSocket>();
    const server = createServer({ key, cert, ALPNProtocols: ["postgresql"] }, (socket) => {
      open.add(socket);
      socket.on("error", () => {}).on("close", () => open.delete(socket));
      socket.once("data", () => {
        socket.write(ready());
        socket.once("data", () => behave(socket));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const over = new AbortController();
    const target = parseTarget(`postgres://ann@127.0.0.1:${port}/d?sslmode=require&sslnegotiation=direct`);
    const session = await Session.unchecked(target, limitsWith({ statementBytes: 1 << 20 }), over.signal);
    const asking = session.query([statement("SELECT 1")], () => true).catch((it: Fault) => it);
    if (kind === "connection-lost") over.abort();
    assert.equal(((await asking) as Fault).kind, kind);
    const ended = performance.now();
    await until("it is left", () => open.size === 0);
    assert.ok(performance.now() - ended < 1_200);
    await session.close();
    server.close();
  }
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
