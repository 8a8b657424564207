// Every example of the contract, against a real server.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { getSkillRegistry, type LogLine, SkillRegistry, SupabaseConnectionPool } from "archon-connection-pool";
import type pg from "pg";
import { Cluster } from "./cluster.js";
import { until } from "./process.js";

/** The shortest thresholds that the contract allows. */
const IMPATIENT = {
  idleTimeoutMs: 10_000,
  idleInTransactionTimeoutMs: 1_000,
  maxKillPercentage: 100,
  minSize: 1,
  sampleMs: 0,
};

let cluster: Cluster;
before(async () => {
  cluster = await Cluster.start();
});
after(() => cluster.stop());

/** A transaction that its application has forgotten for longer than the shortest threshold. */
async function stuck(application: string): Promise<pg.Client> {
  const session = await cluster.session(application);
  await session.query("BEGIN");
  await session.query("SELECT 7");
  const sql = `SELECT count(*)::int4 AS n FROM pg_stat_activity WHERE application_name = '${application}'
    AND state = 'idle in transaction' AND state_change < clock_timestamp() - interval '1.1 seconds'`;
  await until("the transaction is stale", async () => (await cluster.run(sql)).rows[0].n > 0);
  return session;
}

function skill(options = {}): SupabaseConnectionPool {
  return new SupabaseConnectionPool({ environment: false, credentials: { default: cluster.url() }, ...options });
}

test("a full analysis reads and judges everything and changes nothing", async () => {
  const session = await stuck("analysed");
  const output = await skill().run({ action: "full-analysis", options: { sampleMs: 0 } });
  assert.equal(output.success, true, JSON.stringify(output.error));
  assert.equal(output.skill, "supabase-connection-pool");
  const report = output.data;
  assert.ok(report && report.poolStats.connections.idleInTransaction >= 1);
  assert.ok(report.healthSummary.probes.length > 0);
  assert.deepEqual(report.actions, []);
  assert.equal((await session.query("SELECT 1 AS n")).rows[0].n, 1);
});

test("leak detection is followed by kill-idle, with what it remembered", async () => {
  const session = await stuck("invoice-worker");
  const pool = skill();
  const options = { ...IMPATIENT, include: { applications: ["invoice-worker"] } };
  const detected = await pool.run({ action: "detect-leaks", options });
  assert.equal(detected.success, true, JSON.stringify(detected.error));
  const killed = await pool.run({ action: "kill-idle", options, carry: detected.data?.carry });
  const action = killed.data?.actions[0];
  assert.ok(action, JSON.stringify(killed));
  assert.deepEqual(
    [action.type, action.executed, action.connectionsAffected, action.dryRun],
    ["kill-idle", true, 1, false],
  );
  assert.equal(action.targets[0]?.outcome, "ended");
  await assert.rejects(session.query("SELECT 1"));
  assert.equal(await cluster.count("invoice-worker"), 0);
});

test("health is checked with fresh connections", async () => {
  const { data } = await skill().run({ action: "health-check", options: { sampleMs: 0 } });
  assert.ok(data && data.healthSummary.totalChecked > 0);
  assert.ok(
    data.healthSummary.probes.every((probe) => probe.connectMs != null),
    JSON.stringify(data.healthSummary.probes),
  );
});

test("a server without a pooler is told its size and left as it is", async () => {
  const { data, error } = await skill().run({
    action: "auto-scale",
    options: { minSize: 5, maxSize: 50, sampleMs: 0 },
  });
  assert.ok(data, JSON.stringify(error));
  assert.ok(
    data.actions.every(({ executed }) => !executed),
    JSON.stringify(data.actions),
  );
});

test("monitoring gives the pool's statistics", async () => {
  const { data } = await skill().run({ action: "monitor", options: { sampleMs: 0 } });
  assert.equal(data?.poolStats.connections.capacity.max, 40);
});

test("a clean-up keeps to its options", async () => {
  const [kept, ended] = [await stuck("kept-worker"), await stuck("ended-worker")];
  const options = { ...IMPATIENT, include: { applications: ["*-worker"] }, exclude: { applications: ["kept-*"] } };
  const planned = await skill().run({ action: "kill-idle", options: { ...options, dryRun: true } });
  assert.deepEqual(
    planned.data?.actions[0]?.targets.map(({ outcome }) => outcome),
    ["planned"],
  );
  const { data } = await skill().run({ action: "kill-idle", options });
  assert.deepEqual(
    data?.actions[0]?.targets.map(({ outcome }) => outcome),
    ["ended"],
  );
  await assert.rejects(ended.query("SELECT 1"));
  await kept.query("SELECT 1");
});

test("a read-only host plans and has no power to end anybody", async () => {
  const session = await stuck("observed");
  const options = { ...IMPATIENT, include: { applications: ["observed"] } };
  const { data } = await skill({ readOnly: true }).run({ action: "kill-idle", options });
  assert.equal(data?.actions[0]?.executed, false);
  assert.match(data?.actions[0]?.reason ?? "", /no power to end sessions/);
  await session.query("SELECT 1");
});

test("the helpers answer their questions", async () => {
  const pool = skill();
  const { connections } = await pool.quickPoolStatus({ options: { sampleMs: 0 } });
  assert.ok(connections.total > 0);
  assert.equal(typeof (await pool.hasLeakRisk({ options: { sampleMs: 0 } })), "boolean");
  const recommendations = await pool.getRecommendations({ options: { sampleMs: 0 } });
  assert.ok(recommendations.every((text) => typeof text === "string"));
  const nowhere = skill({ credentials: {} });
  await assert.rejects(nowhere.quickPoolStatus(), { kind: "credentials-not-found" });
});

test("the registry executes by name and tells its listeners", async () => {
  const registry = new SkillRegistry();
  const heard: string[] = [];
  registry.on("start", ({ skill }) => heard.push(`start ${skill}`));
  registry.on("complete", ({ skill, result }) => heard.push(`complete ${skill} ${result.success}`));
  registry.on("error", ({ skill, error }) => heard.push(`error ${skill} ${error.kind}`));
  registry.register(skill());
  const output = await registry.execute("supabase-connection-pool", { action: "monitor", options: { sampleMs: 0 } });
  assert.equal(output.success, true);
  const unknown = await registry.execute("other");
  assert.match(unknown.error?.message ?? "", /registered are supabase-connection-pool/);
  assert.deepEqual(heard, [
    "start supabase-connection-pool",
    "complete supabase-connection-pool true",
    "start other",
    "error other invalid-params",
  ]);
  assert.equal(getSkillRegistry(), getSkillRegistry());
});

test("events and log lines tell of a run that worked and of one that did not", async () => {
  const [heard, lines]: [string[], LogLine[]] = [[], []];
  const pool = skill({ logger: (line: LogLine) => lines.push(line) });
  pool.on("start", () => heard.push("start")).on("complete", () => heard.push("complete"));
  pool.on("error", ({ error }) => heard.push(error.kind));
  await pool.run({ action: "monitor", options: { sampleMs: 0 } });
  await pool.run({ action: "monitor", options: { idleTimeoutMs: 1 } });
  assert.deepEqual(heard, ["start", "complete", "start", "invalid-params"]);
  assert.deepEqual(
    lines.map(({ level, message }) => `${level}: ${message}`),
    [
      "info: Connection Pool Manager iniciado",
      "info: Connection Pool analysis completed",
      "info: Connection Pool Manager iniciado",
      "error: Connection Pool analysis failed",
    ],
  );
  assert.deepEqual(lines[0]?.context, { action: "monitor", url: "from-vault" });
  assert.deepEqual(Object.keys(lines[1]?.context ?? {}), [
    "action",
    "poolSize",
    "activeConnections",
    "leaksDetected",
    "actionsExecuted",
    "duration",
  ]);
});

test("an error that nobody listens to is an answer and not a crash", async () => {
  const output = await skill().run({ action: "nonsense" as never });
  assert.equal(output.error?.kind, "invalid-params");
});

test("credentials come from the environment when neither request nor host has any", async () => {
  const input = { action: "monitor", options: { sampleMs: 0 } } as const;
  for (const name of ["DATABASE_URL", "SUPABASE_DB_URL"]) {
    const output = await new SupabaseConnectionPool({ environment: { [name]: cluster.url() } }).run(input);
    assert.equal(output.success, true, JSON.stringify(output.error));
  }
  const { error } = await new SupabaseConnectionPool({ environment: {} }).run(input);
  assert.equal(error?.kind, "credentials-not-found");
  for (const place of [
    "Supabase credentials not found",
    "supabaseUrl",
    "DATABASE_URL",
    "SUPABASE_DB_URL",
    "SUPABASE_KEY",
  ]) {
    assert.ok(error?.message.includes(place), `${place}: ${error?.message}`);
  }
});

test("no session of ours is left behind", async () => {
  await until("the server has heard of the end of each", async () => (await cluster.count("archon-pool")) === 0);
});

test("another host of the process is no way around the cap of an hour, and the report says how far it goes", async () => {
  const NOTE =
    /caps per hour \(the policy's maxKillsPerHour and maxResizesPerHour\) count the calls of this process alone/;
  const policy = { maxKillsPerHour: 1 };
  // Of another server: the cap is one database's.
  const other = await Cluster.start();
  try {
    await other.session("kept");
    const targets: ({ outcome: string; detail?: string | null } | undefined)[] = [];
    for (const name of ["first-worker", "second-worker"]) {
      const session = await other.session(name);
      await session.query("BEGIN");
      await session.query("SELECT 7");
      const sql = `SELECT count(*)::int4 AS n FROM pg_stat_activity WHERE application_name = '${name}'
        AND state = 'idle in transaction' AND state_change < clock_timestamp() - interval '1.1 seconds'`;
      await until("the transaction is stale", async () => (await other.run(sql)).rows[0].n > 0);
      const pool = skill({ credentials: { default: other.url() }, policy });
      const { data } = await pool.run({
        action: "kill-idle",
        options: { ...IMPATIENT, include: { applications: [name] } },
      });
      targets.push(data?.actions[0]?.targets[0]);
      assert.ok(
        data?.notes.some((note) => NOTE.test(note)),
        JSON.stringify(data?.notes),
      );
      const watched = await pool.run({ action: "monitor", options: { sampleMs: 0 } });
      assert.ok(!watched.data?.notes.some((note) => NOTE.test(note)));
    }
    assert.deepEqual(
      targets.map((it) => it?.outcome),
      ["ended", "denied"],
    );
    assert.match(targets[1]?.detail ?? "", /maxKillsPerHour/);
  } finally {
    await other.stop();
  }
});
