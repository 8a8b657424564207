// What a request is for the host: what it passes on, what it keeps, and what it allows.

import { type Guard, guard } from "./components.js";
import { CredentialScope, type Sources } from "./credentials.js";
import { Fault } from "./fault.js";
import type { Policy } from "./guard/policy.js";
import { isShallow } from "./json.js";
import { holdsSecret, isSecret } from "./secret-scan.js";

/** How long a session must have been in its state before it may be ended. */
export interface IdleThresholds {
  idleMs: number;
  idleInTransactionMs: number;
}

/** How far a pool may be resized, as the request says and not as the component does. */
export interface Bounds {
  minSize: number;
  maxSize: number;
  /** Percent of the size before. */
  growthRate: number;
  shrinkRate: number;
}

/** What the caller asked for, as far as it concerns changing anything. */
export interface Intent {
  /** Why nobody may be ended; none when just that was asked for. */
  refusal?: string | undefined;
  /** The request's own cap on ended sessions, percent. */
  maxKillPercentage: number;
  thresholds: IdleThresholds;
  /** Why no pool may be changed; none when just that was asked for. */
  scalingRefusal?: string | undefined;
  /** How far; or which option is no bound. */
  bounds: Bounds | string;
}

/** A request, taken apart. */
export interface Request {
  action: string;
  /** The text for the component. */
  input: string;
  scope: CredentialScope;
  intent: Intent;
}

/** Why a host that may not change anything changes nothing. */
const NO_CHANGES = "the host's policy allows no changes: set the policy's apply";

/** Takes out of a request what is the host's. */
export function readRequest(params: unknown, sources: Sources, policy: Policy): Request {
  const misplaced = () =>
    new Fault(
      "secret-in-params",
      "the request holds a secret where none belongs: its places are supabaseUrl and supabaseKey",
    );
  if (!isShallow(params)) throw Fault.invalid("the request is nested more than 64 deep");
  if (!isRecord(params)) {
    if (holdsSecret(params)) throw misplaced();
    // The component knows best how to refuse it.
    const input = JSON.stringify(params) ?? "null";
    return { action: "full-analysis", input, scope: new CredentialScope(sources), intent: readIntent({}, policy) };
  }
  const { supabaseUrl, supabaseKey, ...fields } = params;
  const [url, key] = [text("supabaseUrl", supabaseUrl), text("supabaseKey", supabaseKey)];
  const name = typeof fields.credential === "string" ? fields.credential : undefined;
  if (name?.includes("://") || name?.includes("@")) {
    throw new Fault("secret-in-params", "credential: a name is wanted, not a URL");
  }
  // `carry` is what a component wrote, with the names and statements of the server's sessions in it.
  if (Object.entries(fields).some(([field, value]) => field !== "carry" && isSecret(field, value))) throw misplaced();
  const scope = new CredentialScope(sources, url, key, name);
  const action = typeof fields.action === "string" ? fields.action : "full-analysis";
  return { action, input: JSON.stringify(fields), scope, intent: readIntent(fields, policy) };
}

/** Whether a resize stays within the bounds; if not, which of them it leaves. */
export function whyNotResize(
  { minSize, maxSize, growthRate, shrinkRate }: Bounds,
  before: number,
  size: number,
): string | undefined {
  // A size outside of the bounds may come nearer, as far as the bound at once: that is no step.
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
 * Sessions are ended and pools resized only when the operator allows it and the request asks for just that, whatever
 * the component makes of the request.
 */
export function readIntent(request: Record<string, unknown>, policy: Policy): Intent {
  const options = isRecord(request.options) ? request.options : {};
  const number = (name: keyof Guard["request"]) => whole(options[name]) ?? guard().request[name];
  return {
    refusal: unasked(request, policy, "kill-idle", "ends sessions") ?? unclear(request.options),
    // Out of range is the component's to refuse; here it is only never more than everything.
    maxKillPercentage: number("maxKillPercentage"),
    thresholds: { idleMs: number("idleTimeoutMs"), idleInTransactionMs: number("idleInTransactionTimeoutMs") },
    scalingRefusal: unasked(request, policy, "auto-scale", "changes pools") ?? forbidden(options.allowAutoScaling),
    bounds: readBounds(request.options),
  };
}

/** Why a request does not ask for this action to be carried out; none when it does. */
function unasked(request: Record<string, unknown>, policy: Policy, wanted: string, does: string): string | undefined {
  const action = typeof request.action === "string" ? request.action : "full-analysis";
  if (!policy.apply) return NO_CHANGES;
  if (action !== wanted) return `the request's action is ${action}, and only ${wanted} ${does}`;
  const dryRun = isRecord(request.options) ? request.options.dryRun : undefined;
  if (dryRun === undefined || dryRun === null || dryRun === false) return undefined;
  if (dryRun === true) return "the request asks for a dry run: options.dryRun";
  // Whatever it was meant to say, it was no plain consent.
  return "options.dryRun is neither true nor false";
}

/** Which of the options that decide whom to end is not what the contract wants. */
function unclear(options: unknown): string | undefined {
  if (options === undefined || options === null) return undefined;
  if (!isRecord(options)) return "options is no object";
  const isClear = (name: string) =>
    options[name] === undefined || options[name] === null || whole(options[name]) !== undefined;
  const wrong = Object.keys(guard().request).find((name) => !isClear(name));
  return wrong && `options.${wrong} is no whole number`;
}

function forbidden(allowed: unknown): string | undefined {
  if (allowed === undefined || allowed === null || allowed === true) return undefined;
  return allowed === false ? "options.allowAutoScaling is false" : "options.allowAutoScaling is neither true nor false";
}

/** One that the contract does not allow is none: a component that reads it otherwise must not resize by it. */
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

/** A whole number that is not below zero and exact. */
function whole(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;
}

/** Whether a value is an object with fields. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
