// Classification of login refusals by SQLSTATE first, then by known messages, as listed in `guard.json`.

import { guard, type RefusalRule } from "./components.js";
import { place, type Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import type { ServerError } from "./wire.js";

/**
 * Classifies the error that ended a login. `isTlsTried`: TLS was also refused, or is not available. PostgreSQL reports
 * "no encryption" for every unencrypted session, even if no entry admits the client at all.
 */
export function classify({ code = "", message }: ServerError, isTlsTried = false): string {
  const { reasons, fallbacks } = guard().serverErrors;
  const fallback = () => fallbacks.find(({ begins }) => begins.some((begin) => code.startsWith(begin)))?.reason;
  const found = recognise(code, message) ?? fallback() ?? "unavailable";
  return (isTlsTried ? reasons[found]?.afterTls : undefined) ?? found;
}

/** Classifies an error only if a rule matches its SQLSTATE or text; otherwise returns undefined. */
export function recognise(code: string, message: string): string | undefined {
  const text = message.toLowerCase();
  return guard().serverErrors.rules.find((rule) => applies(rule, code, text))?.reason;
}

/** Classifies a pooler's message about a missing server connection in an open session. `code` "": none was sent. */
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

/** Returns true if `pg_hba.conf` caused the refusal. */
export function isByPgHba(message: string): boolean {
  return ["no-entry", "needs-tls-or-entry"].includes(recognise("", message) ?? "");
}

/** Returns the fault of a refusal at login. No query was sent, so it is never the fault of a query. */
export function refused(server: ServerError, target: Target, isTlsTried = false): Fault {
  const id = classify(server, isTlsTried);
  const reason = guard().serverErrors.reasons[id];
  if (reason === undefined) throw new Error(`guard.json does not describe ${id}: take the components' own`);
  const { user, database } = target;
  const message = fill(reason.message, { target: place(target), user, database, said: server.said });
  return new Fault(reason.kind, message, { sqlstate: server.code, retryable: reason.retryable });
}

/** Replaces each `{name}` of a template. Braces in values are not replaced. */
export function fill(template: string, values: Record<string, string>): string {
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** Returns true if a refusal may come from `pg_hba.conf` entries that apply only with TLS, or only without. */
export function mayDependOnTls(server: ServerError): boolean {
  return server.code === "28000" || isByPgHba(server.message) || classify(server) === "needs-tls";
}

/** Returns true if a refusal concerns settings in the startup packet, which some poolers do not accept. */
export function refusesSettings({ code = "", message }: ServerError): boolean {
  // An unsupported encoding is not an error of the credential.
  if (message.includes("client_encoding")) return true;
  const refusal = recognise(code, message);
  return refusal === undefined ? code === "08P01" : refusal === "parameter";
}
