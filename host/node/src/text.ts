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
  const legacy = serverEncoding === undefined ? undefined : legacyDecoder(serverEncoding);
  return legacy ? (bytes) => (isCutUtf8(bytes) ? utf8.decode(bytes) : legacy(bytes)) : decodeUtf8;
}

/** True for UTF-8, also with a last character that the server cut. */
function isCutUtf8(bytes: Uint8Array): boolean {
  if (isUtf8(bytes)) return true;
  const start = bytes.findLastIndex((byte) => byte >= 0xc2);
  const whole = bytes.subarray(0, start);
  if (bytes.subarray(start + 1).some((byte) => byte < 0x80 || byte > 0xbf)) return false;
  // After nothing but ASCII a single odd byte is more likely a letter of another encoding.
  return bytes.length - start <= 3 && isUtf8(whole) && !isAscii(whole);
}

/** True when texts of a database in this encoding are converted for a client of another one. */
export function isLegacy(serverEncoding: string | undefined): boolean {
  return serverEncoding !== undefined && !["UTF8", "SQL_ASCII"].includes(serverEncoding);
}

function legacyDecoder(serverEncoding: string): Decode | undefined {
  const { encodings } = guard();
  const label = Object.hasOwn(encodings, serverEncoding) ? encodings[serverEncoding] : undefined;
  if (label === undefined) return undefined;
  if (label === "windows-1252") return decodeWindows1252;
  try {
    const decoder = new TextDecoder(label);
    // ICU hands out control characters for bytes that are none in these encodings.
    const holes = label.startsWith("euc-") ? /[\u0080-\u009f]/g : /(?!)/;
    return (bytes) => decoder.decode(bytes).replace(holes, "\ufffd");
  } catch {
    // A Node that was built without ICU's tables knows few encodings.
    return undefined;
  }
}

/** 0x80 to 0x9f of windows-1252. Some versions of Node read them as ISO-8859-1 (nodejs/node#56542). */
const C1 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ";

function decodeWindows1252(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  return text.replace(/[\u0080-\u009f]/g, (letter) => C1[letter.charCodeAt(0) - 0x80] ?? letter);
}
