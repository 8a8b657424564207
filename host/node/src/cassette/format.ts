// Encoding of values in a cassette, as specified in tests/conformance/FORMAT.md.

import { sha256 } from "../digest.js";
import { Fault, type FaultRecord } from "../fault.js";
import type { Order, Outcome } from "../guard/order.js";
import type { ImportName, Imports, Item, ProbeTiming } from "../imports.js";
import { fromRows, type RowSet, toRows } from "../row-set.js";
import type { Value } from "../values.js";

/** JSON value. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** First line of a cassette. */
export interface Header {
  cassette: 1;
  package: string;
  component: { name: string; sha256: string };
  normalised: boolean;
}

/** Call of an import. */
export interface ImportLine {
  import: ImportName;
  with: Record<string, Json>;
  ok?: Json;
  err?: Json;
}

/** WIT package of cassettes of this version. */
export const PACKAGE = "archon:connection-pool@1.0.0";

/** Encodes the arguments of an import. */
export function writeWith<N extends ImportName>(name: N, args: Imports[N][0]): Record<string, Json> {
  switch (name) {
    case "credentials.lookup": {
      const given = args as Imports["credentials.lookup"][0];
      return { name: given.name ?? null };
    }
    case "session.query": {
      const { session, batch } = args as Imports["session.query"][0];
      const statements = batch.map(({ sql, params, maxRows }) => ({
        sql: sha256(sql),
        params: params.map(writeValue),
        maxRows,
      }));
      return { session, batch: statements };
    }
    case "backends.deliver": {
      const { session, orders, dryRun } = args as Imports["backends.deliver"][0];
      return { session, orders: orders.map(writeOrder), dryRun };
    }
    case "scaling.resize": {
      const { console, pool, size, reason, dryRun } = args as Imports["scaling.resize"][0];
      return { console, pool: pool ?? null, size, reason, dryRun };
    }
    default:
      // Handles, names, numbers and lists of names are kept unchanged.
      return { ...args } as Record<string, Json>;
  }
}

/** Encodes the result of an import. */
export function writeOk<N extends ImportName>(name: N, ok: Imports[N][1]): Json {
  switch (name) {
    case "session.query":
    case "console.show":
      return (ok as Item<RowSet>[]).map((item) => writeItem(item, writeRows));
    case "database.probe": {
      const timing = ({ connectUs, roundTripUs }: ProbeTiming) => ({
        connectUs: String(connectUs),
        roundTripUs: String(roundTripUs),
      });
      return (ok as Item<ProbeTiming>[]).map((item) => writeItem(item, timing));
    }
    case "backends.deliver":
      return (ok as Outcome[]).map(writeOutcome);
    case "scaling.resize": {
      const { before, after, executed, note } = ok as Imports["scaling.resize"][1];
      return { before: before ?? null, after: after ?? null, executed, note };
    }
    default:
      return ok as Json;
  }
}

/** Decodes the result of an import. */
export function readOk<N extends ImportName>(name: N, json: Json): Imports[N][1] {
  return readAny(name, json) as Imports[N][1];
}

function readAny(name: ImportName, json: Json): unknown {
  switch (name) {
    case "session.query":
    case "console.show":
      return (json as Json[]).map((item) => readItem(item, readRows));
    case "database.probe":
      return (json as Json[]).map((item) =>
        readItem(item, (it) => {
          const { connectUs, roundTripUs } = it as Record<string, string>;
          return { connectUs: BigInt(connectUs ?? 0), roundTripUs: BigInt(roundTripUs ?? 0) };
        }),
      );
    case "backends.deliver":
      return (json as Json[]).map(readOutcome);
    case "scaling.resize": {
      const { before, after, executed, note } = json as Record<string, Json>;
      return { before: before ?? undefined, after: after ?? undefined, executed, note };
    }
    default:
      return json;
  }
}

/** Encodes a fault with all of its fields. */
export function writeFault({ kind, message, sqlstate, retryable }: FaultRecord): Json {
  return { kind, message, sqlstate: sqlstate ?? null, retryable };
}

/** Decodes a fault. */
export function readFault(json: Json): Fault {
  const { kind, message, sqlstate, retryable } = json as Record<string, Json>;
  return new Fault(String(kind), String(message), {
    sqlstate: typeof sqlstate === "string" ? sqlstate : undefined,
    retryable: retryable === true,
  });
}

/** Returns a canonical form for comparison: sorted fields, absent equal to null, numbers by value. */
export function canonical(json: Json | undefined): string {
  if (json === undefined || json === null) return "null";
  if (Array.isArray(json)) return `[${json.map(canonical).join()}]`;
  if (typeof json !== "object") return JSON.stringify(json);
  const fields = Object.entries(json).filter(([, value]) => value !== null);
  if (fields.length === 1 && fields[0]?.[0] === "f") return `{"f":${writeFloat(readFloat(String(fields[0][1])))}}`;
  return `{${fields
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${JSON.stringify(name)}:${canonical(value)}`)
    .join()}}`;
}

function writeItem<T>(item: Item<T>, write: (value: T) => Json): Json {
  return item.tag === "ok" ? { ok: write(item.val) } : { err: writeFault(item.val) };
}

function readItem<T>(json: Json, read: (json: Json) => T): Item<T> {
  const { ok, err } = json as Record<string, Json>;
  return ok === undefined ? { tag: "err", val: readFault(err ?? null) } : { tag: "ok", val: read(ok) };
}

function writeRows(set: RowSet): Json {
  return {
    columns: set.columns.map(({ name, typeOid }) => [name, typeOid]),
    rows: toRows(set).map((row) => row.map(writeValue)),
    truncated: set.truncated,
  };
}

function readRows(json: Json): RowSet {
  const { columns, rows, truncated } = json as { columns: [string, number][]; rows: Json[][]; truncated: boolean };
  const descriptions = columns.map(([name, typeOid]) => ({ name, typeOid }));
  const values = rows.map((row) => row.map(readValue));
  return fromRows(descriptions, values, truncated);
}

function writeValue(value: Value): Json {
  switch (value.tag) {
    case "null":
      return null;
    case "boolean":
    case "text":
      return value.val;
    case "int64":
      return { i: String(value.val) };
    case "float64":
      return { f: writeFloat(value.val) };
    case "bytes":
      return { b: Buffer.from(value.val).toString("hex") };
    case "timestamp":
      return { t: String(value.val) };
  }
}

function readValue(json: Json): Value {
  if (json === null) return { tag: "null" };
  if (typeof json === "boolean") return { tag: "boolean", val: json };
  if (typeof json === "string") return { tag: "text", val: json };
  const { i, f, b, t } = json as Record<string, string>;
  if (i !== undefined) return { tag: "int64", val: BigInt(i) };
  if (f !== undefined) return { tag: "float64", val: readFloat(f) };
  if (b !== undefined) return { tag: "bytes", val: new Uint8Array(Buffer.from(b, "hex")) };
  if (t !== undefined) return { tag: "timestamp", val: BigInt(t) };
  throw new Error("a value of no known type");
}

/** Returns the shortest digits that represent the same number. */
function writeFloat(number: number): string {
  if (Number.isNaN(number)) return "NaN";
  if (!Number.isFinite(number)) return number > 0 ? "inf" : "-inf";
  return Object.is(number, -0) ? "-0" : String(number);
}

function readFloat(text: string): number {
  return text === "inf" ? Number.POSITIVE_INFINITY : text === "-inf" ? Number.NEGATIVE_INFINITY : Number(text);
}

function writeOrder({ pid, backendStart, signal, state, stateChange, reason }: Order): Json {
  return { pid, backendStart: String(backendStart), signal, state, stateChange: String(stateChange), reason };
}

function writeOutcome(outcome: Outcome): Json {
  if (outcome.tag === "denied") return { denied: outcome.val };
  return outcome.tag === "failed" ? { failed: writeFault(outcome.val) } : outcome.tag;
}

function readOutcome(json: Json): Outcome {
  if (typeof json === "string") return { tag: json as "gone" };
  const { denied, failed } = json as Record<string, Json>;
  return denied === undefined
    ? { tag: "failed", val: readFault(failed ?? null) }
    : { tag: "denied", val: String(denied) };
}
