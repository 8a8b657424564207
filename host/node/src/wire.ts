// Messages of PostgreSQL's protocol, version 3, as bytes (manual, "Frontend/Backend Protocol").
//
// `pg` reads every value as UTF-8 text: a timestamp would depend on the role's DateStyle, and a text of another encoding
// be lost. So messages are read here.

import { int32, uint16, uint32 } from "./bytes.js";
import type { Decode } from "./text.js";
import type { Column, Parameter } from "./values.js";

/** Version 3.0 of the protocol, and the numbers of requests that stand in its place. */
const PROTOCOL = 196_608;
const SSL_REQUEST = 80_877_103;
const CANCEL_REQUEST = 80_877_102;

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
  code: string;
  message: string;
  detail?: string | undefined;
}

/** Process id and secret of a session, by which it can be cancelled. */
export interface BackendKey {
  processId: number;
  secretKey: Buffer;
}

/** Cuts a stream of bytes into messages. */
export class Framing {
  #chunks: Buffer[] = [];
  #length = 0;
  #wanted = 5;

  /** Bytes that make the next message complete. */
  get wanted(): number {
    return this.#wanted;
  }

  /** Takes bytes in, and hands out every message that is complete with them. */
  *push(chunk: Buffer): Generator<Message> {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    // A message that is not there yet is not copied again for each of its pieces.
    if (this.#length < this.#wanted) return;
    let bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    this.#wanted = 5;
    while (bytes.length >= 5) {
      const end = 1 + bytes.readUInt32BE(1);
      if (end < 5) throw new Error("the server sent a message shorter than its own length");
      if (bytes.length < end) {
        this.#wanted = end;
        break;
      }
      yield { code: String.fromCharCode(bytes[0] ?? 0), body: bytes.subarray(5, end) };
      bytes = bytes.subarray(end);
    }
    this.#chunks = bytes.length > 0 ? [bytes] : [];
    this.#length = bytes.length;
  }
}

/** The columns of a RowDescription. */
export function columns(body: Buffer, decode: Decode): Column[] {
  const found: Column[] = [];
  let at = 2;
  for (let left = body.readInt16BE(0); left > 0; left--) {
    const end = body.indexOf(0, at);
    found.push({ name: decode(body.subarray(at, end)), typeOid: body.readUInt32BE(end + 7) });
    at = end + 19;
  }
  return found;
}

/** The values of a DataRow. */
export function fields(body: Buffer): (Buffer | null)[] {
  const found: (Buffer | null)[] = [];
  let at = 2;
  for (let left = body.readInt16BE(0); left > 0; left--) {
    const length = body.readInt32BE(at);
    at += 4;
    found.push(length < 0 ? null : body.subarray(at, at + length));
    if (length > 0) at += length;
  }
  return found;
}

/** An ErrorResponse. */
export function serverError(body: Buffer, decode: Decode): ServerError {
  const said: Record<string, string> = {};
  for (let at = 0; at < body.length && body[at] !== 0; ) {
    const found = body.indexOf(0, at + 1);
    const end = found < 0 ? body.length : found;
    said[String.fromCharCode(body[at] ?? 0)] = decode(body.subarray(at + 1, end));
    at = end + 1;
  }
  // V is never translated, and older servers and poolers have only S.
  const severity = said.V ?? said.S;
  return {
    fatal: severity === "FATAL" || severity === "PANIC",
    code: said.C ?? "XX000",
    message: said.M ?? "an error without a text",
    detail: said.D,
  };
}

/** A name and a value of a ParameterStatus. */
export function parameterStatus(body: Buffer, decode: Decode): [string, string] {
  const [name = "", value = ""] = decode(body).split("\0");
  return [name, value];
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
