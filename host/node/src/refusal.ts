// Refusals at login: by SQLSTATE, and by the words of poolers, which have one SQLSTATE for everything.

import { place, type Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import type { ServerError } from "./wire.js";

/** What a refusal comes to. */
type Refused = (at: string, said: string, target: Target) => { kind: string; message: string; retryable?: boolean };

/** A refusal is recognised by its SQLSTATE or by its words. */
interface Rule {
  sqlstates?: readonly string[];
  says?: RegExp;
  becomes: Refused;
}

const full: Refused = (at, said) => ({
  kind: "too-many-connections",
  message:
    `${at} has no connection slot left: ${said}; end idle sessions, raise max_connections, the pooler's limits or the ` +
    "CONNECTION LIMIT of the role or database, or connect with a role that may use the reserved slots",
  retryable: true,
});

const withoutTls: Refused = (at, said) => ({
  kind: "tls-failed",
  message: `${at} refuses sessions without TLS: ${said}: set sslmode=require`,
});

const withoutDatabase: Refused = (at, said, { database }) => ({
  kind: "database-not-found",
  message: `${at} has no database '${database}': ${said}; correct the credential's database name`,
});

const unauthenticated: Refused = (at, said, { user }) => ({
  kind: "authentication-failed",
  message: `${at} refused role '${user}': ${said}; check the credential's user and password`,
});

const withoutServer: Refused = (at, said) => ({
  kind: "server-unreachable",
  message: `${at} cannot reach its server: ${said}`,
  retryable: true,
});

const notNow: Refused = (at, said) => ({
  kind: "server-unreachable",
  message: `the PostgreSQL server at ${at} takes no sessions now: ${said}`,
  retryable: true,
});

const unknownProject: Refused = (at, said) => ({
  kind: "credential-invalid",
  message: `the pooler at ${at} does not know the project: ${said}; copy host and user from the dashboard`,
});

const notAllowed: Refused = (at, said, { user }) => ({
  kind: "insufficient-privilege",
  message: `${at} does not let '${user}' in: ${said}`,
});

const notInConsole: Refused = (at, _, { user }) => ({
  kind: "insufficient-privilege",
  message: `PgBouncer at ${at} does not let '${user}' into its console: add it to admin_users or stats_users`,
});

const wrongSettings: Refused = (at, said) => ({
  kind: "credential-invalid",
  message: `${at} does not take the connection's settings: ${said}`,
});

const other: Refused = (at, said) => ({ kind: "server-unreachable", message: `no session at ${at}: ${said}` });

/** The first that fits counts: what is certain before what is only a word. */
const RULES: readonly Rule[] = [
  {
    says: /no pg_hba\.conf entry.*(no encryption|SSL off)|pg_hba\.conf rejects.*(no encryption|SSL off)/s,
    becomes: withoutTls,
  },
  {
    says: /(SSL|TLS)( connection)? (is )?required|requires (SSL|TLS)|connection is insecure|SSLRequired/i,
    becomes: withoutTls,
  },
  { sqlstates: ["53300"], becomes: full },
  { sqlstates: ["28P01"], becomes: unauthenticated },
  { sqlstates: ["3D000"], becomes: withoutDatabase },
  { sqlstates: ["57P03"], becomes: notNow },
  { says: /^not allowed$/, becomes: notInConsole },
  { says: /EMAXCLIENTCONN|EMAXCONN|EMAXPOOLSREACHED|ECHECKOUTTIMEOUT/, becomes: full },
  { says: /ECIRCUITBREAKER|EDBHANDLEREXITED/, becomes: withoutServer },
  { says: /ENOTFOUND|tenant or user not found|tenant.*not found/i, becomes: unknownProject },
  {
    says: /endpoint ID is not specified|endpoint.*(could not be found|not found)|inconsistent project name/i,
    becomes: unknownProject,
  },
  {
    says: /server login has been failing|cannot connect to server|server_login_retry|all (servers|replicas) (are )?down/i,
    becomes: withoutServer,
  },
  {
    says: /AllServersDown|failed to connect to (the )?(remote|server|backend)|couldn't connect to compute|compute node/i,
    becomes: withoutServer,
  },
  {
    says: /client_login_timeout|login timeout|server conn crashed|(control plane|console) request failed/i,
    becomes: withoutServer,
  },
  {
    says: /(max|maximum)( number of)? client(s| connections)?.*reached|too many (clients|connections|client|database connection)/i,
    becomes: full,
  },
  { says: /no more connections allowed|query_wait_timeout|max_client_conn|connection limit/i, becomes: full },
  {
    says: /(check ?out|acquire|get).*(connection|process|pool|permit).*(time|limit)|timed?[- ]?out waiting.*connection|checkout timeout/i,
    becomes: full,
  },
  {
    says: /no such database|database .*(does not|doesn't) exist|no pool configured|route .*not found|unknown database/is,
    becomes: withoutDatabase,
  },
  {
    says: /no such user|authentication failed|no credentials for the role|password .*(wrong|incorrect)|login (failed|rejected)/is,
    becomes: unauthenticated,
  },
  { says: /(user|role) .*does not exist|wrong password|auth_query|authentication error/is, becomes: unauthenticated },
  { sqlstates: ["28000"], becomes: unauthenticated },
  { sqlstates: ["42501"], becomes: notAllowed },
  { sqlstates: ["22023", "0A000", "42704", "22P02", "42601"], becomes: wrongSettings },
  {
    says: /unsupported startup parameter|invalid startup packet|unrecognized configuration parameter/i,
    becomes: wrongSettings,
  },
  { sqlstates: ["57P01", "57P02", "57P05", "58000", "08000", "08001", "08004", "08006", "55000"], becomes: notNow },
];

/** The fault of a refusal. No query was sent, so it is never one of a query. */
export function refused({ code, message, detail }: ServerError, target: Target): Fault {
  const said = detail === undefined ? message : `${message} (${detail})`;
  const rule = RULES.find(({ sqlstates, says }) => sqlstates?.includes(code) || says?.test(message));
  const { kind, message: text, retryable = false } = (rule?.becomes ?? other)(place(target), said, target);
  return new Fault(kind, text, { sqlstate: code, retryable });
}

/** Whether a refusal may come from `pg_hba.conf` entries that are for sessions with TLS alone, or without. */
export function mayDependOnTls(server: ServerError, target: Target): boolean {
  return server.code === "28000" || refused(server, target).kind === "tls-failed";
}

/** Whether a pooler refused the startup packet's settings. */
export function refusesSettings({ code, message }: ServerError): boolean {
  return (
    /unsupported startup parameter|unrecognized configuration parameter|client_encoding/.test(message) ||
    (code === "08P01" && /startup|options|parameter/i.test(message))
  );
}
