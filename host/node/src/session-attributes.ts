// `target_session_attrs`: required kind of server, by libpq's rules.

import type { TargetSessionAttrs } from "./connection-config/security.js";

/** Queries a server for one value. */
type Ask = (sql: string) => Promise<string | null>;

/** Returns the reason why a server is not of the wanted kind; undefined when it is. */
export async function mismatch(
  wanted: TargetSessionAttrs,
  reported: ReadonlyMap<string, string>,
  ask: Ask,
): Promise<string | undefined> {
  switch (wanted) {
    case "read-write":
      return (await isReadOnly(reported, ask)) ? "its sessions are read-only" : undefined;
    case "read-only":
      return (await isReadOnly(reported, ask)) ? undefined : "its sessions may write";
    case "primary":
      return (await isStandby(reported, ask)) ? "it is a standby" : undefined;
    case "standby":
      return (await isStandby(reported, ask)) ? undefined : "it is no standby";
    default:
      return undefined;
  }
}

/**
 * Returns true if sessions are read-only. Servers before PostgreSQL 14 and some poolers do not report it and are
 * queried.
 */
async function isReadOnly(reported: ReadonlyMap<string, string>, ask: Ask): Promise<boolean> {
  const [standby, readOnly] = [reported.get("in_hot_standby"), reported.get("default_transaction_read_only")];
  if (standby !== undefined && readOnly !== undefined) return standby === "on" || readOnly === "on";
  return (await ask("SHOW transaction_read_only")) === "on";
}

async function isStandby(reported: ReadonlyMap<string, string>, ask: Ask): Promise<boolean> {
  const standby = reported.get("in_hot_standby");
  return standby === undefined ? (await ask("SELECT pg_catalog.pg_is_in_recovery()")) === "t" : standby === "on";
}
