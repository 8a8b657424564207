// The server's and the network's errors as faults that tell an operator what to change.

import { place, type Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import { LoginRefused } from "./login-refused.js";
import { recogniseInSession, refused } from "./refusal.js";
import { TlsFailure } from "./socket.js";
import type { ServerError } from "./wire.js";

/** SQLSTATEs with which a server ends a session. */
const ENDED = new Set("57P01 57P02 57P03 57P04 57P05 25P03 25P04 08000 08001 08003 08004 08006".split(" "));

/** The fault of whatever kept a session from being opened. */
export function whyNotOpen(error: unknown, target: Target): Fault {
  if (error instanceof Fault) return error;
  if (error instanceof LoginRefused) return refused(error.server, target, error.isTlsTried);
  if (error instanceof TlsFailure) return withoutTls(error, target);
  return unreachable(target, words(error as Error));
}

function withoutTls({ message, isUnsupported, isUnverified }: TlsFailure, target: Target): Fault {
  const hint = isUnsupported
    ? ": set sslmode=prefer or enable ssl on the server"
    : isUnverified
      ? ": set sslrootcert to a file with the certificate of its authority, and the host to its name"
      : "";
  return new Fault("tls-failed", `no TLS with ${place(target)}: ${message}${hint}`);
}

/** Message of an error; Node's for a name with several addresses has none of its own. */
function words(error: Error & { errors?: Error[] }): string {
  return error.message || (error.errors ?? []).map(({ message }) => message).join(", ") || error.name;
}

/** Nothing answered in time. */
export function unreachable(target: Target, why: string): Fault {
  const message = `no PostgreSQL server answers at ${place(target)}: ${why}`;
  return new Fault("server-unreachable", message, { retryable: true });
}

/** What the server said to a statement, or out of turn. */
export function fromServer({ code, fatal, message, said }: ServerError): Fault {
  const fault = (kind: string, text: string, retryable: boolean) =>
    new Fault(kind, text, { sqlstate: code, retryable });
  const ended = () => fault("connection-lost", `the server ended the session: ${said}`, true);
  switch (recogniseInSession(code ?? "", message)) {
    case "no-room": {
      const hint =
        "its pool is full, the database is paused, or the server is down: see SHOW POOLS and SHOW DATABASES of its " +
        "console";
      const text = `the pooler had no connection to the server for the statement: ${said}; ${hint}`;
      return fault("too-many-connections", text, true);
    }
    case "unavailable":
      return fault("server-unreachable", `the pooler cannot connect to the server: ${said}`, true);
  }
  if (ENDED.has(code ?? "")) return ended();
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
  }
  // A pooler that gives up on a server connection uses the protocol violation for it.
  if (code === "08P01" && fatal) return ended();
  return fault("query-failed", said, false);
}
