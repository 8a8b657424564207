// Values of the contract's seven types, and parameters in PostgreSQL's binary format.

import { float64, int32, int64 } from "./bytes.js";
import { Fault } from "./fault.js";

/** Value of a column or parameter, as jco represents WIT's variant. */
export type Value =
  | { tag: "null" }
  | { tag: "boolean"; val: boolean }
  | { tag: "int64"; val: bigint }
  | { tag: "float64"; val: number }
  | { tag: "text"; val: string }
  | { tag: "bytes"; val: Uint8Array }
  /** Microseconds since 1970-01-01 00:00 UTC. */
  | { tag: "timestamp"; val: bigint };

/** SQL statement with its parameters. */
export interface Statement {
  sql: string;
  params: Value[];
  maxRows: number;
}

/** Parameter in binary format, with its type OID. */
export interface Parameter {
  oid: number;
  bytes: Buffer | null;
}

/** Type OIDs (PostgreSQL's pg_type.dat). */
export const OID = {
  bool: 16,
  bytea: 17,
  char: 18,
  name: 19,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  oid: 26,
  json: 114,
  float4: 700,
  float8: 701,
  unknown: 705,
  int4Array: 1007,
  textArray: 1009,
  bpchar: 1042,
  varchar: 1043,
  timestamp: 1114,
  timestamptz: 1184,
  numeric: 1700,
  jsonb: 3802,
} as const;

/** Microseconds from the Unix epoch to PostgreSQL's, 2000-01-01. */
const EPOCH = 946_684_800_000_000n;
const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

/** Size that a parameter without a length counts for, bytes. */
const PARAMETER_BYTES = 32;

/** Encodes a value as a parameter. The server infers the type of null. */
export function encode(value: Value): Parameter {
  switch (value.tag) {
    case "null":
      return { oid: OID.unknown, bytes: null };
    case "boolean":
      return { oid: OID.bool, bytes: Buffer.from([value.val ? 1 : 0]) };
    case "int64":
      return { oid: OID.int8, bytes: int64(value.val) };
    case "float64":
      return { oid: OID.float8, bytes: float64(value.val) };
    case "text":
      return { oid: OID.text, bytes: Buffer.from(value.val) };
    case "bytes":
      return { oid: OID.bytea, bytes: Buffer.from(value.val) };
    case "timestamp":
      return { oid: OID.timestamptz, bytes: int64(toServer(value.val)) };
  }
}

/** Encodes a list of texts as a parameter. */
export function textArray(texts: readonly string[]): Parameter {
  return array(
    OID.textArray,
    OID.text,
    texts.map((text) => Buffer.from(text)),
  );
}

/** Encodes a list of process ids as a parameter. */
export function int4Array(numbers: readonly number[]): Parameter {
  return array(OID.int4Array, OID.int4, numbers.map(int32));
}

/** Encodes a process id as a parameter. */
export function int4(number: number): Parameter {
  return { oid: OID.int4, bytes: int32(number) };
}

/** Returns the size of a parameter for the limit `requestBytes`. */
export function weight(value: Value): number {
  return value.tag === "text"
    ? Buffer.byteLength(value.val)
    : value.tag === "bytes"
      ? value.val.length
      : PARAMETER_BYTES;
}

/** Converts a timestamp exactly; `infinity` and `-infinity` become the largest and smallest number. */
export function fromServer(micros: bigint): bigint {
  if (micros === MIN) return micros;
  const since = micros + EPOCH;
  return since > MAX ? MAX : since;
}

function toServer(micros: bigint): bigint {
  if (micros === MIN || micros === MAX) return micros;
  if (micros - EPOCH <= MIN) throw new Fault("query-failed", "the timestamp is out of range");
  return micros - EPOCH;
}

function array(oid: number, element: number, items: Buffer[]): Parameter {
  const head = Buffer.alloc(20);
  // Dimensions, null flag, element type, length, lower bound.
  const words = [items.length === 0 ? 0 : 1, 0, element, items.length, 1];
  for (const [index, word] of words.entries()) head.writeInt32BE(word, index * 4);
  const bytes = items.length === 0 ? [head.subarray(0, 12)] : [head, ...items.flatMap((it) => [int32(it.length), it])];
  return { oid, bytes: Buffer.concat(bytes) };
}
