// Calls that end in any way: nothing of them is left a second later, whatever the server does.

import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, afterEach, before, test } from "node:test";
import { SupabaseConnectionPool } from "archon-connection-pool";
import { parseTarget } from "../dist/connection-config/resolve.js";
import type { Fault } from "../dist/fault.js";
import { limitsWith } from "../dist/limits.js";
import { Session } from "../dist/session.js";
import { errorResponse, message } from "./bytes.js";
import { Cluster, PASSWORD } from "./cluster.js";
import { lend, statement } from "./host-api.js";
import { flood, KEY, Peer } from "./peer.js";
import { PgBouncer } from "./pgbouncer.js";
import { until } from "./process.js";
import { authentication } from "./scripted.js";

const READY = Buffer.concat([authentication(0), KEY, message("Z", Buffer.from("I"))]);
const NOTICE = message("N", errorResponse("NOTICE", "00000", "by the way").subarray(5));

/** Time for a call to end after its deadline. */
const GRACE_MS = 1_500;

/** Ways of a server to keep a client waiting. */
const WAYS: Record<string, (socket: Socket) => void> = {
  "says nothing": () => {},
  "says nothing after its greeting": (socket) => socket.write(READY),
  "answers a statement with a notice now and then": (socket) => {
    socket.write(READY);
    socket.once("data", () => {
      const timer = setInterval(() => socket.write(NOTICE), 20);
      socket.on("close", () => clearInterval(timer));
    });
  },
  "floods as long as its socket is open": (socket) => {
    socket.write(READY);
    socket.once("data", () => flood(socket, NOTICE));
  },
  "begins a long message": (socket) => {
    socket.write(READY);
    socket.once("data", () => socket.write(Buffer.from([0x44, 1, 0, 0, 0, 0])));
  },
  "reads no more": (socket) => {
    socket.write(READY);
    socket.pause();
  },
};

let peer: Peer | undefined;
let cluster: Cluster;
before(async () => {
  cluster = await Cluster.start();
});
after(() => cluster.stop());
afterEach(async () => {
  await peer?.stop();
  peer = undefined;
});

/** Sockets and timers that keep this process alive. */
const resources = () =>
  process.getActiveResourcesInfo().filter((it) => /TCPSOCKET|TCPSocket|TLS|Connect/i.test(it)).length;

test("a call at a server that does not answer ends at its deadline, and its sockets with it", async () => {
  for (const [what, behave] of Object.entries(WAYS)) {
    peer = await Peer.start(behave);
    const limits = { deadlineMs: 500, statementBytes: 2 ** 30 };
    const pool = new SupabaseConnectionPool({ environment: false, limits });
    const started = performance.now();
    const { success } = await pool.run({ action: "monitor", supabaseUrl: peer.url(), options: { sampleMs: 0 } });
    const took = performance.now() - started;
    assert.ok(!success, what);
    assert.ok(took < 500 + GRACE_MS, `${what}: it took ${took} ms`);
    peer.resume();
    assert.ok((await peer.left()) < 1_000, what);
    await peer.stop();
  }
  assert.equal(resources(), 0);
});

test("a session that is closed in the middle of anything is gone within a second", async () => {
  for (const [what, behave] of Object.entries(WAYS).slice(1)) {
    peer = await Peer.start(behave);
    const limits = limitsWith({ statementBytes: 2 ** 30 });
    const session = await Session.unchecked(parseTarget(peer.url()), limits);
    const asking = session.query([statement("SELECT 1")], () => true).catch((fault: Fault) => fault);
    await until("the statement is there", () => peer !== undefined && peer.open > 0);
    const started = performance.now();
    await session.close();
    assert.ok(performance.now() - started < 1_200, what);
    assert.equal(((await asking) as Fault).kind, "connection-lost", what);
    assert.ok(peer.cancelRequests === 1, `${what}: the server was asked to cancel`);
    peer.resume();
    await peer.left();
    await peer.stop();
  }
});

test("an opening that is given up leaves nothing, wherever it was", async () => {
  for (const [what, behave] of Object.entries(WAYS).slice(0, 2)) {
    for (const parameters of ["", "target_session_attrs=standby"]) {
      peer = await Peer.start(behave);
      const giving = new AbortController();
      const opening = Session.open(parseTarget(peer.url(parameters)), limitsWith(), giving.signal);
      const failing = opening.catch((fault: Fault) => fault);
      await until("it has connected", () => peer !== undefined && peer.open > 0);
      giving.abort();
      assert.ok((await peer.left()) < 1_200, what);
      assert.ok((await failing) instanceof Error, what);
      await peer.stop();
    }
  }
});

test("a proof that takes long to compute does not hold up the end of an opening", async () => {
  peer = await Peer.start((socket) => {
    socket.write(authentication(10, Buffer.from("SCRAM-SHA-256\0\0")));
    socket.once("data", (bytes: Buffer) => {
      const nonce = /r=([^,]+)$/.exec(bytes.toString())?.[1];
      socket.write(authentication(11, Buffer.from(`r=${nonce}more,s=AAAA,i=1000000`)));
    });
  });
  const limits = limitsWith({ connectTimeoutMs: 100 });
  const target = parseTarget(peer.url());
  const started = performance.now();
  const openings = Array.from({ length: 16 }, () => Session.unchecked(target, limits));
  for (const opening of openings) await assert.rejects(opening, { kind: "server-unreachable" });
  assert.ok(performance.now() - started < 1_000);
  assert.ok((await peer.left()) < 1_000);
});

test("a probe that is given up closes its connection, and the call goes on", async () => {
  for (const behave of Object.values(WAYS).slice(0, 2)) {
    peer = await Peer.start(behave);
    const { hostApi, credential } = await lend({ url: peer.url() });
    const probes = await hostApi.call("database.probe", { credential, count: 4, timeoutMs: 100 });
    assert.ok(probes.every((it) => it.tag === "err" && it.val.kind === "server-unreachable"));
    assert.ok((await peer.left()) < 1_200);
    await hostApi.close();
    await peer.stop();
  }
});

test("probes together hear no more than a few sessions would", async () => {
  let bytes = 0;
  peer = await Peer.start((socket) => {
    socket.write(READY);
    socket.once("data", () => {
      const chunk = Buffer.alloc(64 << 10);
      const write = () => {
        while (!socket.destroyed && socket.write(chunk)) bytes += chunk.length;
      };
      socket.write(Buffer.from([0x4e, 1, 0, 0, 0]));
      socket.on("drain", write);
      write();
    });
  });
  const { hostApi, credential } = await lend({ url: peer.url() });
  const probes = await hostApi.call("database.probe", { credential, count: 16, timeoutMs: 5_000 });
  assert.ok(probes.every((it) => it.tag === "err" && it.val.kind === "limit-exceeded"));
  assert.ok((await peer.left()) < 1_200);
  assert.ok(bytes < 200 << 20, `${bytes} bytes were written`);
  await hostApi.close();
});

test("a session whose server did not answer in time is closed, and not used again", async () => {
  peer = await Peer.start((socket) => socket.write(READY));
  const limits = limitsWith({ statementTimeoutMs: 1 });
  const session = await Session.unchecked(parseTarget(peer.url()), limits);
  const again = () => session.query([statement("SELECT 1")], () => true);
  await assert.rejects(again(), { kind: "connection-lost" });
  await assert.rejects(again(), { kind: "connection-lost" });
  assert.ok((await peer.left()) < 1_200);
});

test("a call behind a paused PgBouncer ends with its sockets, and its clients when that reads again", async () => {
  const bouncer = await PgBouncer.before(cluster);
  try {
    const clients = async () => (await bouncer.show("clients")).filter(({ database }) => database === "postgres");
    for (const isKnown of [false, true]) {
      await bouncer.command("PAUSE");
      for (let turn = 0; turn < 2; turn++) {
        const pool = new SupabaseConnectionPool({ environment: false, limits: { deadlineMs: 500 }, retries: 0 });
        const { error } = await pool.run({ action: "full-analysis", supabaseUrl: bouncer.url() });
        const ended = performance.now();
        assert.equal(error?.kind, "deadline-exceeded", JSON.stringify(error));
        await until("no socket is left", () => resources() === 0);
        assert.ok(performance.now() - ended < 1_000, `logged in before: ${isKnown}`);
      }
      // PgBouncer does not read from a client that waits, so it does not see the end of one before this.
      await bouncer.command("RESUME");
      await until("no client is left", async () => (await clients()).length === 0);
      const pool = new SupabaseConnectionPool({ environment: false });
      const { success } = await pool.run({ action: "monitor", supabaseUrl: bouncer.url(), options: { sampleMs: 0 } });
      assert.ok(success);
    }
  } finally {
    await bouncer.stop();
  }
});

test("a request with another password than the call before it logs in, and is refused", async () => {
  const pool = new SupabaseConnectionPool({ environment: false });
  const run = (supabaseUrl: string) => pool.run({ action: "monitor", supabaseUrl, options: { sampleMs: 0 } });
  assert.ok((await run(cluster.url())).success);
  const { error } = await run(cluster.url().replace(PASSWORD, "wrong"));
  assert.equal(error?.kind, "authentication-failed", JSON.stringify(error));
  assert.equal(await cluster.count("archon-pool"), 0);
});
