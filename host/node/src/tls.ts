// TLS with libpq's meaning of `sslmode`.
//
// | sslmode | certificate |
// |---|---|
// | `allow`, `prefer`, `require` | accepted unseen; with a CA file as by `verify-ca` |
// | `verify-ca` | chain checked, name not; without a CA file as by `verify-full` |
// | `verify-full` | chain and name checked |

import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { isIP } from "node:net";
import * as tls from "node:tls";
import { readRegular } from "./connection-config/files.js";
import type { Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import { whyNotNamed } from "./server-name.js";

/** Level of certificate verification. */
export type Check = "nothing" | "chain" | "chain-and-name";

/** Returns the verification level for a target. */
export function check({ sslMode, roots }: Target): Check {
  if (sslMode === "verify-full") return "chain-and-name";
  if (sslMode === "disable") return "nothing";
  if (roots !== undefined && roots !== "system") return "chain";
  return sslMode === "verify-ca" || roots === "system" ? "chain-and-name" : "nothing";
}

/** Returns a missing CA file that, as in libpq, disables verification below `verify-ca`. */
export function missingRoots({ sslMode, roots }: Pick<Target, "sslMode" | "roots">): string | undefined {
  if (roots === undefined || roots === "system" || sslMode.startsWith("verify-")) return undefined;
  return existsSync(roots) ? undefined : roots;
}

/** Returns the options of `tls.connect` for a target. */
export function tlsOptions(target: Target): tls.ConnectionOptions {
  const { host, sslMinVersion, sslMaxVersion, sslNegotiation } = target;
  return {
    minVersion: sslMinVersion,
    ...(sslMaxVersion === undefined ? {} : { maxVersion: sslMaxVersion }),
    // An address is not a valid server name (RFC 6066).
    servername: isIP(host) === 0 ? host : "",
    ...(sslNegotiation === "direct" ? { ALPNProtocols: ["postgresql"] } : {}),
    ...clientCertificate(target),
    ...verification(target),
  };
}

function verification(target: Target): tls.ConnectionOptions {
  switch (missingRoots(target) === undefined ? check(target) : "nothing") {
    case "nothing":
      // Without verification, short keys and old hashes are also accepted.
      return { rejectUnauthorized: false, ciphers: `${tls.DEFAULT_CIPHERS}:@SECLEVEL=0` };
    case "chain":
      return { rejectUnauthorized: true, checkServerIdentity: () => undefined, ...trusted(target.roots) };
    case "chain-and-name":
      return {
        rejectUnauthorized: true,
        checkServerIdentity: (_, { raw }) => whyNotNamed(target.host, new X509Certificate(raw)),
        ...trusted(target.roots),
      };
  }
}

function trusted(roots: string | undefined): tls.ConnectionOptions {
  if (roots !== undefined && roots !== "system") return { ca: certificates("CA file", roots) };
  // Node before 22.15 only has its bundled authorities.
  const system = (tls as { getCACertificates?: (type: string) => string[] }).getCACertificates?.("system");
  return system && system.length > 0 ? { ca: system } : {};
}

function clientCertificate({ clientCertificate }: Target): tls.ConnectionOptions {
  if (!clientCertificate) return {};
  const { certificate, key } = clientCertificate;
  const { text: pem, stats } = read("private key file", key);
  const { mode, uid } = stats;
  // libpq's rule: readable by the owner only, or also by the group when root owns it.
  const isOpen = process.platform !== "win32" && (mode & (uid === 0 ? 0o037 : 0o077)) !== 0;
  if (isOpen) throw failed(`private key file ${key}: others may read it: run \`chmod 600\` on it`);
  return { cert: certificates("client certificate", certificate), key: pem };
}

function certificates(what: string, path: string): string {
  const { text: pem } = read(what, path);
  if (!/-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----/.test(pem))
    throw failed(`${what} ${path}: it holds no certificate`);
  return pem;
}

function read(what: string, path: string): ReturnType<typeof readRegular> {
  try {
    return readRegular(path);
  } catch (error) {
    throw failed(`${what} ${path}: ${(error as Error).message}`);
  }
}

function failed(message: string): Fault {
  return new Fault("tls-failed", message);
}
