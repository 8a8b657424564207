// Where to connect and as whom: a PostgreSQL connection URL, taken apart.

import { Fault } from "./fault.js";
import { Secret } from "./secret.js";

const SSL_MODES = ["disable", "prefer", "require", "verify-ca", "verify-full"] as const;
const PARAMETERS = "host, port, user, password, dbname, sslmode, sslrootcert, connect_timeout, options";

/** How much of TLS is asked for, with libpq's meaning. */
export type SslMode = (typeof SSL_MODES)[number];

/** Where to connect and as whom. */
export interface Target {
  /** Host name, address, or the directory of a Unix socket. */
  host: string;
  port: number;
  user: string;
  /** None for servers that do not ask. */
  password?: Secret | undefined;
  database: string;
  sslMode: SslMode;
  /** A PEM file, or `system`. */
  roots?: string | undefined;
  /** When the URL sets one. */
  connectTimeoutMs?: number | undefined;
  /** `options` of the URL, such as `reference=…` for Supavisor. */
  options?: string | undefined;
}

/** The parts before defaults are filled in. */
export type Parts = { [part in keyof Target]?: Target[part] | undefined };

/** Where, without who or how: fit for logs. */
export function place(target: Target): string {
  return `${target.host}:${target.port}`;
}

/** Whether the host is the directory of a Unix socket. */
export function isSocket(target: Target): boolean {
  return target.host.startsWith("/");
}

/** Whether a text is a connection URL. */
export function isUrl(text: string): boolean {
  return text.startsWith("postgres://") || text.startsWith("postgresql://");
}

/** Takes a `postgres://` URL apart. No fault repeats any part that could be a secret. */
export function parseTarget(url: string): Target {
  return finish(parseParts(url));
}

/** Fills in the defaults. */
export function finish(parts: Parts): Target {
  const { host, user } = parts;
  if (!host) throw Fault.credential("the connection has no host");
  // It would be asked of the DNS, and logged.
  if (host.includes("@")) throw Fault.credential("the host holds an '@': give user and password apart from it");
  if (!user) throw Fault.credential("the connection has no user");
  // Supabase always offers TLS, so nothing is lost by never falling back from it.
  const isSupabase = host.endsWith(".supabase.co") || host.endsWith(".supabase.com");
  return {
    ...parts,
    host,
    user,
    port: parts.port ?? 5432,
    database: parts.database ?? user,
    sslMode: parts.sslMode ?? (isSupabase ? "require" : "prefer"),
  };
}

/** Takes a URL apart without filling anything in. */
export function parseParts(text: string): Parts {
  if (!isUrl(text)) throw Fault.credential("the URL must start with postgres:// or postgresql://");
  const [head, query] = cut(text.slice(text.indexOf("://") + 3), "?");
  const [authority, database] = cut(head, "/");
  const at = authority.lastIndexOf("@");
  const address = authority.slice(at + 1);
  // Before anything of it is taken for a host's name: that would be asked of the DNS, and logged.
  if (database?.includes("@") || query?.includes("@")) {
    throw Fault.credential("an '@' after the host: percent-encode '/', '?' and '@' in the password");
  }
  const parts: Parts = {};
  if (at >= 0) {
    const [user, password] = cut(authority.slice(0, at), ":");
    parts.user = decode("user", user) || undefined;
    if (password !== undefined) parts.password = decodePassword(password);
  }
  const [host, port] = splitPort(address);
  parts.host = decode("host", host) || undefined;
  if (port !== undefined) parts.port = parsePort(port);
  if (database !== undefined) {
    if (database.includes("/")) {
      throw Fault.credential(
        "the database name holds a '/': percent-encode it, and likewise '/', '?' and '@' in a password",
      );
    }
    parts.database = decode("database name", database) || undefined;
  }
  for (const pair of (query ?? "").split("&").filter(Boolean)) {
    const [name, value = ""] = cut(pair, "=");
    if (name === "password") parts.password = decodePassword(value);
    else setParameter(parts, name, decode(name, value));
  }
  return withoutAbsent(parts);
}

function withoutAbsent(parts: Parts): Parts {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as Parts;
}

function setParameter(parts: Parts, name: string, value: string): void {
  switch (name) {
    case "host":
      parts.host = value || undefined;
      break;
    case "port":
      parts.port = parsePort(value);
      break;
    case "user":
      parts.user = value || undefined;
      break;
    case "dbname":
      parts.database = value || undefined;
      break;
    case "sslmode":
      parts.sslMode = parseSslMode(value);
      break;
    case "sslrootcert":
      parts.roots = value || undefined;
      break;
    case "connect_timeout": {
      if (!/^\d{1,6}$/.test(value)) throw Fault.credential("connect_timeout must be a number of seconds");
      // libpq: 0 means "no limit of its own".
      parts.connectTimeoutMs = Number(value) * 1_000 || undefined;
      break;
    }
    case "options":
      parts.options = value || undefined;
      break;
    default: {
      // A password with a raw '?' ends up here, so only what looks like a name is repeated.
      const shown = /^[a-z_]{1,40}$/.test(name) ? `URL parameter '${name}'` : "a URL parameter";
      throw Fault.credential(`${shown} is unknown: use one of ${PARAMETERS}`);
    }
  }
}

function parseSslMode(text: string): SslMode {
  const mode = SSL_MODES.find((mode) => mode === text);
  // The value may be a slipped secret, so it is not repeated.
  if (!mode) throw Fault.credential(`sslmode must be one of ${SSL_MODES.join(", ")}`);
  return mode;
}

/** Splits `host:port`, `[address]:port` and `host`. */
function splitPort(address: string): [string, string | undefined] {
  if (address.includes(",")) throw Fault.credential("a connection has one host: choose one of the listed ones");
  if (!address.startsWith("[")) return cut(address, ":");
  const end = address.indexOf("]");
  if (end < 0) throw Fault.credential("the host's '[' is not closed");
  const rest = address.slice(end + 1);
  if (rest !== "" && !rest.startsWith(":")) throw Fault.credential("a port is missing after the host's ']'");
  return [address.slice(1, end), rest === "" ? undefined : rest.slice(1)];
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) {
    throw Fault.credential(
      "the port must be a number from 1 to 65535; if a password holds '@', ':' or '/', percent-encode it",
    );
  }
  return port;
}

function decodePassword(text: string): Secret | undefined {
  const password = decode("password", text);
  return password === "" ? undefined : new Secret(password);
}

/** Percent-decodes as a URL does: what is no `%XX` stays as it is. */
function decode(what: string, text: string): string {
  const bytes: Buffer[] = text
    .split(/(%[0-9a-f]{2})/i)
    .map((piece, index) => (index % 2 === 1 ? Buffer.from(piece.slice(1), "hex") : Buffer.from(piece)));
  let decoded: string;
  try {
    decoded = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(bytes));
  } catch {
    throw Fault.credential(`the ${what} is not UTF-8`);
  }
  if (decoded.includes("\0")) throw Fault.credential(`the ${what} holds a zero byte`);
  return decoded;
}

/** A text before and behind the first separator. */
function cut(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}
