// Login at a server that says whatever a test has it say.

import assert from "node:assert/strict";
import { createHmac, pbkdf2Sync } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import type { Channel } from "../dist/channel.js";
import { parseTarget, resolveOwn } from "../dist/connection-config/resolve.js";
import { parseText } from "../dist/connection-config/text.js";
import { exposure } from "../dist/exposure.js";
import type { Fault } from "../dist/fault.js";
import { limitsWith } from "../dist/limits.js";
import { logIn } from "../dist/login.js";
import { PgBouncer } from "../dist/pgbouncer.js";
import { Session } from "../dist/session.js";
import { message } from "./bytes.js";
import { Peer } from "./peer.js";
import { scratch } from "./process.js";
import { authentication, ready, refusal, type Script, ScriptedServer } from "./scripted.js";

const CLEARTEXT = authentication(3);
const MD5 = authentication(5, Buffer.from("salt"));
const scram = (...mechanisms: string[]) => authentication(10, Buffer.from(`${mechanisms.join("\0")}\0\0`));

let server: ScriptedServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

async function start(...script: Script): Promise<ScriptedServer> {
  server = await ScriptedServer.start(() => script);
  return server;
}

/** Opens a session and closes it, and hands out what was noted of it. */
async function open(url: string): Promise<readonly string[]> {
  const session = await Session.unchecked(parseTarget(url), limitsWith({ connectTimeoutMs: 5_000 }));
  const { notes } = session;
  await session.close();
  return notes;
}

const failed = (url: string): Promise<Fault> =>
  open(url).then(
    () => assert.fail("a session was opened"),
    (it) => it,
  );

test("the startup packet asks for bytes as they are, and says who we are", async () => {
  const { startups, url } = await start(ready()).then((it) => ({ startups: it.startups, url: it.url() }));
  await open(url);
  const { options, ...others } = startups[0] ?? {};
  assert.match(options ?? "", /default_transaction_read_only=on/);
  const names = { user: "ann", database: "shop", application_name: "archon-pool", client_encoding: "SQL_ASCII" };
  assert.deepEqual(others, names);
});

test("a method that require_auth does not allow gets no password", async () => {
  for (const [request, parameters, words] of [
    [CLEARTEXT, "require_auth=scram-sha-256", /asks for method password, and require_auth allows scram-sha-256/],
    [CLEARTEXT, "require_auth=!password", /asks for method password/],
    [MD5, "require_auth=scram-sha-256", /asks for method md5/],
    [CLEARTEXT, "channel_binding=require", /channel_binding=require allows SCRAM alone/],
    [MD5, "channel_binding=require", /channel_binding=require allows SCRAM alone/],
    [scram("SCRAM-SHA-256"), "channel_binding=require", /channel_binding=require/],
    [ready(), "require_auth=scram-sha-256", /asks for no authentication/],
    [ready(), "channel_binding=require", /without channel binding/],
  ] as const) {
    const server = await start(request, ready());
    const fault = await failed(server.url(parameters));
    assert.equal(fault.kind, "authentication-failed", fault.message);
    assert.match(fault.message, words);
    assert.ok(!Buffer.concat(server.messages).includes("hunter2"));
    assert.equal(server.messages.filter((bytes) => bytes[0] === "p".charCodeAt(0)).length, 0);
    await server.stop();
  }
});

test("an authentication that is broken off does not count", async () => {
  const first = await start(scram("SCRAM-SHA-256"), ready());
  assert.match((await failed(first.url())).message, /did not prove that it knows the password/);
  await first.stop();
  const second = await start(Buffer.concat([message("Z", Buffer.from("I"))]));
  assert.match((await failed(second.url())).message, /without an authentication/);
});

test("methods of other systems are named, and end nothing but the session", async () => {
  for (const [request, name] of [
    [7, "GSSAPI"],
    [9, "SSPI"],
    [99, "method 99"],
  ] as const) {
    const server = await start(authentication(request));
    const fault = await failed(server.url());
    assert.deepEqual([fault.kind, fault.message.includes(name)], ["authentication-failed", true], fault.message);
    await server.stop();
  }
});

test("a peer that speaks something else is a fault and no crash", async () => {
  for (const said of [
    Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
    Buffer.from([0x52, 0, 0, 0, 0]),
    message("R", Buffer.alloc(1)),
    message("R", Buffer.from([0, 0, 0, 11])),
    message("K", Buffer.alloc(1)),
    message("D"),
  ]) {
    const server = await start(said, said);
    const fault = await failed(server.url());
    assert.equal(fault.kind, "server-unreachable", fault.message);
    await server.stop();
  }
});

test("no encryption and a password in clear text are noted, unless they stay on this machine", async () => {
  const [plain, clear] = ["the session is not encrypted", "the password was sent in clear text"];
  const elsewhere = { remoteAddress: "192.0.2.7", remoteFamily: "IPv4" };
  assert.deepEqual(exposure(elsewhere, false, "scram-sha-256"), [plain]);
  assert.deepEqual(exposure(elsewhere, false, "password"), [plain, clear]);
  assert.deepEqual(exposure(elsewhere, true, "password"), []);
  for (const remoteAddress of ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]) {
    assert.deepEqual(exposure({ remoteAddress, remoteFamily: "IPv6" }, false, "password"), []);
  }
  assert.deepEqual(exposure({ remoteAddress: undefined, remoteFamily: undefined }, false, "password"), []);
  const server = await start(CLEARTEXT, ready());
  assert.deepEqual(await open(server.url("pgbouncer=true")), [
    "connection parameter 'pgbouncer' is passed over: it changes nothing here",
  ]);
  assert.ok(Buffer.concat(server.messages).includes("hunter2"));
});

test("the next host is tried where one does not answer, and not where one refuses", async () => {
  const server = await start(ready());
  const there = `127.0.0.1:${server.port}`;
  await open(`postgres://ann@127.0.0.1:1,${there}/shop`);
  const both = await failed("postgres://ann@127.0.0.1:1,127.0.0.1:2/shop");
  assert.equal(both.kind, "server-unreachable");
  assert.match(both.message, /127\.0\.0\.1:1: .*; .*127\.0\.0\.1:2: /);
  const wrong = await ScriptedServer.start(() => [refusal("28P01", "password authentication failed")]);
  const fault = await failed(`postgres://ann:x@127.0.0.1:${wrong.port},${there}/shop`);
  assert.equal(fault.kind, "authentication-failed");
  const starting = await ScriptedServer.start(() => [refusal("57P03", "the database system is starting up")]);
  await open(`postgres://ann@127.0.0.1:${starting.port},${there}/shop`);
  await wrong.stop();
  await starting.stop();
});

test("a host that says nothing leaves time for the next", async () => {
  const silent = await ScriptedServer.start(() => []);
  const server = await start(ready());
  const url = `postgres://ann@127.0.0.1:${silent.port},127.0.0.1:${server.port}/shop`;
  const session = await Session.unchecked(parseTarget(url), limitsWith({ connectTimeoutMs: 400 }));
  assert.equal(session.target.port, server.port);
  await session.close();
  await silent.stop();
});

test("a pooler without room refuses before TLS, and is understood", async () => {
  const words = "no more connections allowed (max_client_conn)";
  for (const sslmode of ["prefer", "require"]) {
    const server = await ScriptedServer.start(() => [], refusal("08P01", words));
    const fault = await failed(server.url(`sslmode=${sslmode}`));
    assert.deepEqual([fault.kind, fault.retryable], ["too-many-connections", true], fault.message);
    await server.stop();
  }
});

test("a host is chosen by the kind of its server", async () => {
  const kinds = await Promise.all(
    ["on", "off"].map((standby) =>
      ScriptedServer.start(({ options = "" }) => {
        const readOnly = options.includes("default_transaction_read_only=on") ? "on" : "off";
        return [ready({ in_hot_standby: standby, default_transaction_read_only: readOnly })];
      }),
    ),
  );
  const [standby, primary] = kinds.map(({ port }) => port) as [number, number];
  const chosen = async (hosts: number[], attrs: string) => {
    const list = hosts.map((port) => `127.0.0.1:${port}`).join(",");
    const target = parseTarget(`postgres://ann@${list}/shop?target_session_attrs=${attrs}`);
    const session = await Session.unchecked(target, limitsWith());
    await session.close();
    return session.target.port;
  };
  for (const attrs of ["read-write", "primary"]) assert.equal(await chosen([standby, primary], attrs), primary);
  for (const attrs of ["read-only", "standby", "prefer-standby"]) {
    assert.equal(await chosen([primary, standby], attrs), standby);
  }
  assert.equal(await chosen([primary], "prefer-standby"), primary);
  assert.equal(await chosen([standby, primary], "any"), standby);
  await assert.rejects(
    chosen([standby], "primary"),
    /is not acceptable \(target_session_attrs=primary\): it is a standby/,
  );
  for (const it of kinds) await it.stop();
});

test("settings that a pooler refuses in the startup packet are left out of it", async () => {
  for (const words of [
    "unsupported startup parameter: options",
    "unsupported startup parameter in options: lock_timeout",
  ]) {
    server = await ScriptedServer.start(({ options }) => [
      options ? refusal("08P01", words) : ready(),
      // A statement of nothing, by which the pooler's connection to the server is waited for.
      Buffer.concat([message("I"), message("Z", Buffer.from("I"))]),
    ]);
    const session = await Session.open(parseTarget(server.url()), limitsWith());
    assert.equal(session.accessPath, "pooled");
    await session.close();
    await server.stop();
  }
  server = await ScriptedServer.start(({ client_encoding }) => [
    client_encoding ? refusal("22023", 'invalid value for parameter "client_encoding": "SQL_ASCII"') : ready(),
  ]);
  await open(server.url());
  assert.equal(server.startups.length, 2);
});

test("a pass file that does not count is told where a password is missing", async () => {
  const file = join(scratch(), "pass");
  writeFileSync(file, "*:*:*:*:hunter2\n");
  chmodSync(file, 0o644);
  server = await ScriptedServer.start(() => [CLEARTEXT]);
  const own = resolveOwn(parseText(server.url(`sslmode=disable&passfile=${file}`, "ann")), { environment: {} });
  const fault = await Session.open(own, limitsWith()).then(
    () => assert.fail("a session was opened"),
    (fault: Fault) => fault,
  );
  assert.equal(fault.kind, "authentication-failed");
  assert.match(fault.message, /the credential has none: pass file .*chmod 600/);
});

/** A server that knows the password: its challenge and its proof for a client's two messages of SCRAM. */
class ScramServer {
  #first = "";
  #challenge = "";

  challenge(initial: Buffer): Buffer {
    this.#first = /n,,(.*)$/s.exec(initial.toString())?.[1] ?? "";
    this.#challenge = `r=${/r=(.*)$/.exec(this.#first)?.[1]}more,s=${Buffer.from("salt").toString("base64")},i=4096`;
    return authentication(11, Buffer.from(this.#challenge));
  }

  proof(response: Buffer): Buffer {
    const last = /(c=.*),p=/.exec(response.toString())?.[1];
    const hmac = (key: Buffer, text: string) => createHmac("sha256", key).update(text).digest();
    const key = hmac(pbkdf2Sync("hunter2", "salt", 4_096, 32, "sha256"), "Server Key");
    const signature = hmac(key, `${this.#first},${this.#challenge},${last}`).toString("base64");
    return authentication(12, Buffer.from(`v=${signature}`));
  }
}

test("SCRAM has one challenge and one proof, in this order", async () => {
  const orders: [string, string[], string[]][] = [
    ["honest", ["challenge"], ["proof", "ok"]],
    ["a second challenge", ["challenge", "challenge"], []],
    ["a challenge after its answer", ["challenge"], ["challenge"]],
    ["a proof before a challenge", ["early"], []],
    ["a second proof", ["challenge"], ["proof", "proof", "ok"]],
    ["a challenge after the proof", ["challenge"], ["proof", "challenge", "ok"]],
    ["no proof", ["challenge"], ["ok"]],
  ];
  for (const [what, first, second] of orders) {
    const scramServer = new ScramServer();
    let rounds = [first, second];
    const peer = await Peer.start((socket) => {
      socket.write(scram("SCRAM-SHA-256"));
      socket.on("data", (bytes: Buffer) => {
        const [round = [], ...more] = rounds;
        rounds = more;
        for (const step of round) {
          if (step === "challenge") socket.write(scramServer.challenge(bytes));
          else if (step === "proof") socket.write(scramServer.proof(bytes));
          else if (step === "early") socket.write(authentication(12, Buffer.from("v=AAAA")));
          else socket.write(ready());
        }
      });
    });
    try {
      if (what === "honest") {
        await open(peer.url());
        continue;
      }
      const fault = await failed(peer.url());
      assert.equal(fault.kind, "authentication-failed", `${what}: ${fault.message}`);
      assert.match(fault.message, /went on with SCRAM out of its order|did not prove that it knows/, what);
    } finally {
      await peer.stop();
    }
  }
});

test("a login whose time is over does nothing with the messages that have come", async () => {
  const status = message("S", Buffer.from("application_name\0archon\0")).subarray(5);
  let asked = 0;
  const channel = {
    send: () => {},
    next: async () => {
      if (++asked > 2) throw new Error("it went on");
      return { code: "S", body: status };
    },
  } as unknown as Channel;
  const target = parseTarget("postgres://ann:hunter2@h/shop");
  await assert.rejects(logIn(channel, target, {}, AbortSignal.abort(new Error("given up"))), /given up/);
});

test("no fault repeats a password that the peer repeats, and its kind stays", async () => {
  const quoting = (severity: string, sqlstate: string, fields: string) =>
    message("E", Buffer.from(`S${severity}\0V${severity}\0C${sqlstate}\0${fields}\0\0`));
  const long = "x".repeat(4_090);
  for (const [sqlstate, fields, kind, login] of [
    ["28P01", "Mpassword hunter2 is wrong", "authentication-failed"],
    ["28P01", "Mno\0Dyou said hunter2", "authentication-failed"],
    ["08P01", "Mno such user: ann/hunter2", "authentication-failed"],
    ["53300", `M${long}hunter2`, "too-many-connections"],
    ["28P01", "Mgot p%40ss%20word", "authentication-failed", "ann:p%40ss%20word"],
  ] as const) {
    for (const script of [[CLEARTEXT, quoting("FATAL", sqlstate, fields)], [quoting("FATAL", sqlstate, fields)]]) {
      const { url } = await start(...script).then((it) => ({ url: it.url("sslmode=disable", login) }));
      const fault = await failed(url);
      assert.equal(fault.kind, kind, fault.message);
      assert.ok(!/hunt|p%40ss/.test(fault.message), fault.message);
      assert.match(fault.message, /the server's words are left out: they repeat the password/);
      await server?.stop();
    }
  }
  const idle = message("Z", Buffer.from("I"));
  const inSession = await start(ready(), Buffer.concat([quoting("ERROR", "22012", "Mno\0Dhunter2"), idle]));
  const session = await Session.unchecked(parseTarget(inSession.url()), limitsWith());
  const [answer] = await session.own("SELECT 1", [[]]);
  assert.ok(answer && "err" in answer && answer.err.sqlstate === "22012", JSON.stringify(answer));
  assert.match(answer.err.message, /are left out/);
  await session.close();
  await server?.stop();
  const unknown = Buffer.concat([quoting("ERROR", "08P01", "Minvalid command 'SHOW POOLS'"), idle]);
  const bouncer = await start(ready({ server_version: "hunter2/bouncer" }), unknown);
  const target = parseTarget(bouncer.url());
  const console = await PgBouncer.open(target, limitsWith(), new AbortController().signal);
  const fault = await console.show("pools", () => true).catch((it: Fault) => it);
  assert.ok("kind" in fault && fault.kind === "unsupported-view" && !fault.message.includes("hunter2"));
  await console.close();
});

test("a password that is a name or has three letters leaves a refusal's words as they are", async () => {
  for (const login of ["anna:anna", "ann:shop", "ann:rol"]) {
    const { url } = await start(refusal("28P01", 'no role "anna" in shop')).then((it) => ({ url: it.url("", login) }));
    assert.match((await failed(url)).message, /no role "anna" in shop/);
    await server?.stop();
  }
});
