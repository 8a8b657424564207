// The guarded end of sessions: who is ended, who is not, whatever a component claims.

import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Proposal } from "archon-connection-pool";
import type pg from "pg";
import { Audit } from "../dist/audit.js";
import { parseTarget } from "../dist/connection-config/resolve.js";
import { Hourly } from "../dist/guard/caps.js";
import { Cluster } from "./cluster.js";
import { deliver, KILL, lend, orders, words } from "./host-api.js";
import { scratch } from "./process.js";

let cluster: Cluster;
before(async () => {
  cluster = await Cluster.start();
  await cluster.run("CREATE ROLE app LOGIN PASSWORD 'tell-nobody-4f81c7'");
  await cluster.run("CREATE ROLE supabase_auth_admin LOGIN PASSWORD 'tell-nobody-4f81c7'");
  await cluster.run("CREATE ROLE bare LOGIN PASSWORD 'tell-nobody-4f81c7'");
  await cluster.run("GRANT pg_read_all_stats TO bare");
  await cluster.run("CREATE DATABASE elsewhere");
});
after(() => cluster.stop());

const pid = (session: pg.Client) => (session as unknown as { processID: number }).processID;

async function idle(application = "worker", role = "app", database = "postgres"): Promise<pg.Client> {
  const session = await cluster.session(application, role, database);
  await session.query("SELECT 1");
  return session;
}

const answers = (session: pg.Client) =>
  session.query("SELECT 1").then(
    () => true,
    () => false,
  );

test("a session in the spell that was seen is ended, and its end is verified and on record", async () => {
  const session = await idle();
  let signalled = false;
  const asked = { url: cluster.url(), onSignal: () => (signalled = true) };
  const { outcomes, records } = await deliver(asked, await orders(cluster, [pid(session)]));
  assert.deepEqual(words(outcomes), ["signalled"]);
  assert.equal(await answers(session), false);
  assert.equal(signalled, true);
  assert.deepEqual(
    records.map(({ outcome }) => outcome),
    ["sending", "signalled"],
  );
  assert.deepEqual([records[0]?.by, records[0]?.reason, records[0]?.subject.pid], ["postgres", "a test", pid(session)]);
});

test("a session that did something since it was seen is left alone", async () => {
  const session = await idle();
  const seen = await orders(cluster, [pid(session)]);
  await session.query("SELECT 2");
  const { outcomes } = await deliver({ url: cluster.url() }, seen);
  assert.deepEqual(words(outcomes), ["changed"]);
  assert.equal(await answers(session), true);
});

test("a process id that belongs to somebody else by now is not touched", async () => {
  const session = await idle();
  const [order] = await orders(cluster, [pid(session)]);
  assert.ok(order);
  const earlier = { ...order, backendStart: order.backendStart - 1n };
  const nobody = { ...order, pid: 2 ** 30 };
  const { outcomes } = await deliver({ url: cluster.url() }, [earlier, nobody]);
  assert.deepEqual(words(outcomes), ["gone", "gone"]);
  assert.equal(await answers(session), true);
});

test("numbers that the server has no values for are not sent, and keep no other order back", async () => {
  const [one, other] = await orders(cluster, [pid(await idle()), pid(await idle())]);
  assert.ok(one && other);
  let signals = 0;
  const odd: Partial<typeof one>[] = [
    { stateChange: 2n ** 63n - 1n, backendStart: -(2n ** 63n) + 1n },
    { backendStart: -(2n ** 63n) + 5n },
    { stateChange: -(2n ** 63n) + 5n },
    { pid: 2 ** 31 },
  ];
  const onSignal = () => void signals++;
  const refused = await deliver(
    { url: cluster.url(), onSignal },
    odd.map((it) => ({ ...one, ...it })),
  );
  assert.deepEqual(
    refused.outcomes.map(({ tag }) => tag),
    odd.map(() => "failed"),
  );
  assert.equal(signals, 0);
  assert.ok(refused.records.every(({ outcome }) => outcome !== "sending"));
  const mixed = [other, { ...one, pid: 2 ** 31 }, { ...other, pid: -1 }, { ...one, stateChange: 2n ** 63n - 1n }];
  const { outcomes } = await deliver({ url: cluster.url() }, mixed);
  assert.deepEqual(
    outcomes.map(({ tag }) => tag),
    ["signalled", "failed", "gone", "changed"],
  );
});

test("protected roles and applications, other databases and our own sessions are refused", async () => {
  const sessions = [
    await idle("x", "supabase_auth_admin"),
    await idle("pg_dump"),
    await idle("Billing Job"),
    await idle("x", "app", "elsewhere"),
    await idle("archon-pool"),
    await idle("x", "bare"),
  ];
  const asked = { url: cluster.url(), policy: { protectedApplications: ["billing*"], protectedRoles: ["BARE"] } };
  const { outcomes } = await deliver(asked, await orders(cluster, sessions.map(pid)));
  assert.deepEqual(words(outcomes), [
    "denied: role 'supabase_auth_admin' is protected",
    "denied: application 'pg_dump' is protected",
    "denied: application 'Billing Job' is protected",
    "denied: it belongs to another database: connect to that one",
    "denied: it is one of our own",
    "denied: role 'bare' is protected",
  ]);
  for (const session of sessions) assert.equal(await answers(session), true);
});

test("the request's own thresholds hold, whatever the component says", async () => {
  const session = await idle();
  const request = { action: "kill-idle", options: { idleTimeoutMs: 600_000, maxKillPercentage: 100 } };
  const { outcomes } = await deliver({ url: cluster.url(), request }, await orders(cluster, [pid(session)]));
  assert.match(words(outcomes)[0] ?? "", /less than the request's options.idleTimeoutMs/);
  assert.equal(await answers(session), true);
});

test("no more than the cap are ended, rounded down, and what does not count frees its place", async () => {
  await cluster.run(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> 'postgres' AND datname IS NOT NULL",
  );
  const sessions = await Promise.all(Array.from({ length: 7 }, () => idle()));
  const seen = await orders(cluster, sessions.map(pid));
  await sessions[0]?.query("SELECT 2");
  const request = { action: "kill-idle", options: { ...KILL.options, maxKillPercentage: 50 } };
  // Half of seven, rounded down. The harness's own session may still be there: it is not to count among them.
  const policy = { protectedRoles: ["postgres"] };
  const { outcomes } = await deliver({ url: cluster.url(), request, policy }, seen);
  const told = words(outcomes);
  assert.equal(told[0], "changed");
  assert.equal(told.filter((word) => word === "signalled").length, 3, told.join());
  assert.match(told.at(-1) ?? "", /the cap of 3 ended sessions is reached: options.maxKillPercentage is 50 % of 7/);
  await deliver({ url: cluster.url() }, await orders(cluster, sessions.slice(4).map(pid)));
});

test("a cap of nothing ends nobody", async () => {
  const session = await idle();
  const seen = await orders(cluster, [pid(session)]);
  const asked = [
    { policy: { maxKillPercentage: 0 }, told: /the policy's maxKillPercentage/ },
    { policy: { maxKills: 0 }, told: /the policy's maxKills/ },
    { policy: { maxKillsPerHour: 0 }, told: /the policy's maxKillsPerHour/ },
    { policy: { apply: false }, told: /set the policy's apply/ },
  ];
  for (const { policy, told } of asked) {
    const { outcomes } = await deliver({ url: cluster.url(), policy }, seen);
    assert.match(words(outcomes)[0] ?? "", told);
  }
  assert.equal(await answers(session), true);
});

test("the hour's cap counts over calls", async () => {
  const [first, second] = [await idle(), await idle()];
  const asked = { url: cluster.url(), policy: { maxKillsPerHour: 1 }, hourly: new Hourly() };
  assert.deepEqual(words((await deliver(asked, await orders(cluster, [pid(first)]))).outcomes), ["signalled"]);
  const { outcomes } = await deliver(asked, await orders(cluster, [pid(second)]));
  assert.match(words(outcomes)[0] ?? "", /maxKillsPerHour/);
  assert.equal(await answers(second), true);
});

test("nobody is ended unless the request asks for just that", async () => {
  const session = await idle();
  const seen = await orders(cluster, [pid(session)]);
  for (const request of [
    {},
    { action: "full-analysis" },
    { action: "auto-scale" },
    { action: "kill-idle", options: { dryRun: true } },
    { action: "kill-idle", options: { dryRun: "no" } },
    { action: "kill-idle", options: { maxKillPercentage: "100" } },
    { action: "kill-idle", options: [] },
  ]) {
    const { outcomes } = await deliver({ url: cluster.url(), request }, seen);
    assert.match(words(outcomes)[0] ?? "", /^denied: /, JSON.stringify(request));
  }
  assert.equal(await answers(session), true);
});

test("a dry run checks everything and sends nothing", async () => {
  const session = await idle();
  const seen = await orders(cluster, [pid(session)]);
  const { outcomes, records } = await deliver({ url: cluster.url() }, seen, true);
  assert.deepEqual(words(outcomes), ["signalled"]);
  assert.deepEqual(
    records.map(({ outcome, dryRun }) => [outcome, dryRun]),
    [["would-signal", true]],
  );
  assert.equal(await answers(session), true);
});

test("a signal other than the contract's is refused with the whole delivery", async () => {
  const session = await idle();
  const [order] = await orders(cluster, [pid(session)]);
  assert.ok(order);
  await assert.rejects(deliver({ url: cluster.url() }, [order, { ...order, signal: "cancel" }]), {
    kind: "not-approved",
  });
  assert.equal(await answers(session), true);
});

test("a role without the privilege is told which one it lacks", async () => {
  const session = await idle();
  const { outcomes } = await deliver({ url: cluster.url("bare") }, await orders(cluster, [pid(session)]));
  assert.match(words(outcomes)[0] ?? "", /^denied: .*grant pg_signal_backend to role 'bare'/);
  assert.equal(await answers(session), true);
});

test("a session that does not leave is said to have survived", async () => {
  const session = await idle();
  const seen = await orders(cluster, [pid(session)]);
  process.kill(pid(session), "SIGSTOP");
  try {
    const { outcomes } = await deliver({ url: cluster.url(), limits: { leaveTimeoutMs: 60 } }, seen);
    assert.deepEqual(words(outcomes), ["survived"]);
  } finally {
    process.kill(pid(session), "SIGCONT");
  }
});

test("a record is a line of a file that its owner alone can read", async () => {
  const auditFile = join(scratch(), "audit.jsonl");
  const audit = new Audit({ auditFile }, "pool-manager");
  const about = { event: "order", reason: "a test", dryRun: false, subject: { pid: 7 } } as const;
  await audit.announce(parseTarget(cluster.url()), [about]);
  await audit.tell(parseTarget(cluster.url()), [{ ...about, outcome: "signalled", detail: "" }]);
  const lines = readFileSync(auditFile, "utf8").trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)).map(({ outcome, by, subject }) => [outcome, by, subject.pid]),
    [
      ["sending", "postgres", 7],
      ["signalled", "postgres", 7],
    ],
  );
  assert.equal(statSync(auditFile).mode & 0o777, 0o600);
});

test("nothing is ended that cannot be put on record", async () => {
  const session = await idle();
  const onRecord = () => {
    throw new Error("the disk is full");
  };
  const { outcomes } = await deliver({ url: cluster.url(), onRecord }, await orders(cluster, [pid(session)]));
  assert.match(words(outcomes)[0] ?? "", /^failed: the audit log cannot be written to: the disk is full/);
  assert.equal(await answers(session), true);
});

test("nobody is ended without the consent that is asked for, once, before anything is sent", async () => {
  const session = await idle();
  const seen = await orders(cluster, [pid(session)]);
  const proposals: Proposal[] = [];
  const ask = (decision: () => boolean | string) => (proposal: Proposal) => {
    proposals.push(proposal);
    return decision();
  };
  const broken = () => {
    throw new Error("nobody is in");
  };
  for (const [decision, told] of [
    [() => false, /^denied: consent was not given: somebody said no/],
    [() => "not on a Friday", /^denied: consent was not given: not on a Friday/],
    [broken, /^denied: consent was not given: nobody is in/],
  ] as [() => boolean | string, RegExp][]) {
    const { outcomes } = await deliver({ url: cluster.url(), consent: ask(decision) }, seen);
    assert.match(words(outcomes)[0] ?? "", told);
  }
  assert.equal(await answers(session), true);
  assert.deepEqual([proposals[0]?.role, proposals[0]?.act.type], ["postgres", "end"]);
  const agreed = await orders(cluster, [pid(session)]);
  assert.deepEqual(words((await deliver({ url: cluster.url(), consent: ask(() => true) }, agreed)).outcomes), [
    "signalled",
  ]);
  assert.equal(proposals.length, 4);
});

test("a component ends no session by SQL of its own", async () => {
  const { hostApi, credential } = await lend({ url: cluster.url() });
  const { session } = await hostApi.call("session.open", { credential });
  const sql = "SELECT pg_catalog.pg_terminate_backend(7)";
  const asking = hostApi.call("session.query", { session, batch: [{ sql, params: [], maxRows: 1 }] });
  await assert.rejects(asking, { kind: "not-approved" });
  await hostApi.close();
});

test("a component gets no credential but the one that it was lent", async () => {
  const { hostApi } = await lend({ url: cluster.url() });
  await assert.rejects(hostApi.call("credentials.lookup", { name: "production" }), /is not granted to this call/);
});
