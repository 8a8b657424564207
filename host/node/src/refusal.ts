// Refusals at login: by SQLSTATE first, then by the words of PostgreSQL, poolers and providers.

import { place, type Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import type { ServerError } from "./wire.js";

/** Kinds of refusals. */
export type Refusal =
  /** No slot, client or pooled connection is free. */
  | "no-room"
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
const RETRYABLE: readonly Refusal[] = ["no-room", "unavailable"];

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
    "query_wait_timeout",
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

/** Classifies the error that a login ended with. */
export function classify({ code, message }: ServerError): Refusal {
  const found = recognise(code, message);
  if (found !== undefined) return found;
  if (code.startsWith("28")) return "login";
  if (["0A000", "22023", "42501", "42601", "42704", "08P01"].includes(code)) return "parameter";
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
    case "28000":
      if (!/^(no pg_hba\.conf entry|pg_hba\.conf rejects)/.test(text)) break;
      return UNENCRYPTED.test(text) ? "needs-tls" : "address";
    case "42501":
      if (text.startsWith("permission denied for database")) return "privilege";
      break;
  }
  // PgBouncer's whole answer to a role that its console is not for.
  if (text === "not allowed") return "console";
  const found = WORDS.find(([, ...words]) => words.some((word) => text.includes(word)));
  if (found) return found[0];
  return text.includes('database "') && text.includes("does not exist") ? "no-database" : undefined;
}

/** Returns the fault of a refusal at login. No query was sent, so it is never one of a query. */
export function refused(server: ServerError, target: Target): Fault {
  const refusal = classify(server);
  const [kind, words] = DESCRIBED[refusal];
  const said = server.detail === undefined ? server.message : `${server.message} (${server.detail})`;
  const more = { sqlstate: server.code, retryable: RETRYABLE.includes(refusal) };
  return new Fault(kind, words(place(target), said, target), more);
}

/** True when a refusal may come from `pg_hba.conf` entries that are for sessions with TLS alone, or without. */
export function mayDependOnTls(server: ServerError): boolean {
  return server.code === "28000" || classify(server) === "needs-tls";
}

/** True when a refusal is about settings of the startup packet, which not every pooler takes. */
export function refusesSettings({ code, message }: ServerError): boolean {
  // An encoding that it does not speak is no fault of the credential's.
  if (message.includes("client_encoding")) return true;
  const refusal = recognise(code, message);
  return refusal === undefined ? code === "08P01" : refusal === "parameter";
}
