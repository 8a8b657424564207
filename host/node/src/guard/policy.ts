// Policy of the operator, which limits every component.

import { guard } from "../components.js";
import { sha256 } from "../digest.js";
import { Fault } from "../fault.js";
import { applicationGlob, isTooLong, nameBytes, roleGlob } from "../names.js";

/** Policy of the operator. */
export interface Policy {
  /** True when changes are allowed. Otherwise every order is refused, except in dry runs. */
  apply: boolean;
  /** Cap on ended sessions in one call, percent. A request can only lower it. */
  maxKillPercentage: number;
  /** Cap on ended sessions in one call, over all databases. */
  maxKills: number;
  /** Cap on ended sessions of one database in any 60 minutes. */
  maxKillsPerHour: number;
  /** True when pools may be resized, and their server connections reconnected. */
  resize: boolean;
  /** Cap on resizes and reconnects at one console in any 60 minutes. */
  maxResizesPerHour: number;
  /** Role name patterns to protect in addition to the built-in ones; `*` matches anything, case is ignored. */
  protectedRoles: readonly string[];
  /** Application name patterns to protect in addition to the built-in ones. */
  protectedApplications: readonly string[];
}

/** Default policy. */
export const DEFAULT_POLICY: Readonly<Policy> = Object.freeze({
  apply: true,
  resize: true,
  ...guard().policy,
  protectedRoles: [],
  protectedApplications: [],
});

/** Returns the default policy with overrides. Throws for an unknown setting or an invalid value. */
export function policyWith(given: Partial<Policy> = {}): Policy {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [name, value] of set) {
    if (!Object.hasOwn(DEFAULT_POLICY, name)) {
      throw Fault.invalid(`policy ${name}: is unknown: use one of ${Object.keys(DEFAULT_POLICY).join(", ")}`);
    }
    const usual: unknown = DEFAULT_POLICY[name as keyof Policy];
    if (!isLike(usual, value)) {
      throw Fault.invalid(`policy ${name}: a value such as ${JSON.stringify(usual)} is wanted`);
    }
    const long = Array.isArray(value) ? (value as string[]).find(isTooLong) : undefined;
    if (long !== undefined) {
      throw Fault.invalid(
        `policy ${name}: '${long}' is longer than the ${nameBytes()} bytes that a server keeps of a name`,
      );
    }
  }
  return { ...DEFAULT_POLICY, ...Object.fromEntries(set) };
}

/** Returns true if a value has the type of the default. */
function isLike(usual: unknown, value: unknown): boolean {
  if (Array.isArray(usual)) return Array.isArray(value) && value.every((it) => typeof it === "string");
  if (typeof usual === "number") return Number.isSafeInteger(value) && (value as number) >= 0;
  return typeof value === typeof usual;
}

/** Returns the protected roles as `ILIKE` patterns. */
export function rolePatterns(policy: Policy): string[] {
  return [...guard().protected.roles, ...policy.protectedRoles.map((glob) => toLike(roleGlob(glob)))];
}

/** Returns the protected applications as `ILIKE` patterns. */
export function applicationPatterns(policy: Policy): string[] {
  return [
    ...guard().protected.applications,
    ...policy.protectedApplications.map((glob) => toLike(applicationGlob(glob))),
  ];
}

/** Refuses a batch with a statement outside the catalogue, before anything is sent. */
export function checkStatements(texts: readonly string[], catalogue: ReadonlySet<string>): void {
  const index = texts.findIndex((sql) => !catalogue.has(sha256(sql)));
  if (index < 0) return;
  const why = "it is not in the catalogue: this host sends no other";
  throw new Fault("not-approved", `statement ${index} is not sent: ${why}`);
}

/** Returns the number of sessions that may be ended: the percentage of the smaller number, rounded down. */
export function killCap(percentage: number, killable: number, clients: number): number {
  return Math.floor((Math.min(killable, clients) * Math.min(percentage, 100)) / 100);
}

/** Converts a glob to a `LIKE` pattern. */
function toLike(glob: string): string {
  return glob
    .replace(/[%_\\]/g, "\\$&")
    .replaceAll("*", "%")
    .replaceAll("?", "_");
}
