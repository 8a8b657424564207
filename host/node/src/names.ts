// Names as the server truncates them: NAMEDATALEN - 1 bytes, and only printable ASCII for application names.

import { guard } from "./components.js";

/** Returns the length to which names are truncated, bytes. */
export const nameBytes = (): number => guard().names.bytes;

/** Truncates a name like the server, between characters. */
export function keptName(name: string): string {
  let kept = "";
  let bytes = 0;
  for (const letter of name) {
    bytes += Buffer.byteLength(letter);
    if (bytes > nameBytes()) break;
    kept += letter;
  }
  return kept;
}

/** Returns true if a pattern has more literal bytes than a name can have, so that it can never match. */
export function isTooLong(glob: string): boolean {
  return Buffer.byteLength(glob.replaceAll("*", "")) > nameBytes();
}

/**
 * Converts a role pattern for the guard. Non-ASCII characters become `*`, as their bytes depend on the database's
 * encoding.
 */
export function roleGlob(glob: string): string {
  return glob.replace(/[^\x20-\x7e]/gu, "*");
}

/**
 * Converts an application name pattern for the guard. The server stores each byte that is not printable ASCII as `?`
 * before version 16 and as `\xNN` since then, and truncates the result; a possibly truncated rest becomes `*`.
 */
export function applicationGlob(glob: string): string {
  let shown = "";
  let longest = 0;
  for (const letter of glob) {
    const isKept = /[\x20-\x7e]/.test(letter);
    if (letter !== "*") longest += isKept ? 1 : 4 * Buffer.byteLength(letter);
    if (longest > nameBytes()) return `${shown}*`;
    shown += isKept ? letter : "*";
  }
  return shown;
}
