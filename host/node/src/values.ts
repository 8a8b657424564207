// Conversion between PostgreSQL's binary format and the contract's seven types.

import { float64, int32, int64 } from "./bytes.js";
import { Fault } from "./fault.js";
import type { Decode as DecodeText } from "./text.js";

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

/** Column of a row set. */
export interface Column {
  name: string;
  typeOid: number;
}

/** Result of a statement. */
export interface RowSet {
  /** Empty without rows. */
  columns: Column[];
  rows: Value[][];
  /** True when the server had more rows than were returned. */
  truncated: boolean;
}

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

const NULL: Value = { tag: "null" };

/** Size that a parameter without a length counts for, bytes. */
const PARAMETER_BYTES = 32;

type Decode = (raw: Buffer, decodeText: DecodeText) => Value;

/** Returns a decoder for values of exactly `bytes` bytes. */
const sized =
  (bytes: number, read: (raw: Buffer) => Value): Decode =>
  (raw) => {
    if (raw.length !== bytes) throw new Error(`it has ${raw.length} bytes and not ${bytes}`);
    return read(raw);
  };
const int = (bytes: number, read: (raw: Buffer) => number | bigint) =>
  sized(bytes, (raw) => ({ tag: "int64", val: BigInt(read(raw)) }));
const text: Decode = (raw, decodeText) => ({ tag: "text", val: decodeText(raw) });
const timestamp = sized(8, (raw) => ({ tag: "timestamp", val: fromServer(raw.readBigInt64BE()) }));

const DECODE: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  [OID.bool, sized(1, (raw) => ({ tag: "boolean", val: raw.readUInt8() !== 0 }))],
  [OID.int2, int(2, (raw) => raw.readInt16BE())],
  [OID.int4, int(4, (raw) => raw.readInt32BE())],
  [OID.int8, int(8, (raw) => raw.readBigInt64BE())],
  [OID.oid, int(4, (raw) => raw.readUInt32BE())],
  [OID.float4, sized(4, (raw) => ({ tag: "float64", val: raw.readFloatBE() }))],
  [OID.float8, sized(8, (raw) => ({ tag: "float64", val: raw.readDoubleBE() }))],
  ...[OID.text, OID.varchar, OID.name, OID.bpchar, OID.char, OID.unknown, OID.json].map((oid) => [oid, text] as const),
  [
    OID.jsonb,
    (raw, decodeText) => {
      // The binary format of jsonb is a version number and the text.
      if (raw[0] !== 1) throw new Error("jsonb of an unknown version");
      return text(raw.subarray(1), decodeText);
    },
  ],
  [OID.bytea, (raw) => ({ tag: "bytes", val: new Uint8Array(raw) })],
  [OID.timestamptz, timestamp],
  [OID.timestamp, timestamp],
]);

/** Checks that values of a column's type can be decoded. */
export function requireSupported({ name, typeOid }: Column): void {
  if (DECODE.has(typeOid)) return;
  const known = Object.entries(OID).find(([, oid]) => oid === typeOid)?.[0];
  const type = known === undefined ? "a type of its own" : `type ${known}`;
  throw new Fault("unsupported-type", `column '${name}' has ${type} (OID ${typeOid}): cast it in the statement`);
}

/** Decodes one column's value; null when the server sent none. Texts are decoded by `decodeText`. */
export function decode(column: Column, raw: Buffer | null, decodeText: DecodeText): Value {
  if (raw === null) return NULL;
  try {
    const decode = DECODE.get(column.typeOid);
    if (!decode) throw new Error("the type is not supported");
    return decode(raw, decodeText);
  } catch (error) {
    throw new Fault("unexpected-answer", `column '${column.name}' cannot be read: ${(error as Error).message}`);
  }
}

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
function fromServer(micros: bigint): bigint {
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
