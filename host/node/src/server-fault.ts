// The server's and the network's errors as faults that tell an operator what to change.

import { Fault } from "./fault.js";
import { place, type Target } from "./target.js";
import type { ServerError } from "./wire.js";

/** SQLSTATEs with which a server ends a session. */
const ENDED = new Set("57P01 57P02 57P03 57P04 57P05 25P03 25P04 08000 08001 08003 08004 08006".split(" "));

/** Why no session could be opened: `error` is what `pg` threw. */
export function connecting(
  error: Error & { code?: string; severity?: string; detail?: string },
  target: Target,
): Fault {
  const at = place(target);
  if (error.severity !== undefined && error.code !== undefined) {
    return refused({ fatal: true, code: error.code, message: error.message, detail: error.detail }, target);
  }
  if (error instanceof MissingPassword) {
    return new Fault("authentication-failed", `${at} asks for a password, and the credential has none`);
  }
  if (isWithoutTls(error)) {
    const message = `no TLS with ${at}: ${error.message}: set sslmode=prefer or enable ssl on the server`;
    return new Fault("tls-failed", message);
  }
  if (isTls(error)) return new Fault("tls-failed", `no TLS with ${at}: ${error.message}`);
  if (/SASL|SCRAM/.test(error.message))
    return new Fault("authentication-failed", `no session at ${at}: ${error.message}`);
  return unreachable(target, error.message);
}

/** Thrown where a server asks for a password that there is not. */
export class MissingPassword extends Error {}

/** Nothing answered in time. */
export function unreachable(target: Target, why: string): Fault {
  const message = `no PostgreSQL server answers at ${place(target)}: ${why}`;
  return new Fault("server-unreachable", message, { retryable: true });
}

/** Whether a server that was asked for TLS has none. */
export function isWithoutTls(error: Error): boolean {
  return error.message.includes("does not support SSL");
}

/** Whether a pooler refused the startup packet's `options`. */
export function refusesOptions(error: Error & { code?: string }): boolean {
  return error.code === "08P01" || error.message.includes("unsupported startup parameter");
}

/** What the server said to a statement, or out of turn. */
export function fromServer({ code, fatal, message, detail }: ServerError): Fault {
  const said = detail === undefined ? message : `${message} (${detail})`;
  const fault = (kind: string, text: string, retryable: boolean) =>
    new Fault(kind, text, { sqlstate: code, retryable });
  // A pooler that gives up on a server connection uses the protocol violation for it.
  if (ENDED.has(code) || (code === "08P01" && fatal)) {
    return fault("connection-lost", `the server ended the session: ${said}`, true);
  }
  switch (code) {
    case "42501":
      return fault("insufficient-privilege", said, false);
    case "57014": {
      const hint = "raise limit `statementTimeoutMs` if the server is merely slow";
      return fault("query-canceled", `the statement did not finish: ${said}; ${hint}`, true);
    }
    case "55P03":
      return fault(
        "query-canceled",
        `the statement waited too long for a lock: ${said}; limit \`lockTimeoutMs\``,
        true,
      );
    case "53300":
      return fault("too-many-connections", said, true);
    default:
      return fault("query-failed", said, false);
  }
}

function refused(server: ServerError, target: Target): Fault {
  const { code, message: said } = server;
  const at = place(target);
  const fault = (kind: string, message: string, retryable = false) =>
    new Fault(kind, message, { sqlstate: code, retryable });
  const unauthenticated = () => {
    const hint = "check the credential's user and password";
    return fault("authentication-failed", `${at} refused role '${target.user}': ${said}; ${hint}`);
  };
  const full = () => {
    const hint =
      "end idle sessions, raise max_connections or the CONNECTION LIMIT of the role or database, or connect with a " +
      "role that may use the reserved slots";
    return fault("too-many-connections", `${at} has no connection slot left: ${said}; ${hint}`, true);
  };
  switch (code) {
    case "28P01":
    case "28000":
      return unauthenticated();
    case "08P01":
      // PgBouncer's word for a wrong password.
      if (said.includes("authentication failed")) return unauthenticated();
      break;
    case "3D000": {
      const hint = "correct the credential's database name";
      return fault("database-not-found", `${at} has no database '${target.database}': ${hint}`);
    }
    case "53300":
      return full();
    case "57P03":
      // Starting up, shutting down or recovering: it answers, but to nobody yet or any more.
      return fault("server-unreachable", `the PostgreSQL server at ${at} takes no sessions now: ${said}`, true);
  }
  if (said.includes("EMAXCONN") || said.includes("max clients reached")) return full();
  if (code === "XX000" && said.includes("SSL connection is required")) {
    return fault("tls-failed", `${at} insists on TLS: set sslmode=require`);
  }
  if (code === "XX000" && (said.includes("ENOTFOUND") || said.includes("enant"))) {
    const hint = "copy host and user from the dashboard";
    return fault("credential-invalid", `the pooler at ${at} does not know the project: ${said}; ${hint}`);
  }
  return fromServer(server);
}

/** Node's codes for what is wrong with TLS or a certificate. */
function isTls({ code = "", message }: Error & { code?: string }): boolean {
  return (
    /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|EPROTO)/.test(code) ||
    message.includes("establishing an SSL connection")
  );
}
