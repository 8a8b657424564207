// Files used by a connection: service files, pass files and user certificates.

import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync, type Stats } from "node:fs";
import { Fault } from "../fault.js";

/** Maximum size of a settings file, bytes. */
const MOST_BYTES = 1_048_576;

/** Reads a small text file; returns undefined when it does not exist. */
export function readSmallFile(path: string): string | undefined {
  try {
    return readRegular(path).text;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw Fault.credential(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/** Reads a small regular file with its stats. Throws for devices and pipes, which may block or never end. */
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

/** Returns the path if the file exists. */
export function ifExists(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}
