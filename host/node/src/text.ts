// Texts of a server as JavaScript's strings, whatever bytes they are: no text makes an answer fail.
//
// Servers are asked for their bytes as they are (`client_encoding=SQL_ASCII`): what they convert may fail for a single
// row. And what they keep of other databases, such as statements and names, is in those databases' encodings anyway.

import { isAscii, isUtf8 } from "node:buffer";
import { guard } from "./components.js";

/** Reads a text. Bytes that cannot be read become U+FFFD. */
export type Decode = (bytes: Uint8Array) => string;

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads UTF-8. */
export const decodeUtf8: Decode = (bytes) => utf8.decode(bytes);

/** Reads the beginning of a text: it is cut before it is read, so that nothing of the rest is kept. */
export function decodeStart(bytes: Uint8Array, most: number, decode: Decode): string {
  if (bytes.length <= most) return decode(bytes);
  let end = most;
  // Not within a letter of UTF-8, which has four bytes at most.
  while (end > most - 3 && isContinuation(bytes[end])) end--;
  return `${decode(bytes.subarray(0, end))}…`;
}

/** The first letters of a text as a text of its own: a slice keeps the whole of it in memory as long as it lives. */
export function startOf(text: string, letters: number): string {
  return text.length <= letters ? text : Buffer.from(text.slice(0, letters), "utf16le").toString("utf16le");
}

const isContinuation = (byte = 0) => (byte & 0xc0) === 0x80;

/** Reads texts of a database in this encoding: as UTF-8 where they are, else as its own where it is another. */
export function decoderOf(serverEncoding: string | undefined): Decode {
  if (serverEncoding === undefined || !Object.hasOwn(guard().encodings, serverEncoding)) return decodeUtf8;
  const found = decoders.get(serverEncoding) ?? eitherDecoder(serverEncoding);
  decoders.set(serverEncoding, found);
  return found;
}

/** Decoders that were made. A server may name its encoding again in every message of a login. */
const decoders = new Map<string, Decode>();

function eitherDecoder(serverEncoding: string): Decode {
  const legacy = legacyDecoder(guard().encodings[serverEncoding] ?? "");
  return legacy ? (bytes) => (isCutUtf8(bytes) ? utf8.decode(bytes) : legacy(bytes)) : decodeUtf8;
}

/** Memory that a text takes at most: as a string here and in the component's thread, and as UTF-8 in the component. */
export function memoryOf(bytes: Uint8Array): number {
  // ASCII takes a byte a letter. Of anything else a string takes two; U+FFFD for a byte that cannot be read has three.
  const times = isAscii(bytes) ? 3 : isUtf8(bytes) ? 5 : 7;
  return times * bytes.length;
}

/** True for UTF-8, also with a last character that the server cut. */
function isCutUtf8(bytes: Uint8Array): boolean {
  if (isUtf8(bytes)) return true;
  // The last one that is cut has a byte that begins it, and one or two more.
  const tail = bytes.subarray(-3);
  const start = bytes.length - tail.length + tail.findLastIndex((byte) => byte >= 0xc2);
  const whole = bytes.subarray(0, start);
  if (start < bytes.length - tail.length || !bytes.subarray(start + 1).every(isContinuation)) return false;
  // After nothing but ASCII a single odd byte is more likely a letter of another encoding.
  return isUtf8(whole) && !isAscii(whole);
}

/** True when texts of a database in this encoding are converted for a client of another one. */
export function isLegacy(serverEncoding: string | undefined): boolean {
  return serverEncoding !== undefined && !["UTF8", "SQL_ASCII"].includes(serverEncoding);
}

function legacyDecoder(label: string): Decode | undefined {
  if (label === "windows-1252") return decodeWindows1252;
  try {
    const decoder = new TextDecoder(label);
    const decode: Decode = (bytes) => decoder.decode(bytes);
    // ICU hands out control characters for bytes that are none in these encodings.
    return label.startsWith("euc-") ? (bytes) => withC1(decode(bytes), HOLES) : decode;
  } catch {
    // A Node that was built without ICU's tables knows few encodings.
    return undefined;
  }
}

/** Letters for U+0080 to U+009F: none. */
const HOLES = "\ufffd".repeat(32);

/** Those of windows-1252. Some versions of Node read them as ISO-8859-1 (nodejs/node#56542). */
const WINDOWS_1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ";

function decodeWindows1252(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  return withC1(text, WINDOWS_1252);
}

/** A text with other letters for U+0080 to U+009F. `replace` would take a microsecond for each. */
function withC1(text: string, letters: string): string {
  if (!/[\u0080-\u009f]/.test(text)) return text;
  const units = Buffer.from(text, "utf16le");
  for (let at = 0; at < units.length; at += 2) {
    const low = units[at] ?? 0;
    if (low >= 0x80 && low <= 0x9f && units[at + 1] === 0) units.writeUInt16LE(letters.charCodeAt(low - 0x80), at);
  }
  return units.toString("utf16le");
}
