// The conformance kit (tests/conformance): the same cassettes and the same guard cases in every language.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { Cassette, Fault } from "archon-connection-pool";
import type pg from "pg";
import type { Order } from "../dist/guard/order.js";
import { Cluster, PASSWORD } from "./cluster.js";
import { deliver, KILL, orders, words } from "./host-api.js";
import { until } from "./process.js";

/** Where the kit is: ARCHON_CONFORMANCE, or where this repository has it. */
const KIT = process.env.ARCHON_CONFORMANCE
  ? pathToFileURL(`${process.env.ARCHON_CONFORMANCE}/`)
  : new URL("../../../tests/conformance/", import.meta.url);

const cases = readdirSync(new URL("cases/", KIT)).filter((name) => name.endsWith(".jsonl"));

test("the kit has its cases", () => {
  assert.ok(cases.length >= 20, `${cases.length} cases in ${KIT}`);
});

/** Where the Rust runner has made the huge one. */
const huge = process.env.ARCHON_HUGE ? [pathToFileURL(process.env.ARCHON_HUGE)] : [];

for (const file of [...cases.map((name) => new URL(`cases/${name}`, KIT)), ...huge]) {
  test(`cassette ${basename(file.pathname)} gives the recorded answers to the byte`, async () => {
    const cassette = new Cassette(readFileSync(file, "utf8"));
    const answers = await cassette.replay();
    assert.equal(answers.length, cassette.calls.length);
    for (const [index, { returned, ended }] of cassette.calls.entries()) {
      const answer = answers[index];
      if (returned !== undefined) assert.equal(answer instanceof Fault ? answer.toJSON() : answer, returned);
      else assert.equal(answer instanceof Fault && answer.kind, (ended as { kind: string }).kind);
    }
  });
}

interface Seat {
  state: string;
  role?: string;
  application?: string;
  database?: string;
  sql?: string;
}

interface Wanted {
  session?: number;
  process?: string;
  pid?: number;
  backendStart?: number;
  state?: string;
  stateChange?: number;
  signal?: "cancel";
}

interface GuardCase {
  name: string;
  as?: string;
  action?: string;
  request?: Record<string, unknown>;
  policy?: Record<string, unknown>;
  dryRun?: boolean;
  sessions: Seat[];
  then?: { session: number; sql?: string; close?: boolean }[];
  orders: Wanted[];
  only?: number[];
  outcomes?: (string | { denied: string })[];
  fault?: string;
  ended?: number[];
}

const guard = JSON.parse(readFileSync(new URL("guard.json", KIT), "utf8")) as {
  server: { roles: Record<string, string>; databases: string[] };
  cases: GuardCase[];
};

let cluster: Cluster;
before(async () => {
  cluster = await Cluster.start();
  for (const [role, options] of Object.entries(guard.server.roles)) {
    await cluster.run(`CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}' ${options}`);
  }
  for (const database of guard.server.databases) await cluster.run(`CREATE DATABASE ${database}`);
});
after(() => cluster.stop());

const pid = (session: pg.Client) => (session as unknown as { processID: number }).processID;

async function isThere(pid: number): Promise<boolean> {
  return (await cluster.run(`SELECT 1 FROM pg_stat_activity WHERE pid = ${pid}`)).rowCount === 1;
}

async function seated(seat: Seat): Promise<pg.Client> {
  const { state, role = "app", application = "worker", database = "guard", sql = "SELECT 1" } = seat;
  const session = await cluster.session(application, role, database);
  const is = `SELECT 1 FROM pg_stat_activity WHERE pid = ${pid(session)} AND state = '${state}'`;
  if (state === "active") session.query("SELECT pg_sleep(600)").catch(() => {});
  else {
    if (state !== "idle") await session.query("BEGIN");
    await session.query(state.endsWith("(aborted)") ? "SELECT 1/0" : sql).catch(() => {});
  }
  await until(`a session is ${state}`, async () => (await cluster.run(is)).rowCount === 1);
  return session;
}

/** An order as the case wants it: true, but for what it says. */
async function ordered(sessions: pg.Client[], wanted: Wanted): Promise<Order> {
  const whose = `SELECT pid FROM pg_stat_activity WHERE backend_type = '${wanted.process}'`;
  const session = sessions[wanted.session ?? -1];
  const [order] = await orders(cluster, [session ? pid(session) : (await cluster.run(whose)).rows[0].pid]);
  assert.ok(order);
  return {
    ...order,
    pid: wanted.pid ?? order.pid,
    backendStart: order.backendStart + BigInt(wanted.backendStart ?? 0),
    state: wanted.state ?? order.state,
    stateChange: order.stateChange + BigInt(wanted.stateChange ?? 0),
    signal: wanted.signal ?? "terminate",
  };
}

/** Whether a refusal says so. The kit spells settings as the Rust host does. */
function says(outcome: string, denied: string): boolean {
  const camel = denied.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return outcome.startsWith("denied: ") && [denied, camel].some((words) => outcome.includes(words));
}

for (const it of guard.cases) {
  test(`guard: ${it.name}`, async () => {
    const sessions = await Promise.all(it.sessions.map(seated));
    const given: Order[] = [];
    for (const wanted of it.orders) given.push(await ordered(sessions, wanted));
    for (const { session: index, sql } of it.then ?? []) {
      const session = sessions[index] as pg.Client;
      if (sql !== undefined) await session.query(sql);
      else await session.end();
      await until("it is done", async () => sql !== undefined || !(await isThere(pid(session))));
    }
    const chosen = (index: number) => ({ pid: given[index]?.pid, backendStart: Number(given[index]?.backendStart) });
    const only = it.only && { only: it.only.map(chosen) };
    const request = { action: it.action ?? "kill-idle", options: { ...KILL.options, ...only, ...it.request } };
    const asked = { url: cluster.url(it.as ?? "operator", "guard"), request, policy: it.policy ?? {} };
    const delivering = deliver(asked, given, it.dryRun);
    if (it.fault !== undefined) await assert.rejects(delivering, { kind: it.fault });
    else {
      const told = words((await delivering).outcomes);
      assert.equal(told.length, it.outcomes?.length);
      for (const [index, expected] of (it.outcomes ?? []).entries()) {
        const outcome = told[index] ?? "";
        if (typeof expected === "string") assert.equal(outcome, expected);
        else assert.ok(says(outcome, expected.denied), outcome);
      }
    }
    const closed = it.then?.filter(({ close }) => close).map(({ session }) => session) ?? [];
    for (const [index, session] of sessions.entries()) {
      if (!closed.includes(index))
        assert.equal(await isThere(pid(session)), !it.ended?.includes(index), `session ${index}`);
    }
    await cluster.run(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname <> 'postgres'`);
    const left = `SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname <> 'postgres'`;
    await until("everybody has left", async () => (await cluster.run(left)).rowCount === 0);
  });
}
