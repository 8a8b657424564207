// Pass files: `~/.pgpass`, lines of `host:port:database:user:password`.

import { statSync } from "node:fs";
import { Secret } from "../secret.js";
import { readSmallFile } from "./files.js";
import type { HostPort, Target } from "./target.js";

/** Name under which pass files list sockets in the server's own folders. */
const LOCAL = "localhost";
export const SOCKET_FOLDERS: readonly string[] = ["/var/run/postgresql", "/tmp"];

/** Fills in the passwords of hosts without one from the pass file. */
export function withPassFile(target: Target, path: string): Target {
  const hosts = [target, ...target.moreHosts];
  if (hosts.every(({ password }) => password !== undefined)) return target;
  const refusal = whyNotUsed(path);
  if (refusal !== undefined) {
    return { ...target, notes: [...target.notes, `pass file ${path} is passed over: ${refusal}`] };
  }
  const lines = parseLines(readSmallFile(path) ?? "");
  const filled = <T extends HostPort>(at: T): T => ({ ...at, password: at.password ?? find(lines, at, target) });
  return { ...filled(target), moreHosts: target.moreHosts.map(filled) };
}

/** Returns the reason not to use an existing pass file, by libpq's rules. */
function whyNotUsed(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return undefined;
  if (!found.isFile()) return "it is no plain file";
  const mode = found.mode & 0o777;
  // Windows has no such modes.
  if (process.platform === "win32" || (mode & 0o077) === 0) return undefined;
  return `others may read it (mode ${mode.toString(8).padStart(4, "0")}): run \`chmod 600\` on it`;
}

/** Splits lines into fields; `null` for `*`, which matches anything. A backslash escapes `:`. */
function parseLines(text: string): (string | null)[][] {
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  return lines
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => [...line.matchAll(/((?:\\.|[^:\\])*)\\?(?::|$)/g)].map(([, field = ""]) => field))
    .map((fields) => fields.map((field) => (field === "*" ? null : field.replace(/\\(.)/g, "$1"))));
}

function find(lines: (string | null)[][], { host, port }: HostPort, { user, database }: Target): Secret | undefined {
  const wanted = [SOCKET_FOLDERS.includes(host) ? LOCAL : host, String(port), database, user];
  const isMet = (fields: (string | null)[]) =>
    wanted.every((word, index) => fields[index] === null || fields[index] === word);
  // A line without a password does not match.
  const password = lines.find((fields) => fields.length > wanted.length && isMet(fields))?.[wanted.length];
  return password ? new Secret(password) : undefined;
}
