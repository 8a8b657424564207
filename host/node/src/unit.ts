// Answer to one request: messages up to the server's next ReadyForQuery, in the protocol's order.

import { Malformed } from "./body.js";
import { ColumnReader } from "./decode.js";
import { asFault, type Fault } from "./fault.js";
import { type ColumnDescription, type RowSet, rowSet } from "./row-set.js";
import { fromServer } from "./server-error.js";
import { type Decode, memoryOf } from "./text.js";
import * as wire from "./wire.js";

/** Row limit of an answer, and a callback that reserves memory. */
export interface RowLimits {
  maxRows: number;
  take(bytes: number): boolean;
}

/** Result of a simple query. */
export interface TextSet {
  columns: string[];
  rows: (string | null)[][];
  truncated: boolean;
}

/** Reader for the rows of an answer. */
export interface Reading<T> {
  row(body: Buffer): void;
  done(): T;
}

/** Message types that a server may send at any time; counted and discarded. */
const UNASKED = "NSA";

/** Message types allowed after an error. */
const AFTER_ERROR = `${UNASKED}Z`;

/** Checks that a message is allowed while no request is pending. */
export function requireUnasked({ code }: wire.Message): void {
  if (!UNASKED.includes(code)) throw new Malformed(`a message '${code}' came unasked`);
}

/** Pending request. */
export class Unit<T = unknown> {
  readonly #decode: Decode;
  readonly #read: (columns: ColumnDescription[]) => Reading<T>;
  readonly #resolve: (value: T) => void;
  readonly #reject: (why: Fault) => void;
  #state: "asked" | "described" | "complete" | "refused" = "asked";
  #reading: Reading<T> | undefined;
  #fault: Fault | undefined;

  constructor(
    decode: Decode,
    read: (columns: ColumnDescription[]) => Reading<T>,
    resolve: (value: T) => void,
    reject: (why: Fault) => void,
  ) {
    this.#decode = decode;
    this.#read = read;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Processes a message that is not an error, and returns "over" for the last one. */
  take({ code, body }: wire.Message): "over" | "under-way" {
    if (this.#state === "refused" && !AFTER_ERROR.includes(code))
      throw new Malformed("an answer went on after its error");
    switch (code) {
      case "T": {
        const columns = wire.columns(body, this.#decode);
        this.#state = "described";
        this.#attempt(() => {
          this.#reading = this.#read(columns);
        });
        break;
      }
      case "D":
        if (this.#state !== "described") throw new Malformed("a row came without a description of its columns");
        this.#attempt(() => this.#reading?.row(body));
        break;
      // Complete, empty query, and suspended at the row limit.
      case "C":
      case "I":
      case "s":
        this.#state = "complete";
        break;
      case "Z":
        wire.checkReady(body);
        if (this.#state !== "complete" && this.#state !== "refused")
          throw new Malformed("ReadyForQuery came before an answer");
        this.#settle();
        return "over";
    }
    return "under-way";
  }

  /** Records the server's error. */
  refuse(said: wire.ServerError): void {
    // A pooler may send a second error when it ends the session.
    if (this.#state === "refused" && !said.fatal) throw new Malformed("an answer went on after its error");
    this.#state = "refused";
    this.#fault = fromServer(said);
  }

  /** Fails the request without an answer. */
  fail(why: Fault): void {
    this.#reject(why);
  }

  #settle(): void {
    this.#attempt(() => this.#resolve((this.#reading ?? this.#read([])).done()));
    if (this.#fault) this.#reject(this.#fault);
  }

  /** Runs a step. After the first fault the rest of the answer is read and discarded. */
  #attempt(step: () => void): void {
    if (this.#fault) return;
    try {
      step();
    } catch (error) {
      const fault = asFault(error);
      // A limit on the server's data ends the session instead of reading the rest.
      if (error instanceof Malformed || fault.kind === "limit-exceeded") throw error;
      this.#fault = fault;
      this.#reading = undefined;
    }
  }
}

/** Overhead of a value and of a row: here, in the component's thread and in the component, bytes. */
const VALUE_BYTES = 160;

/** Returns the maximum memory of a row until a component has read it, computed before decoding. */
function cost(fields: readonly (Buffer | null)[]): number {
  return fields.reduce((sum, bytes) => sum + VALUE_BYTES + (bytes ? memoryOf(bytes) : 0), VALUE_BYTES);
}

/** Reads rows of `columns` values up to the limits. */
function capped<T>(
  { maxRows, take }: RowLimits,
  columns: number,
  read: (fields: (Buffer | null)[]) => void,
  done: (count: number, truncated: boolean) => T,
): Reading<T> {
  let count = 0;
  let truncated = false;
  return {
    row(body) {
      if (truncated) return;
      const fields = wire.fields(body, columns);
      truncated = count >= maxRows || !take(cost(fields));
      if (truncated) return;
      read(fields);
      count++;
    },
    done: () => done(count, truncated),
  };
}

/** Reads the rows of a statement. An empty row set has no columns, as in the Rust host. */
export function rowReader(rowLimits: RowLimits, columns: ColumnDescription[], text: Decode): Reading<RowSet> {
  const readers = columns.map((column) => new ColumnReader(column, text));
  const read = (fields: (Buffer | null)[]) => {
    readers.forEach((reader, index) => {
      reader.read(fields[index] ?? null);
    });
  };
  return capped(rowLimits, columns.length, read, (count, truncated) => {
    const builders = readers.map(({ builder }) => builder);
    return rowSet(count > 0 || truncated ? builders : [], count, truncated);
  });
}

/** Reads the rows of a simple query, whose values are all text. */
export function textReader(rowLimits: RowLimits, columns: ColumnDescription[], text: Decode): Reading<TextSet> {
  const rows: (string | null)[][] = [];
  const read = (fields: (Buffer | null)[]) => rows.push(fields.map((raw) => raw && text(raw)));
  return capped(rowLimits, columns.length, read, (_, truncated) => {
    return { columns: columns.map(({ name }) => name), rows, truncated };
  });
}
