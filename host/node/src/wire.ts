// Messages of PostgreSQL's protocol, version 3, as bytes (manual, "Frontend/Backend Protocol").
//
// `pg` reads every value as UTF-8 text: a timestamp would depend on the role's DateStyle, and a text of another encoding
// be lost. So messages are read here.

import { Body, Malformed } from "./body.js";
import { int32, uint16, uint32 } from "./bytes.js";
import { type Decode, decodeStart, decodeUtf8 } from "./text.js";
import type { Column, Parameter } from "./values.js";

/** Version 3.0 of the protocol, and the numbers of requests that stand in its place. */
const PROTOCOL = 196_608;
const SSL_REQUEST = 80_877_103;
const CANCEL_REQUEST = 80_877_102;

/** Bytes of a message's letter and length. */
const HEADER = 5;

/** PostgreSQL's MaxTupleAttributeNumber: no result has more columns. */
const MOST_COLUMNS = 1_664;

/** The longest name of a column, bytes. PostgreSQL's have 63. */
const MOST_NAME = 1_024;

/** The longest AuthenticationRequest. */
const MOST_AUTHENTICATION = 2_000;

/** The longest ErrorResponse or NoticeResponse before a session is ready, and in one, bytes. */
export const MOST_ERROR_BEFORE = 65_536;
export const MOST_ERROR = 1_048_576;

/** Fields of an ErrorResponse. PostgreSQL has 18 kinds of them, and each comes once. */
const MOST_FIELDS = 64;

/** Bytes of each text of an error that are kept. */
const MOST_TEXT = 4_096;

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** A message of the server. */
export interface Message {
  /** Its letter. */
  code: string;
  body: Buffer;
}

/** What the server says went wrong. */
export interface ServerError {
  /** True when it ends the session. */
  fatal: boolean;
  /** Its SQLSTATE; none where what came is no SQLSTATE. */
  code?: string | undefined;
  /** Text by which it is recognised. */
  message: string;
  /** Part of it that a fault repeats. */
  said: string;
}

/** Process id and secret of a session, by which it can be cancelled. */
export interface BackendKey {
  processId: number;
  secretKey: Buffer;
}

/** Cuts a stream of bytes into messages. */
export class Framing {
  readonly #admit: (code: string, length: number) => void;
  readonly #header = Buffer.alloc(HEADER);
  /** The body of a message that is not complete. */
  #body: Buffer | undefined;
  /** Bytes that are there of the header or the body. */
  #filled = 0;
  #code = "";

  /** `admit` is given each message's letter and length before its body is read, and throws for one that is refused. */
  constructor(admit: (code: string, length: number) => void) {
    this.#admit = admit;
  }

  /** Takes bytes in, and hands out every message that is complete with them. */
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
        // The usual case: nothing of it is copied.
        length = this.#read(chunk, at);
        at += HEADER;
      } else {
        at += this.#fill(this.#header, chunk, at);
        if (this.#filled < HEADER) return;
        length = this.#read(this.#header, 0);
      }
      const end = at + length;
      // A body of its declared size at once: pieces would be copied again when they are put together.
      this.#begin(end > chunk.length ? Buffer.allocUnsafeSlow(length) : undefined);
      if (this.#body) continue;
      yield { code: this.#code, body: chunk.subarray(at, end) };
      at = end;
    }
  }

  /** Reads a header, has it admitted, and returns the length of the body behind it. */
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

  /** Copies into a header or a body what there is of it, and returns how much that was. */
  #fill(part: Buffer, chunk: Buffer, at: number): number {
    const copied = chunk.copy(part, this.#filled, at);
    this.#filled += copied;
    return copied;
  }
}

/** The columns of a RowDescription. */
export function columns(bytes: Buffer, decode: Decode): Column[] {
  const body = new Body(bytes, "RowDescription");
  const count = body.int16();
  if (count < 0 || count > MOST_COLUMNS) throw body.malformed(`announces ${count} columns`);
  const found = Array.from({ length: count }, () => {
    const bytes = body.cstring();
    if (bytes.length > MOST_NAME) throw body.malformed(`names a column with ${bytes.length} bytes`);
    const name = decode(bytes);
    // The table's OID and the column's number; behind the type its size, its modifier and the format.
    body.skip(6);
    const typeOid = body.uint32();
    body.skip(8);
    return { name, typeOid };
  });
  body.end();
  return found;
}

/** The values of a DataRow that has so many columns. */
export function fields(bytes: Buffer, columns: number): (Buffer | null)[] {
  const body = new Body(bytes, "DataRow");
  const count = body.int16();
  if (count !== columns) throw body.malformed(`has ${count} values for ${columns} columns`);
  const found = Array.from({ length: count }, () => {
    const length = body.int32();
    return length === -1 ? null : body.take(length);
  });
  body.end();
  return found;
}

/** Recognises what holds the password. */
type Quotes = (said: string | Buffer) => boolean;

/** An ErrorResponse. A text that holds the password is not repeated: some servers and poolers quote what they were sent. */
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
  // V is never translated, and older servers and poolers have only S.
  const severity = text("V") ?? text("S");
  const code = text("C");
  const [message = "an error without a text", detail] = [text("M"), text("D")];
  const said = detail === undefined ? message : `${message} (${detail})`;
  // What is cut off counts as well: the cut may lie within the password.
  const whole = ["M", "D"].flatMap((field) => fields.get(field) ?? []);
  const isLeftOut = [said, ...whole].some(quotesPassword);
  return {
    fatal: severity === "FATAL" || severity === "PANIC",
    code: code !== undefined && SQLSTATE.test(code) ? code : undefined,
    message,
    said: isLeftOut ? "the server's words are left out: they repeat the password" : said,
  };
}

/** A name and a value of a ParameterStatus. */
export function parameterStatus(bytes: Buffer, decode: Decode): [string, string] {
  const body = new Body(bytes, "ParameterStatus");
  const pair: [string, string] = [decode(body.cstring()), decode(body.cstring())];
  body.end();
  return pair;
}

/** A BackendKeyData. */
export function backendKey(bytes: Buffer): BackendKey {
  const body = new Body(bytes, "BackendKeyData");
  const processId = body.int32();
  const secretKey = Buffer.from(body.rest());
  if (secretKey.length < 4 || secretKey.length > 256) throw body.malformed(`has a key of ${secretKey.length} bytes`);
  return { processId, secretKey };
}

/** An AuthenticationRequest: its number, and what belongs to it. */
export function authentication(bytes: Buffer): { request: number; data: Body } {
  const data = new Body(bytes, "AuthenticationRequest");
  // libpq's own bound. No method has more to say.
  if (bytes.length > MOST_AUTHENTICATION) throw data.malformed(`has ${bytes.length} bytes`);
  return { request: data.int32(), data };
}

/** The mechanisms of an AuthenticationSASL. */
export function mechanisms(data: Body): string[] {
  const found: string[] = [];
  for (let name = data.cstring(); name.length > 0; name = data.cstring()) found.push(decodeUtf8(name));
  data.end();
  return found;
}

/** Verifies a ReadyForQuery: the state of a transaction. */
export function checkReady(bytes: Buffer): void {
  const body = new Body(bytes, "ReadyForQuery");
  if (!"ITE".includes(String.fromCharCode(body.uint8()))) throw body.malformed("names no state of a transaction");
  body.end();
}

/** A StartupMessage with its parameters. */
export function startup(parameters: Record<string, string>): Buffer {
  const pairs = Object.entries(parameters).flat().map(cstring);
  return packet(int32(PROTOCOL), ...pairs, EMPTY);
}

/** Asks for TLS. */
export function sslRequest(): Buffer {
  return packet(int32(SSL_REQUEST));
}

/** Asks, on a connection of its own, to end what is under way in a session. */
export function cancelRequest({ processId, secretKey }: BackendKey): Buffer {
  return packet(int32(CANCEL_REQUEST), uint32(processId), secretKey);
}

/** A PasswordMessage: the password, or its hash. */
export function password(text: string): Buffer {
  return message("p", cstring(text));
}

/** A SASLInitialResponse. */
export function saslInitial(mechanism: string, response: string): Buffer {
  const bytes = Buffer.from(response);
  return message("p", cstring(mechanism), int32(bytes.length), bytes);
}

/** A SASLResponse. */
export function saslResponse(response: string): Buffer {
  return message("p", Buffer.from(response));
}

/** A Query of the simple protocol. */
export function query(sql: string): Buffer {
  return message("Q", cstring(sql));
}

/**
 * One statement of the extended protocol and the Sync that makes it a transaction of its own. It is unnamed, so that
 * it survives a pooler that gives each transaction another server connection. All results are binary.
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

/** Says goodbye. */
export function terminate(): Buffer {
  return message("X");
}

const EMPTY = Buffer.from([0]);

function message(code: string, ...parts: Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  return Buffer.concat([Buffer.from(code), int32(length), ...parts]);
}

/** A message without a letter, as there are before a session. */
function packet(...parts: Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  return Buffer.concat([int32(length), ...parts]);
}

function cstring(text: string): Buffer {
  return Buffer.concat([Buffer.from(text), EMPTY]);
}
