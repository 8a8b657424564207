// Decoding of server texts to strings; no byte sequence makes an answer fail.
//
// Servers send raw bytes (`client_encoding=SQL_ASCII`), because a conversion may fail for a single row. Texts of other
// databases, such as statements and names, are in those databases' encodings anyway.

import { isAscii, isUtf8 } from "node:buffer";
import { guard } from "./components.js";

/** Decoder of a text. Undecodable bytes become U+FFFD. */
export type Decode = (bytes: Uint8Array) => string;

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Decodes UTF-8. */
export const decodeUtf8: Decode = (bytes) => utf8.decode(bytes);

/** Decodes the beginning of a text, cut before decoding so that the rest is not kept in memory. */
export function decodeStart(bytes: Uint8Array, most: number, decode: Decode): string {
  if (bytes.length <= most) return decode(bytes);
  let end = most;
  // Do not cut within a UTF-8 character, of at most four bytes.
  while (end > most - 3 && isContinuation(bytes[end])) end--;
  return `${decode(bytes.subarray(0, end))}…`;
}

/** Copies the first characters of a text: a slice would keep the whole text in memory. */
export function startOf(text: string, letters: number): string {
  return text.length <= letters ? text : Buffer.from(text.slice(0, letters), "utf16le").toString("utf16le");
}

const isContinuation = (byte = 0) => (byte & 0xc0) === 0x80;

/** Returns the decoder for a database's encoding: UTF-8 where the bytes are valid, otherwise that encoding. */
export function decoderOf(serverEncoding: string | undefined): Decode {
  if (serverEncoding === undefined || !Object.hasOwn(guard().encodings, serverEncoding)) return decodeUtf8;
  const found = decoders.get(serverEncoding) ?? eitherDecoder(serverEncoding);
  decoders.set(serverEncoding, found);
  return found;
}

/** Cache of decoders. A server may report its encoding again in every message of a login. */
const decoders = new Map<string, Decode>();

function eitherDecoder(serverEncoding: string): Decode {
  const legacy = legacyDecoder(guard().encodings[serverEncoding] ?? "");
  return legacy ? (bytes) => (isCutUtf8(bytes) ? utf8.decode(bytes) : legacy(bytes)) : decodeUtf8;
}

/**
 * Returns the memory of a text: as a string here and in the component's thread, and as UTF-8 in the component. ASCII in
 * a column with other characters takes up to five bytes and not three: the overhead per value covers that of short texts.
 */
export function memoryOf(bytes: Uint8Array): number {
  // ASCII takes one byte per character, other strings two; U+FFFD for an undecodable byte has three in UTF-8.
  const times = isAscii(bytes) ? 3 : isUtf8(bytes) ? 5 : 7;
  return times * bytes.length;
}

/** Returns true for UTF-8, also with a last character that the server cut. */
function isCutUtf8(bytes: Uint8Array): boolean {
  if (isUtf8(bytes)) return true;
  // An incomplete last character has a start byte and up to two continuation bytes.
  const tail = bytes.subarray(-3);
  const start = bytes.length - tail.length + tail.findLastIndex((byte) => byte >= 0xc2);
  const whole = bytes.subarray(0, start);
  if (start < bytes.length - tail.length || !bytes.subarray(start + 1).every(isContinuation)) return false;
  // After only ASCII, a single non-ASCII byte is more likely a character of another encoding.
  return isUtf8(whole) && !isAscii(whole);
}

/** Returns true if the server would convert texts of this encoding for a client with another. */
export function isLegacy(serverEncoding: string | undefined): boolean {
  return serverEncoding !== undefined && !["UTF8", "SQL_ASCII"].includes(serverEncoding);
}

function legacyDecoder(label: string): Decode | undefined {
  if (label === "windows-1252") return decodeWindows1252;
  try {
    const decoder = new TextDecoder(label);
    const decode: Decode = (bytes) => decoder.decode(bytes);
    // ICU returns control characters for invalid bytes of these encodings.
    return label.startsWith("euc-") ? (bytes) => withC1(decode(bytes), HOLES) : decode;
  } catch {
    // Node without ICU's tables supports few encodings.
    return undefined;
  }
}

/** Replacements for U+0080 to U+009F: U+FFFD for each. */
const HOLES = "\ufffd".repeat(32);

/** Characters 0x80 to 0x9F of windows-1252. Some versions of Node decode them as ISO-8859-1 (nodejs/node#56542). */
const WINDOWS_1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ";

function decodeWindows1252(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  return withC1(text, WINDOWS_1252);
}

/** Replaces U+0080 to U+009F in a text. `replace` would take a microsecond for each. */
function withC1(text: string, letters: string): string {
  if (!/[\u0080-\u009f]/.test(text)) return text;
  const units = Buffer.from(text, "utf16le");
  for (let at = 0; at < units.length; at += 2) {
    const low = units[at] ?? 0;
    if (low >= 0x80 && low <= 0x9f && units[at + 1] === 0) units.writeUInt16LE(letters.charCodeAt(low - 0x80), at);
  }
  return units.toString("utf16le");
}
