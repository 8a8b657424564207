// PostgreSQL session: read-only, limited, closed with its call.

import { setMaxListeners } from "node:events";
import { performance } from "node:perf_hooks";
import { guard } from "./components.js";
import { Connection } from "./connection.js";
import { place, type Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import { inTime } from "./in-time.js";
import type { Limits } from "./limits.js";
import { Lookups } from "./lookups.js";
import { type RowSet, toRows } from "./row-set.js";
import { advised } from "./supabase.js";
import { isLegacy } from "./text.js";
import { encode, type Parameter, type Statement, type Value } from "./values.js";

/** Additional time after the server's own timeout before the server counts as unresponsive. */
export const GRACE_MS = 5_000;

/** Result of one statement. */
export type Answer<T> = { ok: T } | { err: Fault };

/** Open session. */
export class Session {
  readonly #connection: Connection;
  readonly #limits: Limits;
  /**
   * True when a pooler refused or ignored the settings in the startup packet. `SET` would persist on a shared server
   * connection, so every statement runs in a transaction that sets them locally.
   */
  #isPooled: boolean;

  private constructor(connection: Connection, limits: Limits) {
    this.#connection = connection;
    this.#limits = limits;
    this.#isPooled = connection.isWithoutSettings;
  }

  /** Opens a session and verifies its settings, which takes one more round trip than `unchecked`. */
  static async open(target: Target, limits: Limits, over?: AbortSignal, lookups?: Lookups): Promise<Session> {
    const session = await Session.unchecked(target, limits, over, lookups).catch((fault: Fault) => {
      throw advised(fault, target);
    });
    try {
      if (session.#isPooled) await session.#awaitServerConnection();
      else if (!(await session.#settingsHold())) session.#isPooled = true;
      return session;
    } catch (fault) {
      await session.close();
      throw fault;
    }
  }

  /** Opens a session without verified settings, for the host's own use. */
  static async unchecked(
    target: Target,
    limits: Limits,
    over: AbortSignal = NEVER,
    lookups: Lookups = new Lookups(),
  ): Promise<Session> {
    // The host's settings come last, so that they take precedence.
    const ours = Object.entries(settings(limits)).map(([name, value]) => `-c ${name}=${value}`);
    const options = [...(target.options === undefined ? [] : [target.options]), ...ours].join(" ");
    const opening = { options, plainOptions: target.options, limits, over, lookups };
    const connection = await Connection.open(target, opening);
    if (!connection.parameters.get("server_version")?.endsWith("/bouncer")) return new Session(connection, limits);
    await connection.close();
    const hint = "give this URL as `pooler` (PGBOUNCER_URL), and that of a database as the connection";
    throw Fault.credential(`what answers at ${place(connection.target)} is PgBouncer's admin console: ${hint}`);
  }

  /** Target reduced to the chosen host. */
  get target(): Target {
    return this.#connection.target;
  }

  /** Access path of the session. */
  get accessPath(): "direct" | "pooled" {
    return this.#isPooled ? "pooled" : "direct";
  }

  /** Facts about opening it that a report must state. */
  get notes(): readonly string[] {
    return this.#connection.notes;
  }

  /** Runs a batch in one round trip. Throws only when the session is lost. */
  async query(batch: readonly Statement[], take: (bytes: number) => boolean): Promise<Answer<RowSet>[]> {
    const answers = batch.map(async ({ sql, params, maxRows }) => {
      const rowLimits = { maxRows: Math.min(maxRows, this.#limits.rows), take };
      // An invalid parameter fails its statement before anything is sent.
      const encoded = params.map(encode);
      return this.#guarded(() => this.#connection.statement(sql, encoded, rowLimits));
    });
    return this.#settled(answers, batch.length);
  }

  /** Runs a statement of the host with each set of parameters, in one round trip with one transaction each. */
  async own(sql: string, params: readonly Parameter[][]): Promise<Answer<Value[][]>[]> {
    const whole = this.#connection.whole();
    const answers = params.map((params) => this.#guarded(() => this.#connection.statement(sql, params, whole)));
    try {
      const settled = await this.#settled(answers, 1);
      return settled.map((answer) => ("ok" in answer ? { ok: toRows(answer.ok) } : answer));
    } catch (fault) {
      return params.map(() => ({ err: fault as Fault }));
    }
  }

  /** Measures one empty round trip, milliseconds. */
  async roundTrip(): Promise<number> {
    const started = performance.now();
    await this.#connection.simple("");
    return performance.now() - started;
  }

  /** Closes the session. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  /** Runs one statement with the session's settings in its own transaction. */
  async #guarded<T>(send: () => Promise<T>): Promise<T> {
    if (!this.#isPooled) return send();
    // All three are sent before the first answer is awaited.
    const begin = this.#connection.simple(`BEGIN READ ONLY; ${setLocal(this.#wanted())}`);
    const [begun, answer, ended] = await Promise.allSettled([begin, send(), this.#connection.simple("COMMIT")]);
    if (begun.status === "rejected") throw begun.reason;
    if (answer.status === "rejected") throw answer.reason;
    if (ended.status === "rejected") throw ended.reason;
    return answer.value;
  }

  async #settled<T>(answers: Promise<T>[], statements: number): Promise<Answer<T>[]> {
    const patience = this.#limits.statementTimeoutMs * statements + GRACE_MS;
    const settled = await this.#connection.inTime(Promise.allSettled(answers), patience);
    // Without the session, earlier results do not count.
    const lost = settled.find((it) => it.status === "rejected" && (it.reason as Fault).kind === "connection-lost");
    if (lost || this.#connection.lost) throw this.#connection.lost ?? (lost as PromiseRejectedResult).reason;
    return settled.map((it) => (it.status === "fulfilled" ? { ok: it.value } : { err: it.reason as Fault }));
  }

  /** Returns the required settings: those of the host, and no conversion of legacy encodings. */
  #wanted(): Record<string, string> {
    const wanted = settings(this.#limits);
    const converts = isLegacy(this.#connection.parameters.get("server_encoding"));
    return converts ? { ...wanted, client_encoding: "SQL_ASCII" } : wanted;
  }

  /** Waits for the pooler's server connection: a pooler accepts a login without one. */
  async #awaitServerConnection(): Promise<void> {
    const ms = this.#limits.statementTimeoutMs + GRACE_MS;
    await inTime(this.#connection.simple(""), ms, () => {
      const why = "its pool is full, the database is paused, or the server is down";
      const hint = "see SHOW POOLS and SHOW DATABASES of its console";
      const message = `the pooler at ${place(this.target)} had no connection to the server within ${ms} ms: ${why}; ${hint}`;
      return new Fault("too-many-connections", message, { retryable: true });
    });
  }

  /** Returns true if the startup packet's settings apply: some poolers ignore them silently. */
  async #settingsHold(): Promise<boolean> {
    const expected = Object.entries(this.#wanted());
    const names = expected.map(([name]) => `'${name}'`).join(", ");
    const asking = this.#connection.simple(`SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN (${names})`);
    const { rows } = await this.#connection.inTime(asking, this.#limits.statementTimeoutMs + GRACE_MS);
    return expected.every(([name, value]) => rows.some((row) => row[0] === name && row[1] === value));
  }
}

const NEVER = new AbortController().signal;
// Each session adds a listener and removes it on close.
setMaxListeners(0, NEVER);

function setLocal(settings: Record<string, string>): string {
  return Object.entries(settings)
    .map(([name, value]) => `SET LOCAL ${name} = '${value}'`)
    .join("; ");
}

/** Returns the Rust host's settings with the timeouts of these limits. */
function settings(limits: Limits): Record<string, string> {
  return {
    ...guard().session.settings,
    statement_timeout: String(limits.statementTimeoutMs),
    lock_timeout: String(limits.lockTimeoutMs),
  };
}
