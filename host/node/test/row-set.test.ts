// Row sets: columns from a server's bytes and from rows, and back to the same rows.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readOk, writeOk } from "../dist/cassette/format.js";
import {
  type Cells,
  type Column,
  ColumnBuilder,
  fromRows,
  type RowSet,
  rowSet,
  toRows,
  withTexts,
} from "../dist/row-set.js";
import { type Decode, decodeUtf8 } from "../dist/text.js";
import { rowReader } from "../dist/unit.js";
import { OID, type Value } from "../dist/values.js";
import { dataRow } from "./peer.js";

const SEED = Number(process.env.ARCHON_FUZZ_SEED ?? 20_260_728);
const [LEAST, MOST] = [-(2n ** 63n), 2n ** 63n - 1n];

/** Reads rows of a server. */
function read(types: number[], rows: (Buffer | null)[][], most = 1_000, decode: Decode = decodeUtf8): RowSet {
  const columns = types.map((typeOid, index) => ({ name: `c${index}`, typeOid }));
  const reading = rowReader({ maxRows: most, take: () => true }, columns, decode);
  for (const row of rows) reading.row(dataRow(...row).subarray(5));
  return reading.done();
}

/** Reads one column of a server. */
function column(type: number, values: (Buffer | null)[], decode?: Decode): Column {
  const rows = values.map((value) => [value]);
  const [found] = read([type], rows, rows.length, decode).columns;
  assert.ok(found);
  return found;
}

/** Bytes of numbers as the server sends them. */
const int64 = (...numbers: bigint[]) => numbers.map((number) => Buffer.from(BigInt64Array.of(number).buffer).swap64());
const float64 = (...numbers: number[]) => numbers.map((number) => Buffer.from(Float64Array.of(number).buffer).swap64());
const texts = (...values: string[]) => values.map((text) => Buffer.from(text));

const value = (tag: "text" | "int64" | "float64" | "boolean" | "bytes" | "timestamp", val: unknown) =>
  ({ tag, val }) as Value;
const NULL: Value = { tag: "null" };

/** Converts values to one column. */
function columnOf(...values: Value[]): Column {
  const rows = values.map((value) => [value]);
  const [found] = fromRows([{ name: "c", typeOid: OID.text }], rows, false).columns;
  assert.ok(found);
  return found;
}

/** Returns the texts of a column as a component cuts them: by bytes of the string that jco encodes. */
function cut({ cells }: Column): string[] {
  assert.equal(cells.tag, "texts");
  const { ends, text } = (cells as Cells & { tag: "texts" }).val;
  const bytes = new TextEncoder().encode(text);
  assert.equal(ends.at(-1), bytes.length);
  const whole = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return Array.from(ends, (end, row) => whole.decode(bytes.subarray(ends[row - 1] ?? 0, end)));
}

test("integers, floats, booleans and times become one typed array each", () => {
  assert.deepEqual(column(OID.int8, int64(LEAST, MOST, -1n, 0n)), {
    name: "c0",
    typeOid: OID.int8,
    nulls: new Uint8Array(),
    cells: { tag: "int64s", val: BigInt64Array.of(LEAST, MOST, -1n, 0n) },
  });
  const cells = (type: number, values: (Buffer | null)[]) => column(type, values).cells;
  const narrow = [Buffer.from([0xff, 0xff]), Buffer.from([0x7f, 0xff])];
  assert.deepEqual(cells(OID.int2, narrow), { tag: "int64s", val: BigInt64Array.of(-1n, 32_767n) });
  const words = [Buffer.from([0x80, 0, 0, 0]), Buffer.from([0, 0, 1, 0])];
  assert.deepEqual(cells(OID.int4, words), { tag: "int64s", val: BigInt64Array.of(-(2n ** 31n), 256n) });
  assert.deepEqual(cells(OID.oid, words), { tag: "int64s", val: BigInt64Array.of(2n ** 31n, 256n) });
  const floats = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0.1, 5e-324];
  assert.deepEqual(cells(OID.float8, float64(...floats)), { tag: "float64s", val: Float64Array.from(floats) });
  assert.deepEqual(cells(OID.float4, [Buffer.from([0x3f, 0xc0, 0, 0])]), {
    tag: "float64s",
    val: Float64Array.of(1.5),
  });
  const truths = [Buffer.from([1]), Buffer.from([0]), Buffer.from([7])];
  assert.deepEqual(cells(OID.bool, truths), { tag: "booleans", val: Uint8Array.of(1, 0, 1) });
  for (const type of [OID.timestamp, OID.timestamptz]) {
    const val = BigInt64Array.of(LEAST, MOST, 946_684_800_000_000n, 946_684_800_000_001n);
    assert.deepEqual(cells(type, int64(LEAST, MOST, 0n, 1n)), { tag: "timestamps", val });
  }
});

test("texts become one string, and end where their bytes do in UTF-8", () => {
  const values = ["", "a", "é", "€uro", "", "🐘", "\ufeffx", "あ".repeat(1_000), "e\u0301", ""];
  for (const type of [OID.text, OID.varchar, OID.name, OID.bpchar, OID.char, OID.unknown, OID.json]) {
    assert.deepEqual(cut(column(type, texts(...values))), values);
  }
  const { cells } = column(OID.text, texts("é", "", "🐘", "ab"));
  assert.deepEqual(cells, { tag: "texts", val: { ends: Uint32Array.of(2, 2, 6, 8), text: "é🐘ab" } });
  const documents = ['{"a": "é"}', "7"].map((it) => Buffer.concat([Buffer.from([1]), Buffer.from(it)]));
  assert.deepEqual(cut(column(OID.jsonb, documents)), ['{"a": "é"}', "7"]);
  assert.deepEqual(column(OID.text, texts("", "")).cells, {
    tag: "texts",
    val: { ends: Uint32Array.of(0, 0), text: "" },
  });
});

test("byte strings become one array", () => {
  const values = [Buffer.from([0xff, 0]), Buffer.alloc(0), null, Buffer.from([0x80])];
  const found = column(OID.bytea, values);
  assert.deepEqual(found.cells, {
    tag: "byte-strings",
    val: { ends: Uint32Array.of(2, 2, 2, 3), bytes: Uint8Array.of(0xff, 0, 0x80) },
  });
  assert.deepEqual(found.nulls, Uint8Array.of(0, 0, 1, 0));
});

test("a null's entry is 0, or ends where the one before does", () => {
  const cells = (type: number, value: Buffer | undefined) => {
    const found = column(type, [null, null, value ?? null, null, value ?? null, null]);
    assert.deepEqual(found.nulls, Uint8Array.of(1, 1, 0, 1, 0, 1));
    return found.cells;
  };
  assert.deepEqual(cells(OID.int8, int64(7n)[0]), { tag: "int64s", val: BigInt64Array.of(0n, 0n, 7n, 0n, 7n, 0n) });
  assert.deepEqual(cells(OID.bool, Buffer.from([1])), { tag: "booleans", val: Uint8Array.of(0, 0, 1, 0, 1, 0) });
  assert.deepEqual(cells(OID.float8, float64(7)[0]), { tag: "float64s", val: Float64Array.of(0, 0, 7, 0, 7, 0) });
  const times = BigInt64Array.of(0n, 0n, 946_684_800_000_007n, 0n, 946_684_800_000_007n, 0n);
  assert.deepEqual(cells(OID.timestamptz, int64(7n)[0]), { tag: "timestamps", val: times });
  const ends = Uint32Array.of(0, 0, 2, 2, 4, 4);
  assert.deepEqual(cells(OID.text, Buffer.from("é")), { tag: "texts", val: { ends, text: "éé" } });
});

test("nulls are listed only where some values are null and others are not", () => {
  assert.deepEqual(column(OID.int8, int64(1n, 2n)).nulls, new Uint8Array());
  for (const type of [OID.int8, OID.text, OID.bool, OID.bytea, OID.timestamptz, OID.float8]) {
    const found = column(type, [null, null]);
    assert.deepEqual([found.nulls, found.cells], [new Uint8Array(), { tag: "all-null" }]);
  }
  const many = column(OID.int8, [...Array<null>(1_000).fill(null), ...int64(7n), ...Array<null>(1_000).fill(null)]);
  assert.ok(many.cells.tag === "int64s" && many.cells.val.length === 2_001 && many.cells.val[1_000] === 7n);
  assert.equal(many.nulls.filter((isNull) => isNull === 1).length, 2_000);
});

test("a text that is not UTF-8 is decoded alone, and its neighbours are not changed by it", () => {
  const odd = (...bytes: number[]) => Buffer.from(bytes);
  assert.deepEqual(cut(column(OID.text, [odd(0x61, 0xff), odd(0x62)])), ["a\ufffd", "b"]);
  // Valid UTF-8 only when joined.
  assert.deepEqual(cut(column(OID.text, [odd(0xc3), odd(0xa9)])), ["\ufffd", "\ufffd"]);
  assert.deepEqual(cut(column(OID.text, [odd(0xf0, 0x9f), null, odd(0x90, 0x98), Buffer.from("é")])), [
    "\ufffd",
    "",
    "\ufffd\ufffd",
    "é",
  ]);
  const latin1: Decode = (bytes) => Buffer.from(bytes).toString("latin1");
  assert.deepEqual(cut(column(OID.text, [odd(0xe9), odd(0x61), odd(0xc3)], latin1)), ["é", "a", "Ã"]);
});

test("a lone surrogate becomes U+FFFD, also beside another", () => {
  const parts = ["a\ud83d", "\ude00", "", "\ud83d\ude00", "\ude00\ud83d"].map((it) => value("text", it));
  const found = columnOf(...parts);
  assert.deepEqual(cut(found), ["a\ufffd", "\ufffd", "", "😀", "\ufffd\ufffd"]);
  assert.ok(found.cells.tag === "texts");
  assert.deepEqual(found.cells.val.ends, Uint32Array.of(4, 7, 7, 11, 17));
});

test("an answer without rows has no columns, and a truncated one has columns without values", () => {
  assert.deepEqual(read([OID.int8, OID.text], []), { columns: [], count: 0, truncated: false });
  const [number, text] = [int64(1n)[0] as Buffer, Buffer.from("x")];
  const truncated = read([OID.int8, OID.text], [[number, text]], 0);
  assert.deepEqual(truncated.columns[1], {
    name: "c1",
    typeOid: OID.text,
    nulls: new Uint8Array(),
    cells: { tag: "all-null" },
  });
  assert.deepEqual([truncated.columns.length, truncated.count, truncated.truncated], [2, 0, true]);
  assert.deepEqual(read([], [[], []]), { columns: [], count: 2, truncated: false });
  assert.deepEqual(toRows(read([], [[], []])), [[], []]);
});

test("rows beyond the limit are left out of every column", () => {
  const row = (number: bigint) => [int64(number)[0] as Buffer, Buffer.from(String(number)), null];
  const found = read([OID.int8, OID.text, OID.bool], [1n, 2n, 3n, 4n].map(row), 2);
  assert.deepEqual(toRows(found), [
    [value("int64", 1n), value("text", "1"), NULL],
    [value("int64", 2n), value("text", "2"), NULL],
  ]);
  assert.deepEqual([found.count, found.truncated], [2, true]);
});

test("a value that cannot be decoded is a fault with the column's name", () => {
  for (const [type, bytes] of [
    [OID.int8, Buffer.alloc(7)],
    [OID.jsonb, Buffer.from([2, 0x7b, 0x7d])],
    [OID.jsonb, Buffer.alloc(0)],
  ] as const) {
    const words = { kind: "unexpected-answer", message: /column 'c0' cannot be read/ };
    assert.throws(() => column(type, [bytes]), words);
  }
  assert.throws(() => column(OID.numeric, [null]), { kind: "unsupported-type", message: /'c0' has type numeric/ });
});

test("arrays have buffers of their own size, because another thread gets all of a buffer", () => {
  const found = read(
    [OID.int8, OID.text, OID.bytea, OID.bool, OID.float8],
    Array(17).fill([int64(1n)[0], Buffer.from("é"), Buffer.from("x"), Buffer.from([1]), float64(1)[0]]),
  );
  const arrays = found.columns.flatMap(({ nulls, cells }): ArrayBufferView[] => {
    if (cells.tag === "all-null") return [nulls];
    if (cells.tag === "texts") return [nulls, cells.val.ends];
    return cells.tag === "byte-strings" ? [nulls, cells.val.ends, cells.val.bytes] : [nulls, cells.val];
  });
  assert.equal(arrays.length, 11);
  for (const array of arrays) assert.equal(array.buffer.byteLength, array.byteLength);
  assert.deepEqual(structuredClone(found), found);
});

test("rows of another length and columns of several types are no row set", () => {
  const descriptions = [{ name: "c", typeOid: OID.text }];
  for (const rows of [[[]], [[NULL, NULL]], [[NULL], []]]) {
    assert.throws(() => fromRows(descriptions, rows, false), /a row has \d values for 1 columns/);
  }
  assert.throws(() => columnOf(value("int64", 1n), value("timestamp", 1n)), /column 'c' has values of several types/);
  const builder = new ColumnBuilder({ name: "c", typeOid: OID.text });
  builder.text(Buffer.from("x"));
  assert.throws(() => builder.bytes(Buffer.from("x")), /values of several types/);
});

/** Rows of several columns, each of one type, with nulls. Texts have no lone surrogates. */
const anyRows = fc
  .array(fc.constantFrom("text", "int64", "float64", "boolean", "bytes", "timestamp"), { maxLength: 6 })
  .chain((tags) => {
    const made = {
      text: fc.string({ unit: "grapheme", maxLength: 8 }),
      int64: fc.bigInt({ min: LEAST, max: MOST }),
      timestamp: fc.bigInt({ min: LEAST, max: MOST }),
      float64: fc.double(),
      boolean: fc.boolean(),
      bytes: fc.uint8Array({ maxLength: 8 }),
    };
    const values = tags.map((tag) =>
      fc.option(
        (made[tag] as fc.Arbitrary<unknown>).map((val) => value(tag, val)),
        { nil: NULL },
      ),
    );
    return fc.tuple(fc.constant(tags), fc.array(fc.tuple(...values), { maxLength: 20 }));
  });

test("rows become columns and the same rows again, in a cassette too", () => {
  const property = fc.property(anyRows, fc.boolean(), ([tags, rows], truncated) => {
    const descriptions = tags.map((tag, index) => ({ name: `${tag}${index}`, typeOid: index }));
    const set = fromRows(descriptions, rows, truncated);
    assert.equal(set.count, rows.length);
    assert.deepEqual(toRows(set), rows);
    for (const column of set.columns) if (column.cells.tag === "texts") cut(column);
    const written = writeOk("session.query", [{ tag: "ok", val: set }]);
    assert.deepEqual(readOk("session.query", JSON.parse(JSON.stringify(written))), [{ tag: "ok", val: set }]);
  });
  fc.assert(property, { seed: SEED, numRuns: 500 });
});

test("a cassette keeps rows as they were before columns", () => {
  const rows = [
    [value("text", "é"), value("int64", LEAST), value("float64", Number.NaN), NULL],
    [NULL, NULL, value("float64", -0), NULL],
    [value("text", ""), value("int64", 7n), value("float64", Number.POSITIVE_INFINITY), NULL],
  ];
  const descriptions = ["a", "b", "c", "d"].map((name) => ({ name, typeOid: 25 }));
  const written = writeOk("console.show", [{ tag: "ok", val: fromRows(descriptions, rows, true) }]);
  assert.equal(
    JSON.stringify(written),
    '[{"ok":{"columns":[["a",25],["b",25],["c",25],["d",25]],"rows":[["é",{"i":"-9223372036854775808"},{"f":"NaN"},' +
      'null],[null,null,{"f":"-0"},null],["",{"i":"7"},{"f":"inf"},null]],"truncated":true}}]',
  );
  const bytes = [[value("bytes", Uint8Array.of(0, 255)), value("timestamp", -1n), value("boolean", true)]];
  const other = writeOk("session.query", [{ tag: "ok", val: fromRows(descriptions.slice(1), bytes, false) }]);
  assert.equal(
    JSON.stringify(other),
    '[{"ok":{"columns":[["b",25],["c",25],["d",25]],"rows":[[{"b":"00ff"},{"t":"-1"},true]],"truncated":false}}]',
  );
});

test("texts are replaced row by row, and nulls and other columns stay", () => {
  const upper = (column: Column) => withTexts(column, (text) => `${text.toUpperCase()}É`);
  const replaced = upper(columnOf(NULL, value("text", "é"), NULL, value("text", "")));
  assert.deepEqual(cut(replaced), ["", "ÉÉ", "", "É"]);
  assert.deepEqual(replaced.nulls, Uint8Array.of(1, 0, 1, 0));
  assert.deepEqual([replaced.name, replaced.typeOid], ["c", OID.text]);
  for (const other of [columnOf(value("int64", 1n)), columnOf(NULL)]) assert.equal(upper(other), other);
});

test("a row set without rows or columns stays one", () => {
  const empty = rowSet([], 0, false);
  assert.deepEqual([empty, toRows(empty)], [{ columns: [], count: 0, truncated: false }, []]);
  const named = fromRows([{ name: "a", typeOid: 25 }], [], false);
  assert.deepEqual(named.columns, [{ name: "a", typeOid: 25, nulls: new Uint8Array(), cells: { tag: "all-null" } }]);
});
