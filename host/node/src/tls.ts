// TLS with libpq's meaning of `sslmode`.
//
// | sslmode | certificate |
// |---|---|
// | `prefer`, `require` | accepted unseen; with a CA file as by `verify-ca` |
// | `verify-ca` | chain checked, name not; without a CA file as by `verify-full` |
// | `verify-full` | chain and name checked |

import { readFileSync } from "node:fs";
import * as tls from "node:tls";
import { Fault } from "./fault.js";
import { isSocket, type Target } from "./target.js";

/** How much of a certificate is checked. */
export type Check = "nothing" | "chain" | "chain-and-name";

/** How much of a target's certificate is checked. */
export function check({ sslMode, roots }: Target): Check {
  if (sslMode === "verify-full") return "chain-and-name";
  if (sslMode === "disable") return "nothing";
  if (roots !== undefined && roots !== "system") return "chain";
  // libpq insists on `verify-full` beside `sslrootcert=system`: anybody can have a certificate of some public
  // authority, so a chain without a name would prove nothing.
  return sslMode === "verify-ca" || roots === "system" ? "chain-and-name" : "nothing";
}

/** What `pg` takes as `ssl`. Sockets have no TLS, as in libpq. */
export function tlsOptions(target: Target): tls.ConnectionOptions | false {
  if (target.sslMode === "disable" || isSocket(target)) return false;
  switch (check(target)) {
    case "nothing":
      return { rejectUnauthorized: false };
    case "chain":
      return { rejectUnauthorized: true, checkServerIdentity: () => undefined, ca: fromFile(target.roots ?? "") };
    case "chain-and-name":
      return { rejectUnauthorized: true, ...trusted(target.roots) };
  }
}

function trusted(roots: string | undefined): tls.ConnectionOptions {
  if (roots !== undefined && roots !== "system") return { ca: fromFile(roots) };
  // Node below 22.15 knows only the authorities that it brings along.
  const system = (tls as { getCACertificates?: (type: string) => string[] }).getCACertificates?.("system");
  return system && system.length > 0 ? { ca: system } : {};
}

function fromFile(path: string): string {
  let pem: string;
  try {
    pem = readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault("tls-failed", `CA file ${path}: ${(error as Error).message}`);
  }
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw new Fault("tls-failed", `CA file ${path}: it holds no certificate`);
  }
  return pem;
}
