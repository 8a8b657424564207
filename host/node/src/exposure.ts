// Facts about a session that others on the way to its server could use.

import type { Socket } from "node:net";
import type { AuthMethod } from "./connection-config/security.js";

/** Notes on data that others on the way to the server can read. */
export function exposure(
  peer: Pick<Socket, "remoteAddress" | "remoteFamily">,
  isEncrypted: boolean,
  method: AuthMethod,
): string[] {
  if (isEncrypted || isLocal(peer)) return [];
  const password = method === "password" ? ["the password was sent in clear text"] : [];
  return ["the session is not encrypted", ...password];
}

/** True when the other end is this machine: a Unix socket or a loopback address. */
function isLocal({ remoteAddress, remoteFamily }: Pick<Socket, "remoteAddress" | "remoteFamily">): boolean {
  return remoteFamily === undefined || /^(127\.|::1$|::ffff:127\.)/.test(remoteAddress ?? "");
}
