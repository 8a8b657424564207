// Names as the server keeps them: NAMEDATALEN - 1 bytes of a name, and of an application's only printable ASCII.

import { guard } from "./components.js";

/** Bytes of a name that are kept. */
export const nameBytes = (): number => guard().names.bytes;

/** The part of a name that the server keeps, cut between two letters. */
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

/** True for a pattern that no kept name matches letter by letter: it has more of them than are kept. */
export function isTooLong(glob: string): boolean {
  return Buffer.byteLength(glob.replaceAll("*", "")) > nameBytes();
}

/** A role's pattern as the guard compares it. The bytes of other letters depend on the encoding of its database. */
export function roleGlob(glob: string): string {
  return glob.replace(/[^\x20-\x7e]/gu, "*");
}

/**
 * An application's pattern as the guard compares it. For each byte that is not printable ASCII the server keeps `?`
 * before version 16 and `\xNN` since then, and cuts the name behind that: what may have been cut off is left open.
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
