// Database connection; answers are read as bytes, up to their limits.

import { statementTooLong } from "./channel.js";
import { type Opened, type Opening, Search } from "./connect.js";
import type { TargetSessionAttrs } from "./connection-config/security.js";
import { place, quotesPassword, type Target } from "./connection-config/target.js";
import { exposure } from "./exposure.js";
import { Fault } from "./fault.js";
import { inTime } from "./in-time.js";
import type { Lookups } from "./lookups.js";
import type { ColumnDescription, RowSet } from "./row-set.js";
import { fromServer } from "./server-error.js";
import { mismatch } from "./session-attributes.js";
import { openSocket } from "./socket.js";
import { type Decode, decoderOf } from "./text.js";
import { missingRoots } from "./tls.js";
import { type Reading, type RowLimits, requireUnasked, rowReader, type TextSet, textReader, Unit } from "./unit.js";
import type { Parameter } from "./values.js";
import * as wire from "./wire.js";

/** Maximum time to close a session, or to send a cancel request on its own connection. */
const FAREWELL_MS = 1_000;

/** Time for the cancel request before the session is closed. */
const CANCEL_MS = 500;

/** Time for the server's answer about its session attributes. */
const ANSWER_MS = 5_000;

/** Open connection. Only messages requested through this class are sent. */
export class Connection {
  /** Target reduced to the chosen host. */
  readonly target: Target;
  /** Parameters that the server reported: `server_version`, `server_encoding`, … */
  readonly parameters: ReadonlyMap<string, string>;
  /** True when the server refused the settings of the startup packet, so they do not apply. */
  readonly isWithoutSettings: boolean;
  /** Facts about opening it that a report must state. */
  readonly notes: readonly string[];
  readonly #opened: Opened;
  readonly #decode: Decode;
  readonly #quotesPassword: ReturnType<typeof quotesPassword>;
  readonly #units: Pick<Unit, "take" | "refuse" | "fail">[] = [];
  readonly #closed: Promise<void>;
  readonly #statementBytes: number;
  readonly #lookups: Lookups;
  #closing: Promise<void> | undefined;
  #lost: Fault | undefined;

  private constructor(opened: Opened, { limits, over, lookups }: Opening) {
    this.#opened = opened;
    this.#lookups = lookups;
    this.#statementBytes = limits.statementBytes;
    this.target = opened.target;
    this.parameters = opened.login.parameters;
    this.isWithoutSettings = opened.isWithoutSettings;
    const { target, login, isEncrypted } = opened;
    const missing = isEncrypted ? missingRoots(target) : undefined;
    const unverified =
      missing === undefined ? [] : [`sslrootcert ${missing} does not exist: the server's certificate is not verified`];
    this.notes = [...target.notes, ...unverified, ...exposure(opened.channel.socket, isEncrypted, login.method)];
    this.#quotesPassword = quotesPassword(target);
    this.#decode = decoderOf(this.parameters.get("server_encoding"));
    const { socket } = opened.channel;
    socket.on("error", (error) => this.#lose(error instanceof Fault ? error : lost(error.message)));
    const leave = () => void this.close();
    this.#closed = new Promise((resolve) => {
      const end = () => {
        over.removeEventListener("abort", leave);
        this.#lose(lost("the server closed it"));
        resolve();
      };
      if (socket.destroyed) end();
      else socket.once("close", end);
    });
    opened.channel.listen((message) => this.#receive(message));
    over.addEventListener("abort", leave);
    if (over.aborted) leave();
  }

  /** Opens a connection at the first host that satisfies `target_session_attrs`. */
  static async open(target: Target, opening: Opening): Promise<Connection> {
    const search = new Search(target, opening);
    const first = (wanted: TargetSessionAttrs, later = 0) => Connection.#first(wanted, search, opening, later);
    if (target.targetSessionAttrs !== "prefer-standby") return first(target.targetSessionAttrs);
    return first("standby", target.moreHosts.length + 1).catch((fault: Fault) => {
      if (fault.kind !== "server-unreachable") throw fault;
      return first("any");
    });
  }

  static #first(wanted: TargetSessionAttrs, search: Search, opening: Opening, later: number): Promise<Connection> {
    // The host's settings would make every session read-only, so the test runs without them.
    const asksForDefault = wanted === "read-write" || wanted === "read-only";
    return search.first({ later, isPlain: asksForDefault }, async (opened, again) => {
      const connection = new Connection(opened, opening);
      const refusal = await connection.#whyNot(wanted).catch((fault: Fault) => fault);
      if (!refusal && !asksForDefault) return connection;
      await connection.close();
      if (refusal) throw refusal;
      return new Connection(await again(), opening);
    });
  }

  /** True while an answer is pending. */
  get isBusy(): boolean {
    return this.#units.length > 0;
  }

  /** Fault that ended the connection, if it has ended. */
  get lost(): Fault | undefined {
    return this.#lost;
  }

  /** Runs one statement in its own transaction. Requests of one tick are sent together. */
  statement(sql: string, params: readonly Parameter[], rowLimits: RowLimits): Promise<RowSet> {
    // One extra row shows that there are more; the server stops after it.
    const rows = Number.isFinite(rowLimits.maxRows) ? rowLimits.maxRows + 1 : 0;
    return this.#ask(wire.statement(sql, params, rows), (columns) => rowReader(rowLimits, columns, this.#decode));
  }

  /** Runs a text with the simple query protocol. All values are text. */
  simple(sql: string, rowLimits = this.whole()): Promise<TextSet> {
    return this.#ask(wire.query(sql), (columns) => textReader(rowLimits, columns, this.#decode));
  }

  /** Accepts all rows of an answer; more bytes than `statementBytes` are a fault. */
  whole(): RowLimits {
    let left = this.#statementBytes;
    return {
      maxRows: Number.POSITIVE_INFINITY,
      take: (bytes) => {
        left -= bytes;
        if (left < 0) throw statementTooLong(this.#statementBytes);
        return true;
      },
    };
  }

  /** Closes the connection within a second in any case. Pending statements are cancelled and fail with `why`. */
  close(why = new Fault("connection-lost", "the session is closed")): Promise<void> {
    this.#closing ??= this.#close(why);
    return this.#closing;
  }

  async #close(why: Fault): Promise<void> {
    const { channel } = this.#opened;
    const { socket } = channel;
    if (socket.destroyed) return;
    const timer = setTimeout(() => socket.destroy(), FAREWELL_MS);
    this.#lost ??= why;
    // The server does not notice a closed connection before the statement's end, so cancel first. A pooler cannot map a
    // cancel request to the statement once its client is gone.
    const cancelling = this.isBusy ? this.#cancel() : Promise.resolve();
    await inTime(cancelling, CANCEL_MS, () => why).catch(() => {});
    this.#lose(why);
    channel.ignore();
    socket.end(wire.terminate());
    await Promise.all([this.#closed, cancelling]);
    clearTimeout(timer);
  }

  /** Awaits an answer, and closes the connection when it does not come in time. */
  inTime<T>(answer: Promise<T>, ms: number): Promise<T> {
    return inTime(answer, ms, () => {
      const fault = new Fault("connection-lost", `${place(this.target)} stopped answering`, { retryable: true });
      void this.close(fault);
      return fault;
    });
  }

  #ask<T>(bytes: Buffer, read: (columns: ColumnDescription[]) => Reading<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#lost) {
        reject(this.#lost);
        return;
      }
      this.#units.push(new Unit(this.#decode, read, resolve, reject));
      const { socket } = this.#opened.channel;
      socket.cork();
      socket.write(bytes);
      process.nextTick(() => socket.uncork());
    });
  }

  #receive(message: wire.Message): void {
    const unit = this.#units[0];
    if (message.code === "E") {
      const said = wire.serverError(message.body, this.#decode, this.#quotesPassword);
      // The server's reason for ending the session is more specific than a lost connection.
      if (said.fatal) this.#lost ??= fromServer(said);
      unit?.refuse(said);
    } else if (!unit) {
      requireUnasked(message);
    } else if (unit.take(message) === "over") {
      this.#units.shift();
      this.#opened.channel.countAnew();
    }
  }

  #lose(why: Fault): void {
    this.#lost ??= why;
    for (const unit of this.#units.splice(0)) unit.fail(this.#lost);
  }

  /** Returns the fault of a server that does not satisfy the wanted attributes. */
  async #whyNot(wanted: TargetSessionAttrs): Promise<Fault | undefined> {
    const why = await mismatch(wanted, this.parameters, async (sql) => {
      const asking = this.simple(sql);
      const { rows } = await this.inTime(asking, ANSWER_MS);
      return rows[0]?.[0] ?? null;
    });
    if (why === undefined) return undefined;
    const { targetSessionAttrs } = this.target;
    const message = `${place(this.target)} is not acceptable (target_session_attrs=${targetSessionAttrs}): ${why}`;
    return new Fault("server-unreachable", message);
  }

  /** Cancels the running statement with a request on a separate connection. */
  async #cancel(): Promise<void> {
    const { login, isEncrypted, channel } = this.#opened;
    if (!login.key) return;
    // Uses the session's address: the name may resolve differently by now.
    const target = { ...this.target, address: channel.socket.remoteAddress ?? this.target.address };
    const giving = new AbortController();
    const timer = setTimeout(() => giving.abort(), FAREWELL_MS);
    try {
      const socket = await openSocket(target, isEncrypted ? "required" : "none", giving.signal, this.#lookups);
      giving.signal.addEventListener("abort", () => socket.destroy());
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.resume().end(wire.cancelRequest(login.key));
      await closed;
    } catch {
      // Without the request, the server notices the closed connection at the statement's end.
    } finally {
      clearTimeout(timer);
    }
  }
}

function lost(why: string): Fault {
  return new Fault("connection-lost", `the connection to the server was lost: ${why}`, { retryable: true });
}
