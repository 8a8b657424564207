// One connection, read as bytes, each answer up to its caps.

import { statementTooLong } from "./channel.js";
import { type Opened, type Opening, Search } from "./connect.js";
import type { TargetSessionAttrs } from "./connection-config/security.js";
import { place, quotesPassword, type Target } from "./connection-config/target.js";
import { exposure } from "./exposure.js";
import { Fault } from "./fault.js";
import { inTime } from "./in-time.js";
import type { Lookups } from "./lookups.js";
import { fromServer } from "./server-error.js";
import { mismatch } from "./session-attributes.js";
import { openSocket } from "./socket.js";
import { type Decode, decoderOf } from "./text.js";
import { missingRoots } from "./tls.js";
import { type Appetite, type Reading, requireUnasked, rowReader, type TextSet, textReader, Unit } from "./unit.js";
import type { Column, Parameter, RowSet } from "./values.js";
import * as wire from "./wire.js";

/** How long a session may take to close, and a request to cancel on its own connection. */
const FAREWELL_MS = 1_000;

/** How much of that a request to cancel has before the session that it is about is left. */
const CANCEL_MS = 500;

/** Time for a server to say of which kind it is. */
const ANSWER_MS = 5_000;

/** An open connection. Nothing is sent on it that was not asked for here. */
export class Connection {
  /** Target with the host that was chosen, and no other. */
  readonly target: Target;
  /** Parameters that the server reported: `server_version`, `server_encoding`, … */
  readonly parameters: ReadonlyMap<string, string>;
  /** True when the startup packet's settings were refused, and do not hold. */
  readonly isWithoutSettings: boolean;
  /** Facts about how it was opened that a report must state. */
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

  /** Opens a connection at the first host whose server is of the kind that is asked for. */
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
    // Our own settings would make every session read-only.
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

  /** Whether an answer is still to come. */
  get isBusy(): boolean {
    return this.#units.length > 0;
  }

  /** Why the connection ended, once it has. */
  get lost(): Fault | undefined {
    return this.#lost;
  }

  /** Runs one statement in a transaction of its own. What is asked for in one tick travels in one go. */
  statement(sql: string, params: readonly Parameter[], appetite: Appetite): Promise<RowSet> {
    // One row more shows that there are more, and the server stops there.
    const rows = Number.isFinite(appetite.maxRows) ? appetite.maxRows + 1 : 0;
    return this.#ask(wire.statement(sql, params, rows), (columns) => rowReader(appetite, columns, this.#decode));
  }

  /** Runs a text by the simple protocol. All values are text. */
  simple(sql: string, appetite = this.whole()): Promise<TextSet> {
    return this.#ask(wire.query(sql), (columns) => textReader(appetite, columns, this.#decode));
  }

  /** All rows of an answer; more than one statement may bring are a fault. */
  whole(): Appetite {
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

  /**
   * Closes the connection, at the latest within a second, whatever the server does. What is under way is cancelled, and
   * answered with the reason.
   */
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
    // The server would not look at the connection before the statement's end, so it is told. A pooler forgets whose
    // statement it was once its client has left.
    const cancelling = this.isBusy ? this.#cancel() : Promise.resolve();
    await inTime(cancelling, CANCEL_MS, () => why).catch(() => {});
    this.#lose(why);
    channel.ignore();
    socket.end(wire.terminate());
    await Promise.all([this.#closed, cancelling]);
    clearTimeout(timer);
  }

  /** Waits for an answer, and closes the connection of a server that gives none. */
  inTime<T>(answer: Promise<T>, ms: number): Promise<T> {
    return inTime(answer, ms, () => {
      const fault = new Fault("connection-lost", `${place(this.target)} stopped answering`, { retryable: true });
      void this.close(fault);
      return fault;
    });
  }

  #ask<T>(bytes: Buffer, read: (columns: Column[]) => Reading<T>): Promise<T> {
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
      // What a server says when it ends a session says more than that it did.
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

  /** Returns the fault of a server that is not of the wanted kind. */
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

  /** Asks the server, on a connection made for that, to end what it does for this one. */
  async #cancel(): Promise<void> {
    const { login, isEncrypted, channel } = this.#opened;
    if (!login.key) return;
    // At the address of the session: a name may lead elsewhere by now, or nowhere.
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
      // Then the server hears of it at the statement's end.
    } finally {
      clearTimeout(timer);
    }
  }
}

function lost(why: string): Fault {
  return new Fault("connection-lost", `the connection to the server was lost: ${why}`, { retryable: true });
}
