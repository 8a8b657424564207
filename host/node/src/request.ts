// Host's part of a request: fields passed on, credentials kept, and changes allowed.

import { type Guard, guard } from "./components.js";
import { CredentialScope, type Sources } from "./credentials.js";
import { Fault } from "./fault.js";
import type { Policy } from "./guard/policy.js";
import { isShallow } from "./json.js";
import { holdsSecret, isSecret } from "./secret-scan.js";

/** Minimum time in a state before a session may be ended. */
export interface IdleThresholds {
  idleMs: number;
  idleInTransactionMs: number;
}

/** Bounds of a resize, from the request and not from the component. */
export interface Bounds {
  minSize: number;
  maxSize: number;
  /** Percentage of the previous size. */
  growthRate: number;
  shrinkRate: number;
}

/** Changes that the request asks for. */
export interface Intent {
  /** Reason why no session may be ended; absent when the request asks for that. */
  refusal?: string | undefined;
  /** The request's own cap on ended sessions, percent. */
  maxKillPercentage: number;
  thresholds: IdleThresholds;
  /** Identities of the only sessions that may be ended, by {@link identityOf}; absent for all. */
  only?: ReadonlySet<string> | undefined;
  /** Reason why no pool may be changed; absent when the request asks for that. */
  scalingRefusal?: string | undefined;
  /** Bounds of a resize, or the reason why an option is invalid. */
  bounds: Bounds | string;
}

/** Parsed request. */
export interface Request {
  action: string;
  /** Text passed to the component. */
  input: string;
  scope: CredentialScope;
  intent: Intent;
}

/** Refusal of a host whose policy allows no changes. */
const NO_CHANGES = "the host's policy allows no changes: set the policy's apply";

/** Parses the host's part of a request. */
export function readRequest(params: unknown, sources: Sources, policy: Policy): Request {
  const misplaced = () =>
    new Fault(
      "secret-in-params",
      "the request holds a secret where none belongs: its places are supabaseUrl and supabaseKey",
    );
  if (!isShallow(params)) throw Fault.invalid("the request is nested more than 64 deep");
  if (!isRecord(params)) {
    if (holdsSecret(params)) throw misplaced();
    // The component reports the exact error.
    const input = JSON.stringify(params) ?? "null";
    return { action: "full-analysis", input, scope: new CredentialScope(sources), intent: readIntent({}, policy) };
  }
  const { supabaseUrl, supabaseKey, ...fields } = params;
  const [url, key] = [text("supabaseUrl", supabaseUrl), text("supabaseKey", supabaseKey)];
  const name = typeof fields.credential === "string" ? fields.credential : undefined;
  if (name?.includes("://") || name?.includes("@")) {
    throw new Fault("secret-in-params", "credential: a name is wanted, not a URL");
  }
  // `carry` was written by a component and holds names and statements of the server's sessions.
  if (Object.entries(fields).some(([field, value]) => field !== "carry" && isSecret(field, value))) throw misplaced();
  const scope = new CredentialScope(sources, url, key, name);
  const action = typeof fields.action === "string" ? fields.action : "full-analysis";
  return { action, input: JSON.stringify(fields), scope, intent: readIntent(fields, policy) };
}

/** Returns the reason why a resize violates the bounds; undefined when it does not. */
export function whyNotResize(
  { minSize, maxSize, growthRate, shrinkRate }: Bounds,
  before: number,
  size: number,
): string | undefined {
  // A size outside the bounds may return to the nearest bound at once, without a step limit.
  if (size === 0 || (size > maxSize && size >= before)) return `${size} is not within options.maxSize, ${maxSize}`;
  if (size < minSize && size <= before) return `${size} is not within options.minSize, ${minSize}`;
  if ((before < size && size <= minSize) || (maxSize <= size && size < before)) return undefined;
  const [name, rate] = size > before ? ["growthRate", growthRate] : ["shrinkRate", shrinkRate];
  const step = Math.abs(size - before);
  const most = Math.max(1, Math.ceil((before * Number(rate)) / 100));
  if (step <= most) return undefined;
  return `from ${before} to ${size} is a step of ${step}, and options.${name}, ${rate} %, allows ${most}`;
}

/**
 * Derives the allowed changes: sessions are ended and pools resized only when the policy allows it and the request asks
 * for it, regardless of the component.
 */
export function readIntent(request: Record<string, unknown>, policy: Policy): Intent {
  const options = isRecord(request.options) ? request.options : {};
  const number = (name: keyof Guard["request"]) => whole(options[name]) ?? guard().request[name];
  const only = readSelection(options.only);
  const unreadable = typeof only === "string" ? only : undefined;
  return {
    refusal: unasked(request, policy, "kill-idle", "ends sessions") ?? unclear(request.options) ?? unreadable,
    // The component refuses values out of range; the host only caps them at 100 %.
    maxKillPercentage: number("maxKillPercentage"),
    thresholds: { idleMs: number("idleTimeoutMs"), idleInTransactionMs: number("idleInTransactionTimeoutMs") },
    // With a selection that cannot be read, nothing is ended.
    only: typeof only === "string" ? new Set() : only,
    scalingRefusal: unasked(request, policy, "auto-scale", "changes pools") ?? forbidden(options.allowAutoScaling),
    bounds: readBounds(request.options),
  };
}

/** Returns the reason why a request does not ask for this action; undefined when it does. */
function unasked(request: Record<string, unknown>, policy: Policy, wanted: string, does: string): string | undefined {
  const action = typeof request.action === "string" ? request.action : "full-analysis";
  if (!policy.apply) return NO_CHANGES;
  if (action !== wanted) return `the request's action is ${action}, and only ${wanted} ${does}`;
  const dryRun = isRecord(request.options) ? request.options.dryRun : undefined;
  if (dryRun === undefined || dryRun === null || dryRun === false) return undefined;
  if (dryRun === true) return "the request asks for a dry run: options.dryRun";
  // Any other value is not a clear consent.
  return "options.dryRun is neither true nor false";
}

/** Returns the first option for ending sessions that violates the contract. */
function unclear(options: unknown): string | undefined {
  if (options === undefined || options === null) return undefined;
  if (!isRecord(options)) return "options is no object";
  const isClear = (name: string) =>
    options[name] === undefined || options[name] === null || whole(options[name]) !== undefined;
  const wrong = Object.keys(guard().request).find((name) => !isClear(name));
  return wrong && `options.${wrong} is no whole number`;
}

/** Identity of a session, for comparison. */
export function identityOf(pid: number, backendStart: number | bigint): string {
  return `${pid} ${backendStart}`;
}

/** Reads the selected sessions, or returns the reason why they cannot be read; undefined when none is in particular. */
function readSelection(only: unknown): Set<string> | string | undefined {
  if (only === undefined || only === null) return undefined;
  const identity = (selected: unknown) => {
    const { pid, backendStart, ...more } = isRecord(selected) ? selected : {};
    const isRead = Number.isSafeInteger(pid) && Number.isSafeInteger(backendStart) && Object.keys(more).length === 0;
    return isRead ? identityOf(pid as number, backendStart as number) : undefined;
  };
  const identities = Array.isArray(only) ? only.map(identity) : [undefined];
  if (identities.includes(undefined)) return "options.only is no list of sessions";
  return new Set(identities as string[]);
}

function forbidden(allowed: unknown): string | undefined {
  if (allowed === undefined || allowed === null || allowed === true) return undefined;
  return allowed === false ? "options.allowAutoScaling is false" : "options.allowAutoScaling is neither true nor false";
}

/** Reads the resize bounds. An invalid option allows no resize: the component may interpret it differently. */
function readBounds(options: unknown): Bounds | string {
  if (options !== undefined && options !== null && !isRecord(options)) return "options is no object";
  const given = options ?? {};
  const wrong: string[] = [];
  const number = (name: keyof Bounds, atLeast = 0) => {
    const value = (given as Record<string, unknown>)[name];
    const { default: unless, least, most } = guard().sizing[name];
    const found = value === undefined || value === null ? unless : whole(value);
    const isWithin = found !== undefined && found >= Math.max(least, atLeast) && found <= most;
    if (!isWithin) wrong.push(`options.${name} is not in its range`);
    return found ?? 0;
  };
  const minSize = number("minSize");
  const bounds = {
    minSize,
    maxSize: number("maxSize", minSize),
    growthRate: number("growthRate"),
    shrinkRate: number("shrinkRate"),
  };
  return wrong[0] ?? bounds;
}

function text(name: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw Fault.invalid(`${name}: a text is wanted`);
  return value;
}

/** Returns the value if it is a safe, non-negative integer. */
function whole(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;
}

/** Returns true if the value is an object with fields. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
