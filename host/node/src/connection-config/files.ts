// Files beside a connection: service files, pass files and certificates of the user.

import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync, type Stats } from "node:fs";
import { Fault } from "../fault.js";

/** No file of settings is longer. */
const MOST_BYTES = 1_048_576;

/** Text of a file; undefined where there is none. */
export function readSmallFile(path: string): string | undefined {
  try {
    return readRegular(path).text;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw Fault.credential(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/**
 * Text of a small file, and whose it is. Throws for what is none: a device or a pipe would have no end, or never begin.
 */
export function readRegular(path: string): { text: string; stats: Stats } {
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw new Error("it is no regular file");
    if (stats.size > MOST_BYTES) throw new Error(`it has more than ${MOST_BYTES} bytes`);
    return { text: readFileSync(file, "utf8"), stats };
  } finally {
    closeSync(file);
  }
}

/** A path, if there is such a file. */
export function ifExists(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}
