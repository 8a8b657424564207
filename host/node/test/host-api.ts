// The host API without a component: the calls that a hostile one could make, word for word.

import { Audit, type AuditRecord } from "../dist/audit.js";
import { catalogue, description } from "../dist/components.js";
import type { Consent } from "../dist/consent.js";
import { CredentialScope } from "../dist/credentials.js";
import { Hourly } from "../dist/guard/caps.js";
import type { Order, Outcome } from "../dist/guard/order.js";
import { type Policy, policyWith } from "../dist/guard/policy.js";
import { LiveHostApi } from "../dist/host-api.js";
import { type Limits, limitsWith } from "../dist/limits.js";
import { readIntent } from "../dist/request.js";
import type { Statement, Value } from "../dist/values.js";
import type { Cluster } from "./cluster.js";

/** What a test asks for. */
export interface Asked {
  url: string;
  console?: string;
  request?: Record<string, unknown>;
  limits?: Partial<Limits>;
  policy?: Partial<Policy>;
  hourly?: Hourly;
  consent?: Consent;
  onRecord?: (record: AuditRecord) => void;
  onSignal?: () => void;
}

/** The shortest thresholds, and a request that asks for just what is tried. */
export const KILL = {
  action: "kill-idle",
  options: { idleTimeoutMs: 0, idleInTransactionTimeoutMs: 0, maxKillPercentage: 100 },
};

/** A statement of the catalogue that lists the sessions of a server, and what it needs. */
export const CLOCK = description("pool-manager").statements.find(
  ({ sql }) => /clock_timestamp/.test(sql) && !/\$1/.test(sql),
);

/** Creates a host API, and opens a session through it. */
export async function lend({
  url,
  console,
  request = KILL,
  limits,
  policy,
  hourly,
  consent,
  onRecord,
  onSignal,
}: Asked) {
  const rules = policyWith(policy);
  const entry = console === undefined ? { url } : { url, pooler: console };
  const records: AuditRecord[] = [];
  const audit = (record: AuditRecord) => {
    onRecord?.(record);
    records.push(record);
  };
  const hostApi = new LiveHostApi({
    scope: new CredentialScope({ map: { default: entry } }),
    intent: readIntent(request, rules),
    policy: rules,
    limits: limitsWith(limits),
    audit: new Audit({ audit }, "pool-manager"),
    hourly: hourly ?? new Hourly(),
    consent,
    catalogue: catalogue("pool-manager"),
    onSignal: onSignal ?? (() => {}),
  });
  const { credential } = await hostApi.call("credentials.lookup", {});
  return { hostApi, credential, records };
}

/** Delivers orders on a session of their own. */
export async function deliver(asked: Asked, orders: Order[], dryRun = false) {
  const { hostApi, credential, records } = await lend(asked);
  try {
    const { session } = await hostApi.call("session.open", { credential });
    return { outcomes: await hostApi.call("backends.deliver", { session, orders, dryRun }), records };
  } finally {
    await hostApi.close();
  }
}

/** Orders to end sessions, as they are now. */
export async function orders(cluster: Cluster, pids: number[]): Promise<Order[]> {
  const micros = (column: string) => `(extract(epoch FROM ${column}) * 1000000)::int8`;
  const sql = `SELECT pid, ${micros("backend_start")} AS start, state, ${micros("state_change")} AS change
    FROM pg_stat_activity WHERE pid = ANY ('{${pids}}')`;
  const { rows } = await cluster.run(sql);
  return pids.map((pid) => {
    const { start, state, change } = rows.find((row) => row.pid === pid);
    return {
      pid,
      backendStart: BigInt(start),
      signal: "terminate",
      state: state ?? "",
      stateChange: BigInt(change ?? 0),
      reason: "a test",
    };
  });
}

/** Outcomes in words. */
export function words(outcomes: Outcome[]): string[] {
  return outcomes.map((it) =>
    "val" in it ? `${it.tag}: ${typeof it.val === "string" ? it.val : it.val.message}` : it.tag,
  );
}

/** A statement. */
export function statement(sql: string, params: Value[] = [], maxRows = 1_000): Statement {
  return { sql, params, maxRows };
}
