// Refusals at login: by SQLSTATE first, then by the words of PostgreSQL, poolers and providers.

import { place, type Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import type { ServerError } from "./wire.js";

/** Kinds of refusals. */
export type Refusal =
  /** No slot, client or pooled connection is free. */
  | "no-room"
  /** The pooler had no connection to the server for a login in time: it is full, paused or without a server. */
  | "no-server"
  /** The server or the pooler has no such database. */
  | "no-database"
  /** Wrong role, password or token. */
  | "login"
  /** `pg_hba.conf` or an allow list has no entry for this client. */
  | "address"
  /** The role may not connect to this database. */
  | "privilege"
  /** PgBouncer's console admits only roles that its settings name. */
  | "console"
  /** Only encrypted sessions are admitted. */
  | "needs-tls"
  /** The same, and TLS could not be had. */
  | "needs-tls-in-vain"
  /** `pg_hba.conf` has no entry for a session without TLS. */
  | "needs-tls-or-entry"
  /** The pooler knows neither the project nor the endpoint. */
  | "project"
  /** A startup parameter is not supported or not permitted. */
  | "parameter"
  /** It answers, but the server behind it, or it itself, takes no sessions now. */
  | "unavailable"
  /** The database, the pool or the endpoint is disabled by its operator. */
  | "disabled";

/** Fault kind of a refusal, and the words with the setting or the step that helps. */
type Description = readonly [kind: string, words: (at: string, said: string, target: Target) => string];

const DESCRIBED: Record<Refusal, Description> = {
  "no-room": [
    "too-many-connections",
    (at, said) =>
      `${at} has no connection slot left: ${said}; end idle sessions, raise max_connections or the CONNECTION LIMIT of ` +
      "the role or database, or connect with a role that may use the reserved slots",
  ],
  "no-server": [
    "server-unreachable",
    (at, said) =>
      `the pooler at ${at} had no connection to the server for this login: ${said}; the server is down or its host is ` +
      "not found, the database is paused, or all connections are taken: see SHOW DATABASES and SHOW POOLS of its " +
      "console",
  ],
  "no-database": [
    "database-not-found",
    (at, said, { database }) => `${at} has no database '${database}': correct the credential's database name (${said})`,
  ],
  login: [
    "authentication-failed",
    (at, said, { user }) => `${at} refused role '${user}': ${said}; check the credential's user and password`,
  ],
  address: [
    "authentication-failed",
    (at, said, { user }) => `${at} does not admit role '${user}' from here: ${said}; add an entry for it`,
  ],
  privilege: [
    "insufficient-privilege",
    (at, said, { user }) => `${at} refused role '${user}': ${said}; GRANT CONNECT ON DATABASE to it`,
  ],
  console: [
    "insufficient-privilege",
    (at, _, { user }) =>
      `PgBouncer at ${at} does not let '${user}' into its console: add it to admin_users or stats_users`,
  ],
  "needs-tls": ["tls-failed", (at, said) => `${at} insists on TLS: set sslmode=require (${said})`],
  "needs-tls-in-vain": ["tls-failed", (at, said) => `${at} insists on TLS, which could not be had: ${said}`],
  "needs-tls-or-entry": [
    "tls-failed",
    (at, said, { user }) =>
      `${at} does not admit role '${user}' from here without TLS: ${said}; set sslmode=require, or add an entry to ` +
      "pg_hba.conf",
  ],
  project: [
    "credential-invalid",
    (at, said) => `${at} does not know the project: ${said}; copy host and user from the provider's dashboard`,
  ],
  parameter: [
    "credential-invalid",
    (at, said) => `${at} refused a startup parameter: ${said}; correct the credential's options`,
  ],
  unavailable: ["server-unreachable", (at, said) => `the PostgreSQL server at ${at} takes no sessions now: ${said}`],
  disabled: [
    "server-unreachable",
    (at, said, { database }) => `${at} takes no sessions for database '${database}': ${said}`,
  ],
};

/** Refusals after which the same login can succeed a moment later. */
const RETRYABLE: readonly Refusal[] = ["no-room", "no-server", "unavailable"];

/** SQLSTATEs that poolers have for everything. */
const OF_POOLERS: readonly string[] = ["08P01", "XX000", "58000", "08000", "08004", "08006"];

/** How a refusal by `pg_hba.conf` begins: for want of an entry, or by one. */
const PG_HBA = /^(no pg_hba\.conf entry|pg_hba\.conf rejects)/i;

/** States of a server, which older poolers pass on without its SQLSTATE. */
const SERVER_STATES: readonly [Refusal, ...string[]] = [
  "unavailable",
  "the database system is starting up",
  "the database system is shutting down",
  "the database system is in recovery mode",
  "the database system is not yet accepting connections",
  "the database system is not accepting connections",
];

/** Words of `pg_hba.conf` for a session without encryption, since PostgreSQL 14 and before. */
const UNENCRYPTED = /no encryption|ssl off/;

/**
 * Words by which a refusal is recognised, in lower case and in the order in which they are looked for: a text about a
 * full pool may name the server, and one about a password the database.
 */
const WORDS: readonly (readonly [Refusal, ...string[]])[] = [
  [
    "needs-tls",
    "ssl connection is required",
    "ssl required",
    "ssl is required",
    "essl",
    "requires tls connections",
    "must connect with tls",
    "connection is insecure",
    "only with ssl connections",
  ],
  [
    "parameter",
    "startup parameter",
    "startup option",
    "estartup",
    "doesn't support the option",
    "unrecognized configuration",
  ],
  // A pooler that has no server to connect to; some also say that no connection could be had.
  [
    "unavailable",
    "allserversdown",
    "ecircuitbreaker",
    "server login has been failing",
    "server login failed",
    "server_login_retry",
    "cannot connect to server",
    "client_login_timeout",
    "failed to connect to remote server",
    "failed to get remote server connection",
    "couldn't connect to compute node",
    "control plane request failed",
    "edbhandler",
    "epoolterminating",
    "eauthquery",
    "eauthtimeout",
    "etenantbanned",
    "concurrently active endpoints",
  ],
  SERVER_STATES,
  ["no-server", "query_wait_timeout"],
  [
    "no-room",
    "too many clients",
    "too many connections",
    "too many tcp connections",
    "too many active clients",
    "remaining connection slots",
    "no more connections allowed",
    "max_client_conn",
    "client_connections)",
    "emaxclientconn",
    "emaxconnsession",
    "emaxpoolsreached",
    "emaxproxyconn",
    "echeckouttimeout",
    "maxclientsinsessionmode",
    "max clients reached",
    "max client connections reached",
    "checkout timeout",
    "connection limit exceeded",
    "maximum number of client connections",
    "rate of connection to proxy exceeded",
    "too many competing requests",
    "waiting to acquire database connection",
    "could not get connection from the pool",
    "could not get a connection from the pool",
    "failed to acquire permit to connect",
    "too many database connection attempts",
  ],
  [
    "project",
    "enotfound",
    "tenant or user not found",
    "tenant identifier",
    "endpoint id is not specified",
    "endpoint could not be found",
    "einvaliduserinfo",
  ],
  ["disabled", "is disabled", "has been disabled", "not currently accepting connections", "compute time quota"],
  ["address", "eaddrnotallowed", "not in tenant allow_list", "not allowed to connect", "ip address is not"],
  [
    "login",
    "authentication failed",
    "auth failed",
    "no such user",
    "wrong password",
    "incorrect password",
    "invalid password",
    "ewrongpassword",
    "ejitunauthorized",
    "no credentials for the role",
    "provided for the role",
    "is wrong, or the database does not exist",
    "login rejected",
    "supports only iam",
  ],
  ["no-database", "no such database", "no pool configured for database", "route for "],
];

/**
 * Classifies the error that a login ended with. `isTlsTried`: a session with TLS was refused, too, or cannot be had.
 * PostgreSQL says "no encryption" to every session without, whatever else no entry admits.
 */
export function classify({ code = "", message }: ServerError, isTlsTried = false): Refusal {
  const found = recognise(code, message);
  if (isTlsTried && found === "needs-tls") return "needs-tls-in-vain";
  if (isTlsTried && found === "needs-tls-or-entry") return "address";
  if (found !== undefined) return found;
  if (code.startsWith("28")) return "login";
  if (["0A000", "22023", "42501", "42601", "42704"].includes(code)) return "parameter";
  return code === "55000" ? "disabled" : "unavailable";
}

/** The same where it is certain: none for an error that neither SQLSTATE nor text explains. */
export function recognise(code: string, message: string): Refusal | undefined {
  const text = message.toLowerCase();
  switch (code) {
    case "53300":
      return "no-room";
    case "3D000":
      return "no-database";
    case "28P01":
      return "login";
    case "57P01":
    case "57P02":
    case "57P03":
    case "57P05":
      return "unavailable";
  }
  if (isByPgHba(text)) {
    // An entry that rejects is not about TLS, and neither is what a pooler was told about its own session.
    const wantsTls = code === "28000" && text.startsWith("no pg_hba.conf entry") && UNENCRYPTED.test(text);
    return wantsTls ? "needs-tls-or-entry" : "address";
  }
  if (text.startsWith("permission denied for database")) return "privilege";
  if (/^role ".* (does not exist|is not permitted to log in)/.test(text)) return "login";
  // PgBouncer's whole answer to a role that its console is not for.
  if (text === "not allowed") return "console";
  const found = WORDS.find(([, ...words]) => words.some((word) => text.includes(word)));
  if (found) return found[0];
  return text.includes('database "') && text.includes("does not exist") ? "no-database" : undefined;
}

/** Recognises the words of a pooler that has no server connection for a statement of an open session. Code "": none. */
export function recogniseInSession(code: string, message: string): "no-room" | "unavailable" | undefined {
  if (code !== "" && !OF_POOLERS.includes(code)) return undefined;
  const text = message.toLowerCase();
  const found = WORDS.find(
    (entry) =>
      entry !== SERVER_STATES &&
      ["no-room", "no-server", "unavailable"].includes(entry[0]) &&
      entry.slice(1).some((word) => text.includes(word)),
  )?.[0];
  if (found === undefined) return undefined;
  // This session had a server connection before, or could have had one.
  return found === "unavailable" ? found : "no-room";
}

/** True when `pg_hba.conf` refused. */
export function isByPgHba(message: string): boolean {
  return PG_HBA.test(message);
}

/** Returns the fault of a refusal at login. No query was sent, so it is never one of a query. */
export function refused(server: ServerError, target: Target, isTlsTried = false): Fault {
  const refusal = classify(server, isTlsTried);
  const [kind, words] = DESCRIBED[refusal];
  const more = { sqlstate: server.code, retryable: RETRYABLE.includes(refusal) };
  return new Fault(kind, words(place(target), server.said, target), more);
}

/** True when a refusal may come from `pg_hba.conf` entries that are for sessions with TLS alone, or without. */
export function mayDependOnTls(server: ServerError): boolean {
  return server.code === "28000" || isByPgHba(server.message) || classify(server) === "needs-tls";
}

/** True when a refusal is about settings of the startup packet, which not every pooler takes. */
export function refusesSettings({ code = "", message }: ServerError): boolean {
  // An encoding that it does not speak is no fault of the credential's.
  if (message.includes("client_encoding")) return true;
  const refusal = recognise(code, message);
  return refusal === undefined ? code === "08P01" : refusal === "parameter";
}
