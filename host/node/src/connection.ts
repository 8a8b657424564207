// One connection: `pg` opens it (address, TLS, authentication), and from then on it is read here, as bytes.

import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import pg from "pg";
import { guard } from "./components.js";
import { Fault } from "./fault.js";
import type { Limits } from "./limits.js";
import { connecting, fromServer, isWithoutTls, MissingPassword, unreachable } from "./server-fault.js";
import { place, type Target } from "./target.js";
import { tlsOptions } from "./tls.js";
import { type Column, decode, type Parameter, type RowSet, requireSupported, VALUE_BYTES } from "./values.js";
import * as wire from "./wire.js";

/** How long a server may take to hear that a session is over. */
const FAREWELL_MS = 1_000;

/** What `pg` has and its types do not tell. */
interface Internals {
  connectionParameters: { options: string | undefined; replication: undefined };
  connection: Wire;
  processID: number | null;
  secretKey: number | null;
}

interface Wire {
  stream: Socket;
  on(event: string, listener: (message: never) => void): void;
  connect(port: number, host: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
  end(): void;
}

/** What `pg` has opened. */
interface Opened {
  client: Internals;
  ssl: ConnectionOptions | false;
  /** `server_version`, as the server reported it. */
  version: string | undefined;
}

/** How long to wait for a connection. */
interface Patience {
  /** As `performance.now()` counts. */
  end: number;
  /** How long that was at first, for the message. */
  timeout: number;
  /** The wait is over whatever the time. */
  over: AbortSignal;
}

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
  readonly target: Target;
  /** `server_version`, as the server reported it. */
  readonly version: string | undefined;
  readonly #stream: Socket;
  readonly #ssl: ConnectionOptions | false;
  readonly #key: { processId: number; secretKey: number } | undefined;
  readonly #units: Unit[] = [];
  readonly #closed: Promise<void>;
  #lost: Fault | undefined;

  private constructor(target: Target, { client, ssl, version }: Opened) {
    this.target = target;
    this.version = version;
    this.#ssl = ssl;
    this.#stream = client.connection.stream;
    if (client.processID !== null && client.secretKey !== null) {
      this.#key = { processId: client.processID, secretKey: client.secretKey };
    }
    const framing = new wire.Framing();
    this.#stream.removeAllListeners("data");
    this.#stream.on("data", (chunk: Buffer) => {
      for (const message of framing.push(chunk)) this.#receive(message);
    });
    this.#stream.on("error", (error) => this.#lose(lost(error.message)));
    this.#closed = new Promise((resolve) => {
      this.#stream.once("close", () => {
        this.#lose(lost("the server closed it"));
        resolve();
      });
    });
  }

  /** Opens a connection. `options` is what the startup packet carries for the server; `over` ends the wait. */
  static async open(
    target: Target,
    options: string | undefined,
    limits: Limits,
    over: AbortSignal = NEVER,
  ): Promise<Connection> {
    const timeout = Math.min(target.connectTimeoutMs ?? limits.connectTimeoutMs, limits.connectTimeoutMs);
    const patience = { end: performance.now() + timeout, timeout, over };
    const ssl = tlsOptions(target);
    const opened = await connect(target, options, ssl, patience).catch((error: Error) => {
      const mayBePlain = ssl !== false && target.sslMode === "prefer" && isWithoutTls(error);
      if (!mayBePlain) throw error;
      return connect(target, options, false, patience);
    });
    return new Connection(target, opened);
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
    return this.#ask(wire.statement(sql, params, rows), (columns) => reader(appetite, columns));
  }

  /** Runs a text by the simple protocol. All values are text. */
  simple(sql: string, appetite: Appetite = EVERYTHING): Promise<TextSet> {
    return this.#ask(wire.query(sql), (columns) => textReader(appetite, columns));
  }

  /** Closes the connection and waits a moment for the server to hear of it. What is under way is cancelled. */
  async close(): Promise<void> {
    if (this.#stream.destroyed) return;
    // The server would not look at the connection before the statement's end, so it is told.
    if (this.isBusy) await this.#cancel();
    this.#lose(new Fault("connection-lost", "the session is closed"));
    this.#stream.end(wire.terminate());
    const timer = setTimeout(() => this.#stream.destroy(), FAREWELL_MS);
    await this.#closed;
    clearTimeout(timer);
  }

  #ask<T>(bytes: Buffer, read: (columns: Column[]) => Reading<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#lost) {
        reject(this.#lost);
        return;
      }
      this.#units.push(unit(read, resolve, reject));
      this.#stream.cork();
      this.#stream.write(bytes);
      process.nextTick(() => this.#stream.uncork());
    });
  }

  #receive(message: wire.Message): void {
    const unit = this.#units[0];
    if (unit && message.code === "Z") {
      this.#units.shift();
      unit.settle();
    } else if (message.code === "E") {
      const said = wire.serverError(message.body);
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

  /** Asks the server, on a connection made for that, to end what it does for this one. */
  async #cancel(): Promise<void> {
    const key = this.#key;
    if (!key) return;
    const wire = new (pg as unknown as { Connection: new (config: object) => Wire }).Connection({ ssl: this.#ssl });
    const cancel = () => wire.cancel(key.processId, key.secretKey);
    wire.on("connect", () => (this.#ssl === false ? cancel() : wire.requestSsl()));
    wire.on("sslconnect", cancel);
    wire.on("error", () => wire.stream.destroy());
    const done = new Promise<void>((resolve) => wire.stream.once("close", () => resolve()));
    const timer = setTimeout(() => wire.stream.destroy(), FAREWELL_MS);
    const { host, port } = this.target;
    if (host.startsWith("/")) (wire.connect as unknown as (path: string) => void)(`${host}/.s.PGSQL.${port}`);
    else wire.connect(port, host);
    await done;
    clearTimeout(timer);
  }
}

/** What the simple protocol answers. */
export interface TextSet {
  columns: string[];
  rows: (string | null)[][];
  truncated: boolean;
}

const EVERYTHING: Appetite = { maxRows: Number.POSITIVE_INFINITY, take: () => true };

const NEVER = new AbortController().signal;

/** What becomes of the rows of an answer. */
interface Reading<T> {
  row(body: Buffer): void;
  done(): T;
}

async function connect(
  target: Target,
  options: string | undefined,
  ssl: ConnectionOptions | false,
  { end, timeout, over }: Patience,
): Promise<Opened> {
  const client = new pg.Client({
    host: target.host,
    port: target.port,
    user: target.user,
    database: target.database,
    // Never `pg`'s own way to a password, which asks the environment and a file.
    password: () => {
      if (!target.password) throw new MissingPassword("no password");
      return target.password.reveal();
    },
    ssl: ssl as never,
    // By which our sessions are left out of every count.
    application_name: guard().application,
    sslnegotiation: "postgres",
    keepAlive: true,
    keepAliveInitialDelayMillis: 30_000,
  } as pg.ClientConfig);
  const inner = client as unknown as Internals;
  // Where these are none `pg` takes the environment's.
  Object.assign(inner.connectionParameters, { options, replication: undefined });
  let version: string | undefined;
  inner.connection.on("parameterStatus", ({ parameterName, parameterValue }: Record<string, string>) => {
    if (parameterName === "server_version") version = parameterValue;
  });
  // After the connection is open its end is seen on the socket itself.
  client.on("error", () => {});
  let late = false;
  const giveUp = () => inner.connection.stream.destroy(new Error("given up"));
  const timer = setTimeout(() => {
    late = true;
    giveUp();
  }, end - performance.now());
  over.addEventListener("abort", giveUp);
  try {
    if (over.aborted) throw new Error("given up");
    await client.connect();
    return { client: inner, ssl, version };
  } catch (error) {
    inner.connection.stream.destroy();
    if (late) throw unreachable(target, `no session within ${timeout} ms (limit \`connectTimeoutMs\`)`);
    throw error;
  } finally {
    clearTimeout(timer);
    over.removeEventListener("abort", giveUp);
  }
}

/** The fault of whatever kept a connection from being opened. */
export function whyNotOpen(error: unknown, target: Target): Fault {
  return error instanceof Fault ? error : connecting(error as Error, target);
}

function unit<T>(
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
      fault = error as Fault;
    }
  };
  return {
    take({ code, body }) {
      if (code === "T") attempt(() => (reading = read(wire.columns(body))));
      else if (code === "D") attempt(() => reading?.row(body));
      else if (code === "E") fault = fromServer(wire.serverError(body));
    },
    settle(lost) {
      if (lost ?? fault) reject((lost ?? fault) as Fault);
      else resolve((reading ?? read([])).done());
    },
  };
}

/** Reads rows up to the caps. A row set without rows is without columns, as in the Rust host. */
function reader({ maxRows, take }: Appetite, columns: Column[]): Reading<RowSet> {
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
      set.rows.push(columns.map((column, index) => decode(column, fields[index] ?? null)));
    },
    done: () => set,
  };
}

function textReader({ maxRows, take }: Appetite, columns: Column[]): Reading<TextSet> {
  const set: TextSet = { columns: columns.map(({ name }) => name), rows: [], truncated: false };
  return {
    row(body) {
      if (set.truncated) return;
      if (set.rows.length >= maxRows || !take(body.length + columns.length * VALUE_BYTES)) {
        set.truncated = true;
        return;
      }
      set.rows.push(wire.fields(body).map((field) => field?.toString("utf8") ?? null));
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
