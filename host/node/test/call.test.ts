// A call of a component: its time, its memory and what its thread gets to know.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { MessagePort, Worker } from "node:worker_threads";
import { Cassette, DEFAULT_LIMITS, Host, type HostOptions, SupabaseConnectionPool } from "archon-connection-pool";
import { callComponent } from "../dist/call.js";
import { normalise, withoutSecrets } from "../dist/cassette/literals.js";
import { type Component, component, description } from "../dist/components.js";
import { Fault } from "../dist/fault.js";
import { Ended, type HostApi } from "../dist/imports.js";
import { limitMemory } from "../dist/memory.js";
import { fromRows } from "../dist/row-set.js";
import { Cluster, PASSWORD } from "./cluster.js";
import { statement } from "./host-api.js";
import { scratch, until } from "./process.js";

let cluster: Cluster;
before(async () => {
  cluster = await Cluster.start();
});
after(() => cluster.stop());

const MONITOR = { action: "monitor", options: { sampleMs: 0 } } as const;

/** A component that runs JavaScript of ours in the place of jco's. */
function guest(run: string): Component {
  const entry = join(scratch(), "guest.mjs");
  writeFileSync(
    entry,
    `export const instantiate = (core, imports) => {
       const of = (name) => imports["archon:connection-pool/" + name];
       return { "archon:connection-pool/skill@1.0.0": { run: (input) => { ${run} } } };
     };`,
  );
  return { name: "pool-manager", sha256: "", entry: pathToFileURL(entry).href, cores: {} };
}

const NO_POWERS: HostApi = {
  call: async () => {
    throw new Fault("no-power", "none is lent");
  },
  drop: () => {},
  close: async () => {},
};

function call(found: Component, { hostApi = NO_POWERS, cpuMs = 10_000, deadlineMs = 20_000 } = {}): Promise<unknown> {
  const limits = { ...DEFAULT_LIMITS, cpuMs, memoryBytes: 64 << 20 };
  const end = performance.now() + deadlineMs;
  return callComponent(found, { exported: ["skill", "run"], argument: "{}", hostApi, limits, end, deadlineMs });
}

test("a component that computes without an end is ended by its limit", async () => {
  await assert.rejects(call(guest("for (;;);"), { cpuMs: 100 }), /computed for more than 100 ms: limit `cpuMs`/);
});

test("what it waits is not what it computes, and the deadline is over both", async () => {
  const waits = guest(`of("credentials").lookup(); return "";`);
  const hostApi = { ...NO_POWERS, call: () => new Promise<never>(() => {}) };
  await assert.rejects(call(waits, { hostApi, cpuMs: 1_000, deadlineMs: 1_500 }), {
    kind: "deadline-exceeded",
    message: "the call was not done within 1500 ms: limit `deadlineMs`",
  });
});

test("a trap, a thread that ends itself and a power that ends the call are told apart", async () => {
  await assert.rejects(call(guest(`throw new WebAssembly.RuntimeError("unreachable")`)), /limit `memoryBytes`/);
  await assert.rejects(call(guest("process.exit()")), { kind: "plugin-trapped" });
  const ended = new Ended(new Fault("limit-exceeded", "enough"));
  const hostApi = { ...NO_POWERS, call: async () => Promise.reject(ended) };
  await assert.rejects(call(guest(`try { of("credentials").lookup() } catch {} return ""`), { hostApi }), /enough/);
});

test("a fault of the host is the component's to handle", async () => {
  const output = await call(guest(`try { of("credentials").lookup() } catch (fault) { return fault.kind }`));
  assert.equal(output, "no-power");
});

test("a fault within a list arrives with all of its fields", async () => {
  const fault = new Fault("query-canceled", "too slow", { sqlstate: "57014", retryable: true });
  const hostApi = { ...NO_POWERS, call: async () => [{ tag: "err", val: fault }] as never };
  const output = await call(guest(`return JSON.stringify(of("database").probe({}, 1, 1))`), { hostApi });
  assert.equal(output, JSON.stringify([{ tag: "err", val: fault }]));
});

test("what a component answers and asks is measured before it is copied out of its thread", async () => {
  const many = "Array(1_500_000).fill({ pid: 1, state: 'idle', target: {} })";
  for (const [run, limit] of [
    [`return ${many}`, "reportBytes"],
    [`return "x".repeat(${17 << 20})`, "reportBytes"],
    [`of("backends").deliver({ handle: 1 }, ${many}, false)`, "requestBytes"],
    [`of("credentials").lookup("x".repeat(${17 << 20}))`, "requestBytes"],
  ] as const) {
    let calls = 0;
    const hostApi = { ...NO_POWERS, call: async () => Promise.reject(new Error(String(++calls))) };
    const guarded = guest(`try { ${run} } catch (fault) { throw { payload: fault } }`);
    await assert.rejects(call(guarded, { hostApi, cpuMs: 30_000, deadlineMs: 40_000 }), (fault: Fault) => {
      assert.ok(fault.message.endsWith(`limit \`${limit}\``), fault.message);
      return fault.kind === "limit-exceeded";
    });
    assert.equal(calls, 0);
  }
});

test("a module's memory cannot grow beyond the bound that was written into it", async () => {
  // (module (memory (export "m") 1) (func (export "g") (param i32) (result i32) (memory.grow (local.get 0))))
  const hex = "0061736d0100000001060160017f017f03020100050301000107090201" + "6d0200016700000a08010600200040000b";
  const module = await WebAssembly.compile(limitMemory(Buffer.from(hex, "hex"), 3 * 65_536));
  const { g } = (await WebAssembly.instantiate(module, {})).exports as { g: (pages: number) => number };
  assert.deepEqual([g(1), g(2), g(1), g(1)], [1, -1, 2, -1]);
  const found = await component("pool-manager", 2 << 20);
  const input = JSON.stringify({ action: "monitor", carry: "x".repeat(3 << 20) });
  const limits = { ...DEFAULT_LIMITS, cpuMs: 10_000, memoryBytes: 2 << 20 };
  const tight = { exported: ["skill", "run"] as const, argument: input, hostApi: NO_POWERS, limits };
  const calling = callComponent(found, { ...tight, end: performance.now() + 20_000, deadlineMs: 20_000 });
  await assert.rejects(calling, { kind: "plugin-trapped" });
});

test("a server that never answers is left at the deadline, and no session stays behind", async (t) => {
  const sockets: Socket[] = [];
  // The first connection is refused, so that the deadline ends a second try.
  const silent = createServer((socket) => (sockets.push(socket) === 1 ? socket.destroy() : undefined));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  // Time for the second try, also on a busy machine.
  const pool = new SupabaseConnectionPool({ environment: false, limits: { deadlineMs: 3_000 } });
  const { error } = await pool.run({ ...MONITOR, supabaseUrl: cluster.url().replace(`:${cluster.port}`, `:${port}`) });
  assert.equal(error?.message, "the call was not done within 3000 ms: limit `deadlineMs`");
});

test("a call whose statements wait is left at the deadline, and the server is told", async () => {
  const holder = await cluster.session("holder");
  await holder.query("BEGIN");
  await holder.query("LOCK pg_catalog.pg_class");
  const limits = { deadlineMs: 900, lockTimeoutMs: 60_000, statementTimeoutMs: 60_000 };
  const pool = new SupabaseConnectionPool({ environment: false, limits, credentials: { default: cluster.url() } });
  const { error } = await pool.run(MONITOR);
  await holder.query("ROLLBACK");
  assert.equal(error?.kind, "deadline-exceeded", JSON.stringify(error));
  await until("nothing of ours is left", async () => (await cluster.count("archon-pool")) === 0);
});

test("an unreachable server and a wrong password are faults, and only the first is tried again", async () => {
  const pool = (url: string) => new SupabaseConnectionPool({ environment: false, credentials: { default: url } });
  const unreachable = pool("postgres://postgres@127.0.0.1:1/postgres");
  let tries = 0;
  const attempt = unreachable.attempt.bind(unreachable);
  unreachable.attempt = (...args) => {
    tries++;
    return attempt(...args);
  };
  assert.equal((await unreachable.run(MONITOR)).error?.kind, "server-unreachable");
  assert.equal(tries, 3);
  const { error } = await pool(cluster.url().replace(PASSWORD, "wrong")).run(MONITOR);
  assert.deepEqual([error?.kind, error?.retryable], ["authentication-failed", false]);
});

test("a secret reaches no thread, log, record, report, fault or cassette", async () => {
  const folder = scratch();
  const [cassette, audit] = [join(folder, "secret.cassette"), join(folder, "audit.jsonl")];
  const said: unknown[] = [];
  const spied = [MessagePort.prototype, Worker.prototype] as { postMessage(...args: unknown[]): void }[];
  const originals = spied.map((it) => it.postMessage);
  spied.forEach((it, index) => {
    it.postMessage = function (message, ...rest) {
      said.push(message);
      return originals[index]?.call(this, message, ...rest);
    };
  });
  process.env.PLANTED = PASSWORD;
  const options: HostOptions & { logger: (line: unknown) => void } = {
    environment: false,
    record: cassette,
    auditFile: audit,
    audit: (record) => void said.push(record),
    logger: (line) => void said.push(line),
  };
  try {
    const pool = new SupabaseConnectionPool(options);
    for (const supabaseUrl of [cluster.url(), cluster.url().replace(/:\d+\//, ":1/"), cluster.url("nobody")]) {
      said.push(await pool.run({ action: "kill-idle", supabaseUrl, options: { sampleMs: 0 } }));
    }
    said.push(await pool.run({ action: "monitor", supabaseUrl: `postgres://u:${PASSWORD}/x@h/d` }));
    said.push(await pool.run({ action: "monitor", supabaseKey: PASSWORD }));
    said.push(await pool.run({ action: "monitor", credential: cluster.url() }));
    said.push(await pool.run({ action: "monitor", options: { password: PASSWORD } as never }));
    const dump = guest("return JSON.stringify([process.env, process.argv, process.execArgv])");
    said.push(await call(dump));
  } finally {
    spied.forEach((it, index) => {
      const original = originals[index];
      if (original) it.postMessage = original;
    });
    delete process.env.PLANTED;
  }
  const text = (value: unknown) => JSON.stringify(value, (_, it) => (typeof it === "bigint" ? String(it) : it)) ?? "";
  const everything = [
    ...said.map(text),
    readFileSync(cassette, "utf8"),
    readFileSync(audit, { encoding: "utf8", flag: "a+" }),
  ];
  assert.ok(everything.length > 30, "the spies saw the messages");
  assert.ok(
    everything.some((it) => it.includes("backend_start")),
    "statements were recorded",
  );
  for (const it of everything) assert.ok(!it.includes(PASSWORD), it.slice(0, 2_000));
});

test("what is recorded plays again to the byte, without a server", async () => {
  const path = join(scratch(), "recorded.cassette");
  const host = new Host({ environment: false, credentials: { default: cluster.url() }, record: path });
  const outputs: string[] = [];
  for (const action of ["monitor", "full-analysis", "kill-idle", "auto-scale", "nonsense"]) {
    outputs.push((await host.call({ action, options: { sampleMs: 0 } })).output);
  }
  const cassette = new Cassette(readFileSync(path, "utf8"));
  assert.deepEqual(await cassette.replay(), outputs);
  assert.deepEqual(
    cassette.calls.map(({ returned }) => returned),
    outputs,
  );
});

test("a statement that may hold a secret is recorded without its literals, and gives the same report", async () => {
  const session = await cluster.session("forgetful");
  await session.query("SELECT 'hunter2' AS password, 7 AS n");
  const path = join(scratch(), "literals.cassette");
  const host = new Host({ environment: false, credentials: { default: cluster.url() }, record: path });
  const { output } = await host.call({ action: "detect-leaks", options: { sampleMs: 0 } });
  const text = readFileSync(path, "utf8");
  assert.ok(text.includes("SELECT ? AS password, ? AS n") && !text.includes("hunter2"));
  assert.deepEqual(await new Cassette(text).replay(), [output]);
});

test("literals and comments go from a text, and names stay", () => {
  for (const [sql, expected] of [
    ["SELECT * FROM t1 WHERE id = 42 AND x2 > 1.5e3", "SELECT * FROM t1 WHERE id = ? AND x2 > ?"],
    ["SELECT 'it''s', E'a\\'b', $tag$ x ' $tag$, $1", "SELECT ?, ?, ?, $1"],
    ["ALTER ROLE a PASSWORD 'hunter2'", "ALTER ROLE a PASSWORD ?"],
    [`SELECT /* a /* b */ 'c' */ 1 -- 2\n , "Col 3"`, `SELECT ? , "Col 3"`],
    ["select 'never ends", "select ?"],
    ["  select\n\t1 ", "select ?"],
    ["", ""],
    ["é".repeat(500), `${"é".repeat(200)}…`],
  ] as const) {
    assert.equal(normalise(sql), expected);
  }
  const batch = [statement(description("pool-observer").statements.find(({ id }) => id === "statements")?.sql ?? "")];
  const document = (query: string) =>
    `{"calls": 1.0, "slow": [{"query": ${JSON.stringify(query)}, "big": 9007199254740993}]}`;
  const row = (val: string) => fromRows([{ name: "document", typeOid: 25 }], [[{ tag: "text", val }]], false);
  const item = (query: string) => ({ tag: "ok" as const, val: row(document(query)) });
  assert.deepEqual(withoutSecrets(batch, [item("SET token = 'x'")]), [item("SET token = ?")]);
  assert.deepEqual(withoutSecrets(batch, [item("SELECT 'x'")]), [item("SELECT 'x'")]);
});

test("a cassette without the answer that is asked for says which one it is", async () => {
  const header = {
    cassette: 1,
    package: "archon:connection-pool@1.0.0",
    component: { name: "pool-observer", sha256: "" },
    normalised: false,
  };
  const lines = [
    { call: "skill.run", input: JSON.stringify(MONITOR) },
    { import: "credentials.lookup", with: { name: null }, ok: { credential: 1 } },
    { import: "session.open", with: { credential: 1 }, ok: { session: 1 } },
  ];
  const text = (count: number) =>
    [header, ...lines.slice(0, count)].map((line) => `${JSON.stringify(line)}\n`).join("");
  const [unanswered] = await new Cassette(text(1)).replay();
  assert.match(String(unanswered), /"cassette-mismatch".*credentials.lookup/);
  // A function that cannot fail ends the call.
  const [ended] = await new Cassette(text(3)).replay();
  assert.ok(
    ended instanceof Fault && ended.kind === "cassette-mismatch" && ended.message.includes("session.access-path"),
    String(ended),
  );
});
