// Row sets: rows as columns, in the shape in which jco passes them to a component.
//
// A column passes the boundary in a few pieces, however many rows it has.

import { isUtf8 } from "node:buffer";
import { type Decode, decodeUtf8 } from "./text.js";
import type { Value } from "./values.js";

/** Name and type of a column. */
export interface ColumnDescription {
  name: string;
  typeOid: number;
}

/** Texts of a column in one string. */
export interface Texts {
  /** End of each text in the string's UTF-8, bytes. A null repeats the end before it. */
  ends: Uint32Array;
  text: string;
}

/** Byte strings of a column in one array. */
export interface ByteStrings {
  ends: Uint32Array;
  bytes: Uint8Array;
}

/** Values of a column, one for each row. The entry of a null is 0 or empty. */
export type Cells =
  | { tag: "all-null" }
  /** 0 is false, 1 is true. */
  | { tag: "booleans"; val: Uint8Array }
  | { tag: "int64s"; val: BigInt64Array }
  | { tag: "float64s"; val: Float64Array }
  | { tag: "texts"; val: Texts }
  | { tag: "byte-strings"; val: ByteStrings }
  /** Microseconds since 1970-01-01 00:00 UTC. */
  | { tag: "timestamps"; val: BigInt64Array };

/** Column of a row set. */
export interface Column extends ColumnDescription {
  /** 1 for each row whose value is null, 0 for the others. Empty where no value is null, and for `all-null`. */
  nulls: Uint8Array;
  cells: Cells;
}

/** Result of a statement. */
export interface RowSet {
  /** May be empty without rows. */
  columns: Column[];
  /** Number of rows. */
  count: number;
  /** True when the server had more rows than were returned. */
  truncated: boolean;
}

type Kind = Exclude<Cells["tag"], "all-null">;
type Entries = Uint8Array | Uint32Array | BigInt64Array | Float64Array;

/** Builds a column, one value a row. The first value that is not null determines the kind of its cells. */
export class ColumnBuilder {
  readonly #description: ColumnDescription;
  readonly #decode: Decode;
  readonly #nullRows: number[] = [];
  #count = 0;
  #kind: Kind | undefined;
  #booleans = new Uint8Array();
  #int64s = new BigInt64Array();
  #float64s = new Float64Array();
  /** Ends and bytes of texts or byte strings. */
  #ends = new Uint32Array();
  #bytes = new Uint8Array();
  #end = 0;
  /** True when a text begins with a byte that continues a character. */
  #hasBrokenStart = false;

  /** Creates a builder; `decode` is applied to each text that is not UTF-8. */
  constructor(description: ColumnDescription, decode: Decode = decodeUtf8) {
    this.#description = description;
    this.#decode = decode;
  }

  /** Appends a null. */
  null(): void {
    this.#nullRows.push(this.#count);
    if (this.#end > 0) this.#setEnd(this.#count);
    this.#count++;
  }

  boolean(value: boolean): void {
    const row = this.#next("booleans");
    this.#booleans = grown(this.#booleans, row + 1);
    this.#booleans[row] = value ? 1 : 0;
  }

  int64(value: bigint): void {
    this.#int64(this.#next("int64s"), value);
  }

  /** Appends microseconds since 1970-01-01 00:00 UTC. */
  timestamp(value: bigint): void {
    this.#int64(this.#next("timestamps"), value);
  }

  float64(value: number): void {
    const row = this.#next("float64s");
    this.#float64s = grown(this.#float64s, row + 1);
    this.#float64s[row] = value;
  }

  /** Appends a text from its bytes, which are copied. */
  text(bytes: Uint8Array): void {
    const row = this.#next("texts");
    if (((bytes[0] ?? 0) & 0xc0) === 0x80) this.#hasBrokenStart = true;
    this.#append(row, bytes);
  }

  /** Appends a byte string, which is copied. */
  bytes(bytes: Uint8Array): void {
    this.#append(this.#next("byte-strings"), bytes);
  }

  /** Appends a value. */
  value(value: Value): void {
    switch (value.tag) {
      case "null":
        this.null();
        break;
      case "boolean":
        this.boolean(value.val);
        break;
      case "int64":
        this.int64(value.val);
        break;
      case "float64":
        this.float64(value.val);
        break;
      case "text":
        // A lone surrogate becomes U+FFFD, as jco would encode it, before two of them could become a pair.
        this.text(Buffer.from(value.val));
        break;
      case "bytes":
        this.bytes(value.val);
        break;
      case "timestamp":
        this.timestamp(value.val);
        break;
    }
  }

  /** Returns the column. */
  finish(): Column {
    const cells = this.#cells();
    // The builder may live on, and the column has its own copy.
    this.#bytes = new Uint8Array();
    const nulls = new Uint8Array(cells.tag === "all-null" || this.#nullRows.length === 0 ? 0 : this.#count);
    if (nulls.length > 0) for (const row of this.#nullRows) nulls[row] = 1;
    return { ...this.#description, nulls, cells };
  }

  #cells(): Cells {
    const count = this.#count;
    switch (this.#kind) {
      case undefined:
        return { tag: "all-null" };
      case "booleans":
        return { tag: this.#kind, val: exact(this.#booleans, count) };
      case "int64s":
      case "timestamps":
        return { tag: this.#kind, val: exact(this.#int64s, count) };
      case "float64s":
        return { tag: this.#kind, val: exact(this.#float64s, count) };
      case "texts":
        return { tag: this.#kind, val: this.#texts() };
      case "byte-strings":
        return { tag: this.#kind, val: { ends: exact(this.#ends, count), bytes: exact(this.#bytes, this.#end) } };
    }
  }

  /** Decodes all texts at once where their bytes are valid UTF-8, and otherwise one by one. */
  #texts(): Texts {
    const ends = exact(this.#ends, this.#count);
    const bytes = this.#bytes.subarray(0, this.#end);
    if (!this.#hasBrokenStart && isUtf8(bytes)) return { ends, text: decodeUtf8(bytes) };
    const texts: string[] = [];
    let start = 0;
    let length = 0;
    for (const [row, end] of ends.entries()) {
      const text = this.#decode(bytes.subarray(start, end));
      texts.push(text);
      start = end;
      length += Buffer.byteLength(text);
      ends[row] = length;
    }
    return { ends, text: texts.join("") };
  }

  /** Begins a row with a value of this kind, and returns its number. */
  #next(kind: Kind): number {
    this.#kind ??= kind;
    if (this.#kind !== kind) throw new Error(`column '${this.#description.name}' has values of several types`);
    return this.#count++;
  }

  #int64(row: number, value: bigint): void {
    this.#int64s = grown(this.#int64s, row + 1);
    this.#int64s[row] = value;
  }

  #append(row: number, bytes: Uint8Array): void {
    const start = this.#end;
    this.#end += bytes.length;
    this.#bytes = grown(this.#bytes, this.#end);
    this.#bytes.set(bytes, start);
    this.#setEnd(row);
  }

  #setEnd(row: number): void {
    this.#ends = grown(this.#ends, row + 1);
    this.#ends[row] = this.#end;
  }
}

/** Returns the row set of columns with this number of rows. */
export function rowSet(columns: readonly ColumnBuilder[], count: number, truncated: boolean): RowSet {
  return { columns: columns.map((column) => column.finish()), count, truncated };
}

/** Converts rows to a row set. Throws for a row of another length, and for a column with values of several types. */
export function fromRows(
  descriptions: readonly ColumnDescription[],
  rows: readonly (readonly Value[])[],
  truncated: boolean,
): RowSet {
  const columns = descriptions.map((description) => new ColumnBuilder(description));
  for (const row of rows) {
    if (row.length !== columns.length) throw new Error(`a row has ${row.length} values for ${columns.length} columns`);
    for (const [index, value] of row.entries()) columns[index]?.value(value);
  }
  return rowSet(columns, rows.length, truncated);
}

/** Converts a row set to rows. */
export function toRows({ columns, count }: RowSet): Value[][] {
  const values = columns.map((column) => valuesOf(column, count));
  return Array.from({ length: count }, (_, row) => values.map((column) => column[row] as Value));
}

/** Returns a column with each text replaced. Columns of other kinds are returned as they are. */
export function withTexts(column: Column, replace: (text: string) => string): Column {
  if (column.cells.tag !== "texts") return column;
  const builder = new ColumnBuilder(column);
  for (const value of valuesOf(column, column.cells.val.ends.length))
    builder.value(value.tag === "text" ? { tag: "text", val: replace(value.val) } : value);
  return builder.finish();
}

function valuesOf({ nulls, cells }: Column, count: number): Value[] {
  const read = reader(cells);
  return Array.from({ length: count }, (_, row) => (nulls[row] === 1 ? NULL : read(row)));
}

const NULL: Value = { tag: "null" };

/** Returns a function that reads the value of a row that is not null. */
function reader(cells: Cells): (row: number) => Value {
  switch (cells.tag) {
    case "all-null":
      return () => NULL;
    case "booleans":
      return (row) => ({ tag: "boolean", val: cells.val[row] !== 0 });
    case "int64s":
      return (row) => ({ tag: "int64", val: cells.val[row] as bigint });
    case "timestamps":
      return (row) => ({ tag: "timestamp", val: cells.val[row] as bigint });
    case "float64s":
      return (row) => ({ tag: "float64", val: cells.val[row] as number });
    case "texts": {
      const { ends, text } = cells.val;
      const bytes = Buffer.from(text);
      return (row) => ({ tag: "text", val: bytes.toString("utf8", ends[row - 1] ?? 0, ends[row]) });
    }
    case "byte-strings": {
      const { ends, bytes } = cells.val;
      return (row) => ({ tag: "bytes", val: bytes.slice(ends[row - 1] ?? 0, ends[row]) });
    }
  }
}

/** Returns an array with room for `length` entries; new ones are 0. */
function grown<A extends Entries>(array: A, length: number): A {
  if (length <= array.length) return array;
  const larger = new (array.constructor as new (length: number) => A)(Math.max(length, 2 * array.length, ROOM));
  larger.set(array as never);
  return larger;
}

/** Least number of entries to make room for. */
const ROOM = 16;

/** Returns the first entries in a buffer of their own: passing it to another thread copies all of it. */
function exact<A extends Entries>(array: A, length: number): A {
  return array.length === length ? array : (grown(array, length).slice(0, length) as A);
}
