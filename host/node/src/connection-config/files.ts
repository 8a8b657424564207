// Files beside a connection: service files, pass files and certificates of the user.

import { existsSync, readFileSync, statSync } from "node:fs";
import { Fault } from "../fault.js";

/** No file of settings is longer. */
const MOST_BYTES = 1_048_576;

/** Text of a file; undefined where there is none. */
export function readSmallFile(path: string): string | undefined {
  try {
    const { size } = statSync(path);
    if (size > MOST_BYTES) throw new Error(`it has more than ${MOST_BYTES} bytes`);
    return readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw Fault.credential(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/** A path, if there is such a file. */
export function ifExists(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}
