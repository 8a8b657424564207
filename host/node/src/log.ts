// Log lines of the contract: one JSON object per line, passed to the caller's logger.

import { description } from "./components.js";
import { parseText, unwrap } from "./connection-config/text.js";
import type { SkillOutput } from "./contract.js";
import type { FaultRecord } from "./fault.js";
import { isRecord } from "./request.js";

/** Log line, with its fields in the contract's order. */
export interface LogLine {
  timestamp: string;
  skill: "connection-pool-manager";
  level: "info" | "error";
  message: string;
  context: Record<string, unknown>;
}

/** Receiver of log lines. Its errors are ignored, so that logging never fails a call. */
export type Logger = (line: LogLine) => void;

/** Returns a logger that writes each line as JSON to a stream such as `process.stderr`. */
export function jsonLines(stream: { write(text: string): unknown }): Logger {
  return (line) => stream.write(`${JSON.stringify(line)}\n`);
}

/** Log lines of one call, as the contract defines them. */
export class CallLog {
  readonly #logger: Logger | undefined;
  readonly #params: unknown;

  constructor(logger: Logger | undefined, params: unknown) {
    this.#logger = logger;
    this.#params = params;
  }

  started(): void {
    this.#line("info", "Connection Pool Manager iniciado", { action: action(this.#params), url: url(this.#params) });
  }

  completed({ data }: SkillOutput, durationMs: number): void {
    this.#line("info", "Connection Pool analysis completed", {
      action: action(this.#params),
      poolSize: data?.poolStats.connections.total ?? null,
      activeConnections: data?.poolStats.connections.active ?? null,
      leaksDetected: data?.leakDetection.totalSuspected ?? null,
      actionsExecuted: data?.actions.filter(({ executed }) => executed).length ?? 0,
      duration: Math.round(durationMs),
    });
  }

  failed({ kind, message, sqlstate }: FaultRecord, durationMs: number): void {
    this.#line("error", "Connection Pool analysis failed", {
      action: action(this.#params),
      url: url(this.#params),
      kind,
      error: message,
      sqlstate: sqlstate ?? null,
      duration: Math.round(durationMs),
    });
  }

  #line(level: LogLine["level"], message: string, context: Record<string, unknown>): void {
    try {
      this.#logger?.({
        timestamp: new Date().toISOString(),
        skill: "connection-pool-manager",
        level,
        message,
        context,
      });
    } catch {
      // A logging error must not fail the call.
    }
  }
}

/** Returns the request's action, or "unknown": any other text may be a misplaced secret. */
function action(params: unknown): string {
  const given = isRecord(params) ? params.action : undefined;
  if (given === undefined) return "full-analysis";
  return description("pool-observer").actions.find((known) => known === given) ?? "unknown";
}

/** Returns the hosts of the request's URL, or "from-vault" without one. Never returns a secret. */
function url(params: unknown): string {
  const given = isRecord(params) ? params.supabaseUrl : undefined;
  if (typeof given !== "string") return "from-vault";
  const hosts = hostsOf(given)?.join() ?? "";
  return /^[A-Za-z0-9.:_,-]+$/.test(hosts) ? hosts : "unreadable";
}

/** Returns the hosts that a connection would use, so that no other part of the text is shown. */
function hostsOf(given: string): string[] | undefined {
  const text = unwrap(given);
  const project = text.includes("@") ? undefined : /^https?:\/\/([^/?#:]*)/i.exec(text)?.[1];
  if (project !== undefined) return [project];
  try {
    return parseText(text).hosts;
  } catch {
    return undefined;
  }
}
