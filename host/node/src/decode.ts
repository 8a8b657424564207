// Decoding of a server's answers: values in PostgreSQL's binary format, appended to the columns of a row set.

import { Fault } from "./fault.js";
import { ColumnBuilder, type ColumnDescription } from "./row-set.js";
import type { Decode as DecodeText } from "./text.js";
import { fromServer, OID } from "./values.js";

/** Appends a value that is not null to a column. */
type Append = (raw: Buffer, to: ColumnBuilder) => void;

/** Returns a decoder for values of exactly `bytes` bytes. */
const sized =
  (bytes: number, append: Append): Append =>
  (raw, to) => {
    if (raw.length !== bytes) throw new Error(`it has ${raw.length} bytes and not ${bytes}`);
    append(raw, to);
  };
const text: Append = (raw, to) => to.text(raw);
const timestamp = sized(8, (raw, to) => to.timestamp(fromServer(raw.readBigInt64BE())));

const APPEND: ReadonlyMap<number, Append> = new Map<number, Append>([
  [OID.bool, sized(1, (raw, to) => to.boolean(raw.readUInt8() !== 0))],
  [OID.int2, sized(2, (raw, to) => to.int64(BigInt(raw.readInt16BE())))],
  [OID.int4, sized(4, (raw, to) => to.int64(BigInt(raw.readInt32BE())))],
  [OID.int8, sized(8, (raw, to) => to.int64(raw.readBigInt64BE()))],
  [OID.oid, sized(4, (raw, to) => to.int64(BigInt(raw.readUInt32BE())))],
  [OID.float4, sized(4, (raw, to) => to.float64(raw.readFloatBE()))],
  [OID.float8, sized(8, (raw, to) => to.float64(raw.readDoubleBE()))],
  ...[OID.text, OID.varchar, OID.name, OID.bpchar, OID.char, OID.unknown, OID.json].map((oid) => [oid, text] as const),
  [
    OID.jsonb,
    (raw, to) => {
      // The binary format of jsonb is a version number and the text.
      if (raw[0] !== 1) throw new Error("jsonb of an unknown version");
      to.text(raw.subarray(1));
    },
  ],
  [OID.bytea, (raw, to) => to.bytes(raw)],
  [OID.timestamptz, timestamp],
  [OID.timestamp, timestamp],
]);

/** Decoder of one column. */
export class ColumnReader {
  readonly builder: ColumnBuilder;
  readonly #name: string;
  readonly #append: Append;

  /** Creates a decoder; texts are decoded by `decodeText`. Throws for a type that cannot be decoded. */
  constructor(description: ColumnDescription, decodeText: DecodeText) {
    this.builder = new ColumnBuilder(description, decodeText);
    this.#name = description.name;
    this.#append = appendOf(description);
  }

  /** Appends a value; null when the server sent none. */
  read(raw: Buffer | null): void {
    if (raw === null) {
      this.builder.null();
      return;
    }
    try {
      this.#append(raw, this.builder);
    } catch (error) {
      throw new Fault("unexpected-answer", `column '${this.#name}' cannot be read: ${(error as Error).message}`);
    }
  }
}

function appendOf({ name, typeOid }: ColumnDescription): Append {
  const append = APPEND.get(typeOid);
  if (append) return append;
  const known = Object.entries(OID).find(([, oid]) => oid === typeOid)?.[0];
  const type = known === undefined ? "a type of its own" : `type ${known}`;
  throw new Fault("unsupported-type", `column '${name}' has ${type} (OID ${typeOid}): cast it in the statement`);
}
