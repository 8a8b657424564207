// Connection URLs of libpq, frameworks and JDBC.

import { Fault } from "../fault.js";
import { Secret } from "../secret.js";
import { checkHost, splitList } from "./hosts.js";
import { checkSeparators, isParameter, parsePort, setParameter } from "./parameters.js";
import type { Parts } from "./parts.js";

/** Schemes of libpq and frameworks; SQLAlchemy appends a driver after `+`. */
const SYSTEM =
  "(?:postgres(?:ql)?|postgis|pgsql|psql|ecto|pgx[45]?|timescale(?:db)?|cockroach(?:db|-postgres)?|crdb-postgres)";
const SCHEME = new RegExp(`^${SYSTEM}(?:\\+[a-z0-9_]+)?://`, "i");
const ANYWHERE = new RegExp(`${SYSTEM}(?:\\+[a-z0-9_+]{0,64})?://|dbcs?:(?:[a-z0-9-]+:){0,2}postgres`, "i");
/**
 * JDBC and R2DBC, with any wrapper before `postgresql:`. Testcontainers' URLs are excluded: that server does not run
 * yet.
 */
const JDBC = /^(?:jdbc|r2dbc(s?)):(?:(?!tc:)[a-z0-9-]+:){0,2}?postgres(?:ql)?:/i;
const ESCAPE = "percent-encode '/' as %2F, '?' as %3F and '@' as %40 in the password";

const BEGIN = "parameters begin with '?'; percent-encode '&' as %26, ';' as %3B and '=' as %3D in a name";

/** Returns true if the text is a connection URL. */
export function isUrl(text: string): boolean {
  return SCHEME.test(text) || JDBC.test(text);
}

/** Returns true if the text contains a connection URL. */
export function holdsUrl(text: string): boolean {
  return ANYWHERE.test(text);
}

/** Parses a URL without applying defaults. */
export function parseUrl(text: string): Parts {
  if (!JDBC.test(text)) return parse(text.replace(SCHEME, ""), false);
  const rest = text.replace(JDBC, "");
  const parts = parse(rest.startsWith("//") ? rest.slice(2) : `localhost/${rest.replace(/^\//, "")}`, true);
  // `r2dbcs` requires TLS.
  return JDBC.exec(text)?.[1] ? { frameworkMode: "verify-full", ...parts } : parts;
}

function parse(rest: string, isJdbc: boolean): Parts {
  const { login, address, path, query } = split(rest);
  const parts: Parts = {};
  if (login !== undefined) setLogin(parts, login);
  setAddress(parts, address);
  const database = decode("database name", path);
  if (database !== "") parts.database = database;
  let isAfterPassword = false;
  const lists: { host: string[]; port: string[] } = { host: [], port: [] };
  for (const pair of query.split("&").filter(Boolean)) {
    const [name, value] = cut(pair, "=");
    if (name.includes("@")) throw Fault.credential(`an '@' after the host: ${ESCAPE}`);
    // Without a value an unknown name may be anything, so it is not shown.
    if (value === undefined && !isParameter(name)) {
      throw Fault.credential("a connection parameter is unknown: it has no value");
    }
    checkSeparators(name, value ?? "", BEGIN);
    const decoded = decode(name, value ?? "");
    const list = lists[name.toLowerCase() as keyof typeof lists];
    if (list && decoded !== "") list.push(decoded);
    else {
      const context = { isJdbc, isAfterPassword, isBare: value === undefined };
      setParameter(parts, decode("name of a parameter", name), decoded, context);
    }
    isAfterPassword ||= name.toLowerCase() === "password";
  }
  setLists(parts, lists.host, lists.port);
  return parts;
}

/** Sets `host` and `port`, which SQLAlchemy repeats for several hosts or writes as `host=NAME:PORT`. */
function setLists(parts: Parts, hosts: string[], ports: string[]): void {
  const isPlain = (host: string) => host.startsWith("/") || host.includes(",") || !host.includes(":");
  const isAddress = (host: string) => !host.startsWith("[") && host.split(":").length > 2;
  const haveOwnPorts = !hosts.every(isPlain);
  if (haveOwnPorts && ports.length > 0) {
    throw Fault.credential(
      "parameter host names ports and parameter port another: give either host=A:1&host=B:2 or host=A,B&port=1,2",
    );
  }
  if (hosts.length > 0) {
    const pairs = hosts.map((host) => (isPlain(host) || isAddress(host) ? ([host, ""] as const) : splitPort(host)));
    setParameter(parts, "host", pairs.map(([host]) => host).join(","));
    if (haveOwnPorts) ports = [pairs.map(([, port]) => port ?? "").join(",")];
  }
  // For one host, the last of several ports applies.
  const port = hosts.length > 1 ? ports.join(",") : ports.at(-1);
  if (port !== undefined && port !== "") setParameter(parts, "port", port);
  // The authority's ports do not apply to a list of hosts.
  else if (hosts.length > 1) delete parts.ports;
}

/** Splits a URL without its scheme into its parts. */
function split(rest: string): { login?: string; address: string; path: string; query: string } {
  const [head, path] = cut(rest, "/");
  // A '?' before the first '/' is part of a password unless a parameter follows.
  const login = head.lastIndexOf("@");
  const marks = [...head.matchAll(/\?/g)].map(({ index }) => index);
  const at = marks.find((index) => isQuery(head.slice(index + 1), index > login));
  const authority = at === undefined ? head : head.slice(0, at);
  const tail = at === undefined ? (path ?? "") : undefined;
  const [name, query] = tail === undefined ? ["", rest.slice((at ?? 0) + 1)] : cut(tail, "?");
  // Must be checked before any part is used as a host name, which would reach DNS and logs.
  if (name.includes("@")) throw Fault.credential(`an '@' after the host: ${ESCAPE}`);
  checkSeparators("dbname", name, BEGIN);
  const end = authority.lastIndexOf("@");
  const parts = { address: authority.slice(end + 1), path: name, query: query ?? "" };
  return end < 0 ? parts : { ...parts, login: authority.slice(0, end) };
}

/** Returns true if the text after a '?' consists of parameters. */
function isQuery(rest: string, isBehindLogin: boolean): boolean {
  const name = /^([A-Za-z_-]+)=/.exec(rest)?.[1];
  return name !== undefined ? isParameter(name) : isBehindLogin;
}

function setLogin(parts: Parts, login: string): void {
  const [name, word] = cut(login, ":");
  checkSeparators("user", name, BEGIN);
  const user = decode("user", name);
  if (user !== "") parts.user = user;
  const password = decode("password", word ?? "");
  if (/^\[[A-Z-]*PASSWORD\]$/i.test(password)) {
    throw Fault.credential(`${password.toUpperCase()} is a placeholder: put the database password in its place`);
  }
  if (password !== "") parts.password = new Secret(password);
}

function setAddress(parts: Parts, address: string): void {
  if (address === "") return;
  const hosts = splitList(address).map(splitPort);
  parts.hosts = hosts.map(([host]) => checkHost(decode("host", host)));
  // For one host the port may come from another source; in a list each has its own, as in libpq.
  const ports = hosts.map(([, port]) => parsePort(port ?? ""));
  if (ports.length > 1 || ports[0] !== undefined) parts.ports = ports;
}

/** Splits `host:port`, `[address]:port` and `host`. */
function splitPort(address: string): [string, string | undefined] {
  if (!address.startsWith("[")) {
    const [host, port] = cut(address, ":");
    if (port?.includes(":")) {
      throw Fault.credential("the host has several ':': put an IPv6 address into brackets, as in [::1]");
    }
    return [host, port];
  }
  const end = address.indexOf("]");
  if (end < 0) throw Fault.credential("the host's '[' is not closed");
  const rest = address.slice(end + 1);
  if (rest !== "" && !rest.startsWith(":")) throw Fault.credential("a port is missing after the host's ']'");
  return [address.slice(1, end), rest === "" ? undefined : rest.slice(1)];
}

/** Decodes percent-encoding; other uses of `%` stay unchanged. */
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

/** Splits a text at the first separator. */
function cut(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}
