// Runs one call against a server that misbehaves, in a process of its own:
// `node hostile-call.js KIND PORT SSLMODE DEADLINE_MS`.
// Writes what came of it as JSON.

import { readFileSync } from "node:fs";
import { SupabaseConnectionPool } from "archon-connection-pool";
import { asFault, Fault, type FaultRecord } from "../dist/fault.js";
import { inTime } from "../dist/in-time.js";
import type { Limits } from "../dist/limits.js";
import { lend } from "./host-api.js";

/** Outcome of a call. */
export interface HostileCall {
  fault: FaultRecord | undefined;
  /** Time until the call had ended, and from then until its last socket was closed. */
  tookMs: number;
  closingMs: number;
  /** Peak of the process's memory above that of a call that found no server. */
  grownMiB: number;
}

const limits = (deadlineMs: number): Partial<Limits> => ({
  deadlineMs,
  connectTimeoutMs: Math.round(deadlineMs / 3),
  statementTimeoutMs: Math.round(deadlineMs / 6),
});

const SECRET = "tell-nobody-4f81c7";

/** Attempts of a connection to this port of 127.0.0.1 that are not over, and connections. */
function sockets(port: number): number {
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1);
  const open = lines.map((line) => line.trim().split(/\s+/)).filter(([, , to]) => to === remote);
  // ESTABLISHED, SYN_SENT and CLOSE_WAIT.
  return open.filter(([, , , state]) => state === "01" || state === "02" || state === "08").length;
}

async function callServer(port: number, sslmode: string, deadlineMs: number): Promise<FaultRecord | undefined> {
  const pool = new SupabaseConnectionPool({ environment: false, limits: limits(deadlineMs), retries: 0 });
  const supabaseUrl = `postgres://ann:${SECRET}@127.0.0.1:${port}/postgres?sslmode=${sslmode}`;
  return (await pool.run({ action: "full-analysis", supabaseUrl, options: { sampleMs: 0 } })).error ?? undefined;
}

/** Opens a console and shows its views. A call would note its fault, and answer without it. */
async function callConsole(port: number, _: string, deadlineMs: number): Promise<FaultRecord | undefined> {
  const console = `postgres://ann:${SECRET}@127.0.0.1:${port}/pgbouncer?sslmode=disable`;
  const asked = { url: "postgres://ann@127.0.0.1:1/shop", console, limits: limits(deadlineMs) };
  const { hostApi, credential } = await lend(asked);
  const show = async () => {
    const opened = await hostApi.call("console.open", { credential });
    const shown = await hostApi.call("console.show", { ...opened, views: ["pools", "databases"] });
    for (const item of shown) if (item.tag === "err") throw item.val;
  };
  try {
    await inTime(show(), deadlineMs, () => new Fault("deadline-exceeded", "limit `deadlineMs`"));
    return undefined;
  } catch (error) {
    return asFault(error).toJSON();
  } finally {
    await hostApi.close();
  }
}

async function run(kind: string, port: number, sslmode: string, deadlineMs: number): Promise<HostileCall> {
  const call = kind === "console" ? callConsole : callServer;
  await call(1, sslmode, deadlineMs);
  const before = process.resourceUsage().maxRSS;
  const started = performance.now();
  const fault = await call(port, sslmode, deadlineMs);
  const ended = performance.now();
  while (sockets(port) > 0 && performance.now() < ended + 5_000) await new Promise(setImmediate);
  return {
    fault,
    tookMs: ended - started,
    closingMs: performance.now() - ended,
    grownMiB: (process.resourceUsage().maxRSS - before) / 1_024,
  };
}

const [kind = "", port, sslmode = "", deadlineMs] = process.argv.slice(2);
process.stdout.write(JSON.stringify(await run(kind, Number(port), sslmode, Number(deadlineMs))));
