// Refusals at login: by SQLSTATE first, then by the words of PostgreSQL, poolers and providers, as `guard.json` has them.

import { guard, type RefusalRule } from "./components.js";
import { place, type Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import type { ServerError } from "./wire.js";

/**
 * Classifies the error that a login ended with. `isTlsTried`: a session with TLS was refused, too, or cannot be had.
 * PostgreSQL says "no encryption" to every session without, whatever else no entry admits.
 */
export function classify({ code = "", message }: ServerError, isTlsTried = false): string {
  const { reasons, fallbacks } = guard().serverErrors;
  const fallback = () => fallbacks.find(({ begins }) => begins.some((begin) => code.startsWith(begin)))?.reason;
  const found = recognise(code, message) ?? fallback() ?? "unavailable";
  return (isTlsTried ? reasons[found]?.afterTls : undefined) ?? found;
}

/** The same where it is certain: none for an error that neither SQLSTATE nor text explains. */
export function recognise(code: string, message: string): string | undefined {
  const text = message.toLowerCase();
  return guard().serverErrors.rules.find((rule) => applies(rule, code, text))?.reason;
}

/** Recognises the words of a pooler that has no server connection for a statement of an open session. Code "": none. */
export function recogniseInSession(code: string, message: string): string | undefined {
  const { poolerSqlstates, rules } = guard().serverErrors;
  if (!poolerSqlstates.includes(code)) return undefined;
  const text = message.toLowerCase();
  return rules.find((rule) => rule.inSession && applies(rule, code, text))?.reason;
}

function applies({ sqlstates, equals, starts, any, all }: RefusalRule, code: string, text: string): boolean {
  return (
    (sqlstates?.includes(code) ?? true) &&
    (equals === undefined || text === equals) &&
    (starts?.some((begin) => text.startsWith(begin)) ?? true) &&
    (any?.some((words) => text.includes(words)) ?? true) &&
    (all?.every((words) => text.includes(words)) ?? true)
  );
}

/** True when `pg_hba.conf` refused. */
export function isByPgHba(message: string): boolean {
  return ["no-entry", "needs-tls-or-entry"].includes(recognise("", message) ?? "");
}

/** Returns the fault of a refusal at login. No query was sent, so it is never one of a query. */
export function refused(server: ServerError, target: Target, isTlsTried = false): Fault {
  const id = classify(server, isTlsTried);
  const reason = guard().serverErrors.reasons[id];
  if (reason === undefined) throw new Error(`guard.json does not describe ${id}: take the components' own`);
  const { user, database } = target;
  const message = fill(reason.message, { target: place(target), user, database, said: server.said });
  return new Fault(reason.kind, message, { sqlstate: server.code, retryable: reason.retryable });
}

/** Replaces each `{name}` of a template. Braces in a value stay as they are. */
export function fill(template: string, values: Record<string, string>): string {
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
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
