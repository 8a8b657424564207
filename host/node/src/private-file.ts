// Private files of this host: owner-readable, never opened through a link or shared with another writer.

import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

const { O_APPEND, O_CREAT, O_EXCL, O_WRONLY } = constants;
/** Missing on Windows. Without O_NONBLOCK a pipe without a reader would block the process. */
const SAFELY = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

const MODE = 0o600;
const OTHERS_WRITE = 0o022;

/** Creates a file with this text. Fails when it exists. */
export async function createPrivate(path: string, text: string): Promise<void> {
  await write(path, O_CREAT | O_EXCL, text);
}

/** Appends a text to a private file and syncs it to disk. Creates the file if needed. */
export async function appendPrivate(path: string, text: string): Promise<void> {
  await write(path, O_CREAT, text);
}

async function write(path: string, how: number, text: string): Promise<void> {
  const file = await open(path, O_WRONLY | O_APPEND | SAFELY | how, MODE).catch((error: NodeJS.ErrnoException) => {
    throw error.code === "ELOOP" ? new Error(`${path} is a link: name the file itself`) : error;
  });
  try {
    await requireOwn(path, file);
    await file.appendFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Checks that no other user owns the file or can write to it. */
async function requireOwn(path: string, file: FileHandle): Promise<void> {
  const stats = await file.stat();
  if (!stats.isFile()) throw new Error(`${path} is no regular file`);
  const us = process.geteuid?.();
  if (us === undefined) return;
  if (stats.uid !== us && stats.uid !== 0) throw new Error(`${path} belongs to another user`);
  if ((stats.mode & OTHERS_WRITE) !== 0) throw new Error(`${path} can be written by others: run \`chmod go-w\` on it`);
}
