// The server's and the network's errors as faults that tell an operator what to change.

import { guard, type StatementError } from "./components.js";
import { place, type Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import { LoginRefused } from "./login-refused.js";
import { fill, recogniseInSession, refused } from "./refusal.js";
import { TlsFailure } from "./socket.js";
import type { ServerError } from "./wire.js";

/** An error that no entry of `guard.json` is for. */
const UNKNOWN: StatementError = { kind: "query-failed", retryable: false, message: "{said}" };

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
  const sqlstate = code ?? "";
  const ofPooler = recogniseInSession(sqlstate, message) ?? "";
  const found = guard().serverErrors.statements.find(({ reasons, sqlstates, fatal: ends }) => {
    const isAny = reasons === undefined && sqlstates === undefined && ends === undefined;
    return reasons?.includes(ofPooler) || sqlstates?.includes(sqlstate) || (fatal && ends?.includes(sqlstate)) || isAny;
  });
  const { kind, message: template, retryable, limit = "" } = found ?? UNKNOWN;
  // Limits that are times have their unit in the name.
  const name = `${limit.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())}Ms`;
  return new Fault(kind, fill(template, { said, limit: name }), { sqlstate: code, retryable });
}
