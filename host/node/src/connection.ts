// One connection, read as bytes, each answer up to its caps.

import { type Opened, type Opening, Search } from "./connect.js";
import type { TargetSessionAttrs } from "./connection-config/security.js";
import { place, type Target } from "./connection-config/target.js";
import { exposure } from "./exposure.js";
import { asFault, Fault } from "./fault.js";
import { inTime } from "./in-time.js";
import { fromServer } from "./server-fault.js";
import { mismatch } from "./session-attributes.js";
import { openSocket } from "./socket.js";
import { type Decode, decoderOf } from "./text.js";
import { type Column, decode, type Parameter, type RowSet, requireSupported, VALUE_BYTES } from "./values.js";
import * as wire from "./wire.js";

/** How long a server may take to hear that a session is over. */
const FAREWELL_MS = 1_000;

/** Time for a server to say of which kind it is. */
const ANSWER_MS = 5_000;

/** What is sent at once and answered up to the server's next ReadyForQuery. */
interface Unit {
  take(message: wire.Message): void;
  /** The unit is over, perhaps because the connection is. */
  settle(lost?: Fault): void;
}

/** How many rows of an answer are wanted, and whether there is room for so many bytes more. */
export interface Appetite {
  maxRows: number;
  take(bytes: number): boolean;
}

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
  readonly #units: Unit[] = [];
  readonly #closed: Promise<void>;
  #lost: Fault | undefined;

  private constructor(opened: Opened) {
    this.#opened = opened;
    this.target = opened.target;
    this.parameters = opened.login.parameters;
    this.isWithoutSettings = opened.isWithoutSettings;
    const { target, login, isEncrypted } = opened;
    this.notes = [...target.notes, ...exposure(opened.channel.socket, isEncrypted, login.method)];
    this.#decode = decoderOf(this.parameters.get("server_encoding"));
    const { socket } = opened.channel;
    socket.on("error", (error) => this.#lose(lost(error.message)));
    this.#closed = new Promise((resolve) => {
      const end = () => {
        this.#lose(lost("the server closed it"));
        resolve();
      };
      if (socket.destroyed) end();
      else socket.once("close", end);
    });
    opened.channel.listen((message) => this.#receive(message));
  }

  /** Opens a connection at the first host whose server is of the kind that is asked for. */
  static async open(target: Target, opening: Opening): Promise<Connection> {
    const search = new Search(target, opening);
    if (target.targetSessionAttrs !== "prefer-standby") return Connection.#first(target.targetSessionAttrs, search);
    return Connection.#first("standby", search, target.moreHosts.length + 1).catch((fault: Fault) => {
      if (fault.kind !== "server-unreachable") throw fault;
      return Connection.#first("any", search);
    });
  }

  static #first(wanted: TargetSessionAttrs, search: Search, later = 0): Promise<Connection> {
    // Our own settings would make every session read-only.
    const asksForDefault = wanted === "read-write" || wanted === "read-only";
    return search.first({ later, isPlain: asksForDefault }, async (opened, again) => {
      const connection = new Connection(opened);
      const refusal = await connection.#whyNot(wanted);
      if (!refusal && !asksForDefault) return connection;
      await connection.close();
      if (refusal) throw refusal;
      return new Connection(await again());
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
    return this.#ask(wire.statement(sql, params, rows), (columns) => reader(appetite, columns, this.#decode));
  }

  /** Runs a text by the simple protocol. All values are text. */
  simple(sql: string, appetite: Appetite = EVERYTHING): Promise<TextSet> {
    return this.#ask(wire.query(sql), (columns) => textReader(appetite, columns, this.#decode));
  }

  /** Closes the connection and waits a moment for the server to hear of it. What is under way is cancelled. */
  async close(): Promise<void> {
    const { socket } = this.#opened.channel;
    if (socket.destroyed) return;
    // The server would not look at the connection before the statement's end, so it is told.
    if (this.isBusy) await this.#cancel();
    this.#lose(new Fault("connection-lost", "the session is closed"));
    socket.end(wire.terminate());
    const timer = setTimeout(() => socket.destroy(), FAREWELL_MS);
    await this.#closed;
    clearTimeout(timer);
  }

  #ask<T>(bytes: Buffer, read: (columns: Column[]) => Reading<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#lost) {
        reject(this.#lost);
        return;
      }
      this.#units.push(unit(this.#decode, read, resolve, reject));
      const { socket } = this.#opened.channel;
      socket.cork();
      socket.write(bytes);
      process.nextTick(() => socket.uncork());
    });
  }

  #receive(message: wire.Message): void {
    const unit = this.#units[0];
    if (unit && message.code === "Z") {
      this.#units.shift();
      unit.settle();
    } else if (message.code === "E") {
      const said = wire.serverError(message.body, this.#decode);
      // What a server says when it ends a session says more than that it did.
      if (said.fatal) this.#lost ??= fromServer(said);
      unit?.take(message);
    } else {
      unit?.take(message);
    }
  }

  #lose(why: Fault): void {
    this.#lost ??= why;
    for (const unit of this.#units.splice(0)) unit.settle(this.#lost);
  }

  /** Returns the fault of a server that is not of the wanted kind. */
  async #whyNot(wanted: TargetSessionAttrs): Promise<Fault | undefined> {
    const why = await mismatch(wanted, this.parameters, async (sql) => {
      const asking = this.simple(sql);
      const { rows } = await inTime(asking, ANSWER_MS, () => silent(this.target));
      return rows[0]?.[0] ?? null;
    });
    if (why === undefined) return undefined;
    const { targetSessionAttrs } = this.target;
    const message = `${place(this.target)} is not acceptable (target_session_attrs=${targetSessionAttrs}): ${why}`;
    return new Fault("server-unreachable", message);
  }

  /** Asks the server, on a connection made for that, to end what it does for this one. */
  async #cancel(): Promise<void> {
    const { target, login, isEncrypted } = this.#opened;
    if (!login.key) return;
    const giving = new AbortController();
    const timer = setTimeout(() => giving.abort(), FAREWELL_MS);
    try {
      const socket = await openSocket(target, isEncrypted ? "required" : "none", giving.signal);
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

/** What the simple protocol answers. */
export interface TextSet {
  columns: string[];
  rows: (string | null)[][];
  truncated: boolean;
}

const EVERYTHING: Appetite = { maxRows: Number.POSITIVE_INFINITY, take: () => true };

/** What becomes of the rows of an answer. */
interface Reading<T> {
  row(body: Buffer): void;
  done(): T;
}

function unit<T>(
  decode: Decode,
  read: (columns: Column[]) => Reading<T>,
  resolve: (value: T) => void,
  reject: (why: Fault) => void,
): Unit {
  let fault: Fault | undefined;
  let reading: Reading<T> | undefined;
  const attempt = (step: () => void) => {
    if (fault) return;
    try {
      step();
    } catch (error) {
      fault = asFault(error);
    }
  };
  return {
    take({ code, body }) {
      if (code === "T") attempt(() => (reading = read(wire.columns(body, decode))));
      else if (code === "D") attempt(() => reading?.row(body));
      else if (code === "E") fault = fromServer(wire.serverError(body, decode));
    },
    settle(lost) {
      if (lost ?? fault) reject((lost ?? fault) as Fault);
      else resolve((reading ?? read([])).done());
    },
  };
}

/** Reads rows up to the caps. A row set without rows is without columns, as in the Rust host. */
function reader({ maxRows, take }: Appetite, columns: Column[], text: Decode): Reading<RowSet> {
  const set: RowSet = { columns: [], rows: [], truncated: false };
  return {
    row(body) {
      if (set.truncated) return;
      if (set.columns.length === 0) {
        columns.forEach(requireSupported);
        set.columns = columns;
      }
      if (set.rows.length >= maxRows || !take(body.length + columns.length * VALUE_BYTES)) {
        set.truncated = true;
        return;
      }
      const fields = wire.fields(body);
      set.rows.push(columns.map((column, index) => decode(column, fields[index] ?? null, text)));
    },
    done: () => set,
  };
}

function textReader({ maxRows, take }: Appetite, columns: Column[], text: Decode): Reading<TextSet> {
  const set: TextSet = { columns: columns.map(({ name }) => name), rows: [], truncated: false };
  return {
    row(body) {
      if (set.truncated) return;
      if (set.rows.length >= maxRows || !take(body.length + columns.length * VALUE_BYTES)) {
        set.truncated = true;
        return;
      }
      set.rows.push(wire.fields(body).map((field) => (field === null ? null : text(field))));
    },
    done: () => set,
  };
}

function lost(why: string): Fault {
  return new Fault("connection-lost", `the connection to the server was lost: ${why}`, { retryable: true });
}

/** Says of a server that it does not answer. */
export function silent(target: Target): Fault {
  return new Fault("connection-lost", `${place(target)} stopped answering`, { retryable: true });
}
