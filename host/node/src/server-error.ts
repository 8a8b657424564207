// Conversion of server and network errors to faults that name the setting to change.

import { guard, type StatementError } from "./components.js";
import { place, type Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import { LoginRefused } from "./login-refused.js";
import { fill, recogniseInSession, refused } from "./refusal.js";
import { TlsFailure } from "./socket.js";
import type { ServerError } from "./wire.js";

/** Fallback for errors without an entry in `guard.json`. */
const UNKNOWN: StatementError = { kind: "query-failed", retryable: false, message: "{said}" };

/** Returns the fault of an error that prevented a session from opening. */
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

/** Returns an error's message; Node's error for a name with several addresses has none of its own. */
function words(error: Error & { errors?: Error[] }): string {
  return error.message || (error.errors ?? []).map(({ message }) => message).join(", ") || error.name;
}

/** Returns the fault of a server that did not answer. */
export function unreachable(target: Target, why: string): Fault {
  const message = `no PostgreSQL server answers at ${place(target)}: ${why}`;
  return new Fault("server-unreachable", message, { retryable: true });
}

/** Returns the fault of a server's error to a statement, or outside of one. */
export function fromServer({ code, fatal, message, said }: ServerError): Fault {
  const sqlstate = code ?? "";
  const ofPooler = recogniseInSession(sqlstate, message) ?? "";
  const found = guard().serverErrors.statements.find(({ reasons, sqlstates, fatal: ends }) => {
    const isAny = reasons === undefined && sqlstates === undefined && ends === undefined;
    return reasons?.includes(ofPooler) || sqlstates?.includes(sqlstate) || (fatal && ends?.includes(sqlstate)) || isAny;
  });
  const { kind, message: template, retryable, limit = "" } = found ?? UNKNOWN;
  // Names of time limits end with their unit.
  const name = `${limit.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())}Ms`;
  return new Fault(kind, fill(template, { said, limit: name }), { sqlstate: code, retryable });
}
