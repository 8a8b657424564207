// Messages of PostgreSQL's protocol, version 3, as bytes (manual, "Frontend/Backend Protocol").
//
// `pg` decodes every value as UTF-8 text: timestamps would depend on the role's DateStyle, and texts in other encodings
// be lost. So messages are parsed here.

import { Body, Malformed } from "./body.js";
import { int32, uint16, uint32 } from "./bytes.js";
import type { ColumnDescription } from "./row-set.js";
import { type Decode, decodeStart, decodeUtf8 } from "./text.js";
import type { Parameter } from "./values.js";

/** Protocol version 3.0, and the request codes sent in its place. */
const PROTOCOL = 196_608;
const SSL_REQUEST = 80_877_103;
const CANCEL_REQUEST = 80_877_102;

/** Size of a message's type and length, bytes. */
const HEADER = 5;

/** PostgreSQL's MaxTupleAttributeNumber: maximum number of columns of a result. */
const MOST_COLUMNS = 1_664;

/** Maximum length of a column name, bytes; PostgreSQL's is 63. */
const MOST_NAME = 1_024;

/** Maximum length of an AuthenticationRequest, bytes. */
const MOST_AUTHENTICATION = 2_000;

/** Maximum length of an ErrorResponse or NoticeResponse before a session is ready, and in one, bytes. */
export const MOST_ERROR_BEFORE = 65_536;
export const MOST_ERROR = 1_048_576;

/** Maximum number of fields of an ErrorResponse; PostgreSQL has 18 kinds, each sent once. */
const MOST_FIELDS = 64;

/** Length to which each text of an error is cut, bytes. */
const MOST_TEXT = 4_096;

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** Message of the server. */
export interface Message {
  /** Message type. */
  code: string;
  body: Buffer;
}

/** Error reported by the server. */
export interface ServerError {
  /** True when the error ends the session. */
  fatal: boolean;
  /** SQLSTATE; absent when invalid. */
  code?: string | undefined;
  /** Full text, used for classification. */
  message: string;
  /** Text that may be shown in a fault. */
  said: string;
}

/** Process id and secret key of a session, for cancel requests. */
export interface BackendKey {
  processId: number;
  secretKey: Buffer;
}

/** Splits a stream of bytes into messages. */
export class Framing {
  readonly #admit: (code: string, length: number) => void;
  readonly #header = Buffer.alloc(HEADER);
  /** Body of an incomplete message. */
  #body: Buffer | undefined;
  /** Number of bytes received of the header or body. */
  #filled = 0;
  #code = "";

  /**
   * Creates a framing; `admit` gets each message's type and length before its body is read, and throws to refuse it.
   */
  constructor(admit: (code: string, length: number) => void) {
    this.#admit = admit;
  }

  /** Adds bytes, and yields every message that they complete. */
  *push(chunk: Buffer): Generator<Message> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#body) {
        at += this.#fill(this.#body, chunk, at);
        if (this.#filled < this.#body.length) return;
        const body = this.#body;
        this.#begin(undefined);
        yield { code: this.#code, body };
        continue;
      }
      let length: number;
      if (this.#filled === 0 && at + HEADER <= chunk.length) {
        // Common case: the header is not copied.
        length = this.#read(chunk, at);
        at += HEADER;
      } else {
        at += this.#fill(this.#header, chunk, at);
        if (this.#filled < HEADER) return;
        length = this.#read(this.#header, 0);
      }
      const end = at + length;
      // Allocates the declared size at once: joining pieces would copy them again.
      this.#begin(end > chunk.length ? Buffer.allocUnsafeSlow(length) : undefined);
      if (this.#body) continue;
      yield { code: this.#code, body: chunk.subarray(at, end) };
      at = end;
    }
  }

  /** Reads a header, checks it with `admit`, and returns the length of the body. */
  #read(bytes: Buffer, at: number): number {
    const length = bytes.readInt32BE(at + 1);
    if (length < 4) throw new Malformed(`the server sent a message of ${length} bytes, its length included`);
    this.#code = String.fromCharCode(bytes[at] ?? 0);
    this.#admit(this.#code, length + 1);
    return length - 4;
  }

  #begin(body: Buffer | undefined): void {
    this.#body = body;
    this.#filled = 0;
  }

  /** Copies available bytes into a header or body, and returns their number. */
  #fill(part: Buffer, chunk: Buffer, at: number): number {
    const copied = chunk.copy(part, this.#filled, at);
    this.#filled += copied;
    return copied;
  }
}

/** Parses the columns of a RowDescription. */
export function columns(bytes: Buffer, decode: Decode): ColumnDescription[] {
  const body = new Body(bytes, "RowDescription");
  const count = body.int16();
  if (count < 0 || count > MOST_COLUMNS) throw body.malformed(`announces ${count} columns`);
  const found = Array.from({ length: count }, () => {
    const bytes = body.cstring();
    if (bytes.length > MOST_NAME) throw body.malformed(`names a column with ${bytes.length} bytes`);
    const name = decode(bytes);
    // Skip the table's OID and column number; after the type, its size, modifier and format.
    body.skip(6);
    const typeOid = body.uint32();
    body.skip(8);
    return { name, typeOid };
  });
  body.end();
  return found;
}

/** Parses the values of a DataRow with this number of columns. */
export function fields(bytes: Buffer, columns: number): (Buffer | null)[] {
  const body = new Body(bytes, "DataRow");
  const count = body.int16();
  if (count !== columns) throw body.malformed(`has ${count} values for ${columns} columns`);
  const found: (Buffer | null)[] = [];
  for (let index = 0; index < count; index++) {
    const length = body.int32();
    found.push(length === -1 ? null : body.take(length));
  }
  body.end();
  return found;
}

/** Test for texts that contain the password. */
type Quotes = (said: string | Buffer) => boolean;

/**
 * Parses an ErrorResponse. Texts that contain the password are not shown: some servers and poolers quote their input.
 */
export function serverError(bytes: Buffer, decode: Decode, quotesPassword: Quotes = () => false): ServerError {
  const body = new Body(bytes, "ErrorResponse");
  const fields = new Map<string, Buffer>();
  let count = 0;
  for (let field = body.uint8(); field !== 0; field = body.uint8()) {
    if (++count > MOST_FIELDS) throw body.malformed(`has more than ${MOST_FIELDS} fields`);
    fields.set(String.fromCharCode(field), body.cstring());
  }
  body.end();
  const text = (field: string) => {
    const bytes = fields.get(field);
    return bytes && decodeStart(bytes, MOST_TEXT, decode);
  };
  // V is never translated; older servers and poolers send only S.
  const severity = text("V") ?? text("S");
  const code = text("C");
  const [message = "an error without a text", detail] = [text("M"), text("D")];
  const said = detail === undefined ? message : `${message} (${detail})`;
  // The uncut text is checked too: the cut may be within the password.
  const whole = ["M", "D"].flatMap((field) => fields.get(field) ?? []);
  const isLeftOut = [said, ...whole].some(quotesPassword);
  return {
    fatal: severity === "FATAL" || severity === "PANIC",
    code: code !== undefined && SQLSTATE.test(code) ? code : undefined,
    message,
    said: isLeftOut ? "the server's words are left out: they repeat the password" : said,
  };
}

/** Parses the name and value of a ParameterStatus. */
export function parameterStatus(bytes: Buffer, decode: Decode): [string, string] {
  const body = new Body(bytes, "ParameterStatus");
  const pair: [string, string] = [decode(body.cstring()), decode(body.cstring())];
  body.end();
  return pair;
}

/** Parses a BackendKeyData. */
export function backendKey(bytes: Buffer): BackendKey {
  const body = new Body(bytes, "BackendKeyData");
  const processId = body.int32();
  const secretKey = Buffer.from(body.rest());
  if (secretKey.length < 4 || secretKey.length > 256) throw body.malformed(`has a key of ${secretKey.length} bytes`);
  return { processId, secretKey };
}

/** Parses an AuthenticationRequest: its request code and data. */
export function authentication(bytes: Buffer): { request: number; data: Body } {
  const data = new Body(bytes, "AuthenticationRequest");
  // Same bound as libpq; no method needs more.
  if (bytes.length > MOST_AUTHENTICATION) throw data.malformed(`has ${bytes.length} bytes`);
  return { request: data.int32(), data };
}

/** Parses the mechanisms of an AuthenticationSASL. */
export function mechanisms(data: Body): string[] {
  const found: string[] = [];
  for (let name = data.cstring(); name.length > 0; name = data.cstring()) found.push(decodeUtf8(name));
  data.end();
  return found;
}

/** Checks a ReadyForQuery: its transaction status. */
export function checkReady(bytes: Buffer): void {
  const body = new Body(bytes, "ReadyForQuery");
  if (!"ITE".includes(String.fromCharCode(body.uint8()))) throw body.malformed("names no state of a transaction");
  body.end();
}

/** Encodes a StartupMessage with its parameters. */
export function startup(parameters: Record<string, string>): Buffer {
  const pairs = Object.entries(parameters).flat().map(cstring);
  return packet(int32(PROTOCOL), ...pairs, EMPTY);
}

/** Encodes an SSLRequest. */
export function sslRequest(): Buffer {
  return packet(int32(SSL_REQUEST));
}

/** Encodes a CancelRequest, which is sent on a separate connection. */
export function cancelRequest({ processId, secretKey }: BackendKey): Buffer {
  return packet(int32(CANCEL_REQUEST), uint32(processId), secretKey);
}

/** Encodes a PasswordMessage with the password or its hash. */
export function password(text: string): Buffer {
  return message("p", cstring(text));
}

/** Encodes a SASLInitialResponse. */
export function saslInitial(mechanism: string, response: string): Buffer {
  const bytes = Buffer.from(response);
  return message("p", cstring(mechanism), int32(bytes.length), bytes);
}

/** Encodes a SASLResponse. */
export function saslResponse(response: string): Buffer {
  return message("p", Buffer.from(response));
}

/** Encodes a Query of the simple protocol. */
export function query(sql: string): Buffer {
  return message("Q", cstring(sql));
}

/**
 * Encodes one statement of the extended protocol with a Sync, so that it is its own transaction. It is unnamed, so that
 * it works with a pooler in transaction mode. All results are binary.
 */
export function statement(sql: string, params: readonly Parameter[], maxRows: number): Buffer {
  const types = params.map(({ oid }) => uint32(oid));
  const values = params.flatMap(({ bytes }) => (bytes === null ? [int32(-1)] : [int32(bytes.length), bytes]));
  const binary = uint16(1);
  return Buffer.concat([
    message("P", EMPTY, cstring(sql), uint16(params.length), ...types),
    message("B", EMPTY, EMPTY, uint16(1), binary, uint16(params.length), ...values, uint16(1), binary),
    message("D", Buffer.from("P"), EMPTY),
    message("E", EMPTY, int32(maxRows)),
    message("S"),
  ]);
}

/** Encodes a Terminate message. */
export function terminate(): Buffer {
  return message("X");
}

const EMPTY = Buffer.from([0]);

function message(code: string, ...parts: Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  return Buffer.concat([Buffer.from(code), int32(length), ...parts]);
}

/** Encodes a message without a type, as used before a session. */
function packet(...parts: Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  return Buffer.concat([int32(length), ...parts]);
}

function cstring(text: string): Buffer {
  return Buffer.concat([Buffer.from(text), EMPTY]);
}
