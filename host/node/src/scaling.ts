// The import `scaling`, the only one that can change a pool. The component is not trusted.
//
// Request and policy must allow the change, and sizes must respect the request's bounds, measured from the size that
// the host has read. Changes are recorded before they are sent; outcomes are read back from the console.

import type { About, Audit } from "./audit.js";
import { place } from "./connection-config/target.js";
import { type Consent, type Proposal, whyNoConsent } from "./consent.js";
import type { Fault } from "./fault.js";
import type { Hourly } from "./guard/caps.js";
import type { Policy } from "./guard/policy.js";
import type { PgBouncer } from "./pgbouncer.js";
import { type Intent, whyNotResize } from "./request.js";

/** Outcome of a resize. */
export interface SizeOutcome {
  before?: number | undefined;
  /** Size read back after the change. */
  after?: number | undefined;
  executed: boolean;
  note: string;
}

/** Outcome of a reconnect. */
export interface ReconnectOutcome {
  executed: boolean;
  note: string;
}

/** Context and limits of a change. */
export interface Terms {
  console: PgBouncer;
  policy: Policy;
  audit: Audit;
  hourly: Hourly;
  consent?: Consent | undefined;
  intent: Intent;
  /** Changes of this call, including possible ones. */
  changed: Set<string>;
  dryRun: boolean;
  onSignal(): void;
}

/** Resizes a pool and reads the size back. */
export async function resize(
  order: { pool?: string | undefined; size: number; reason: string },
  terms: Terms,
): Promise<SizeOutcome> {
  const { pool, size, reason } = order;
  const { console, intent, dryRun } = terms;
  const log = new Log(terms, "resize", reason, { pool: pool ?? null, size });
  const unsent = async (before: number | undefined, note: string): Promise<SizeOutcome> => {
    await log.tell("denied", note, { before: before ?? null });
    return { before, executed: false, note };
  };
  const refusal = whyNotAsked(terms);
  if (refusal !== undefined) return unsent(undefined, refusal);
  const { before, refusal: barred, note } = await console.resizable(pool, size);
  const why = barred ?? beyond(intent, before, size) ?? clear(terms, "size");
  if (why !== undefined) return unsent(before, why);
  if (dryRun) {
    await log.tell("would-resize", note, { before: before ?? null });
    return { before, executed: false, note: `a dry run: nothing was sent; ${note}` };
  }
  const no = await ask(terms, { type: "resize", pool: pool ?? null, before: before ?? 0, size, reason });
  if (no !== undefined) return unsent(before, no);
  await send(terms, "size", log);
  const after = await console.resize(pool, size).catch((fault: Fault) => failed(terms, log, fault));
  const executed = after === size;
  const shown = after === undefined ? "no size" : String(after);
  const told = executed ? note : `the console took it and shows ${shown} afterwards: nothing was resized`;
  await log.tell(executed ? "executed" : "unexecuted", told, { before: before ?? null, after: after ?? null });
  return { before, after, executed, note: told };
}

/** Reconnects the server connections of a database. */
export async function reconnect(database: string, reason: string, terms: Terms): Promise<ReconnectOutcome> {
  const { console, dryRun } = terms;
  const log = new Log(terms, "reconnect", reason, { pool: database });
  const unsent = async (note: string): Promise<ReconnectOutcome> => {
    await log.tell("denied", note);
    return { executed: false, note };
  };
  const refusal = whyNotAsked(terms);
  if (refusal !== undefined) return unsent(refusal);
  const what = `connections of '${database}'`;
  const { refusal: barred, note } = await console.reconnectable(database);
  const why = barred ?? clear(terms, what);
  if (why !== undefined) return unsent(why);
  if (dryRun) {
    await log.tell("would-reconnect", note);
    return { executed: false, note: `a dry run: nothing was sent; ${note}` };
  }
  const no = await ask(terms, { type: "reconnect", database, reason });
  if (no !== undefined) return unsent(no);
  await send(terms, what, log);
  await console.reconnect(database).catch((fault: Fault) => failed(terms, log, fault));
  await log.tell("executed", note);
  return { executed: true, note };
}

/** Returns the reason why the request or the policy allows no change. */
function whyNotAsked({ policy, intent, dryRun }: Terms): string | undefined {
  if (!policy.resize) return "the host's policy allows no resizes and no reconnects: set the policy's resize";
  // A dry run is allowed for any request.
  return dryRun ? undefined : intent.scalingRefusal;
}

function beyond({ bounds }: Intent, before: number | undefined, size: number): string | undefined {
  if (before === undefined) return "the size before is not known, so no step can be measured";
  if (typeof bounds === "string") return bounds;
  return whyNotResize(bounds, before, size) ?? (before === size ? "it has this size already" : undefined);
}

/** Returns the reason why the caps of the call or the hour allow no further change. */
function clear({ changed, policy, hourly, console }: Terms, what: string): string | undefined {
  if (changed.has(what)) return `one call changes the ${what} of a pool once`;
  const most = policy.maxResizesPerHour;
  if (hourly.left(key(console), most) > 0) return undefined;
  return `the cap of ${most} changes an hour is reached for this console: the policy's maxResizesPerHour`;
}

/** Asks for consent. */
function ask({ consent, console, audit }: Terms, act: Proposal["act"]): Promise<string | undefined> {
  const { target } = console;
  const whom = { server: place(target), database: target.database, role: target.user, component: audit.component };
  return whyNoConsent(consent, { ...whom, act });
}

/** Records a change; from then on it counts as made. */
async function send({ changed, policy, hourly, console, onSignal }: Terms, what: string, log: Log): Promise<void> {
  hourly.take(key(console), 1, policy.maxResizesPerHour);
  try {
    await log.announce();
  } catch (fault) {
    hourly.giveBack(key(console), 1);
    throw fault;
  }
  changed.add(what);
  onSignal();
}

/** Records the fault of a sent change. Only a refusal by the console itself proves that nothing changed. */
async function failed({ hourly, console }: Terms, log: Log, fault: Fault): Promise<never> {
  if (fault.kind === "insufficient-privilege") {
    await log.tell("denied", fault.message);
    hourly.giveBack(key(console), 1);
    throw fault;
  }
  const what = "the change may have been made, but what came of it is not known";
  const unsure = fault.saying(`${what}: ${fault.message}`).final();
  await log.tell("failed", unsure.message);
  throw unsure;
}

function key({ target }: PgBouncer): string {
  return `resize ${place(target)}`;
}

/** Audit records of one change. */
class Log {
  readonly #terms: Terms;
  readonly #about: Omit<About, "outcome" | "detail">;

  constructor(terms: Terms, event: "resize" | "reconnect", reason: string, subject: About["subject"]) {
    this.#terms = terms;
    this.#about = { event, reason, dryRun: terms.dryRun, subject };
  }

  announce(): Promise<void> {
    return this.#terms.audit.announce(this.#terms.console.target, [this.#about]);
  }

  tell(outcome: string, detail: string, seen: About["subject"] = {}): Promise<void> {
    const subject = { ...this.#about.subject, ...seen };
    return this.#terms.audit.tell(this.#terms.console.target, [{ ...this.#about, subject, outcome, detail }]);
  }
}
