// Notes on data of a session that is readable on the network.

import type { Socket } from "node:net";
import type { AuthMethod } from "./connection-config/security.js";

/** Returns notes on data that others on the network path can read. */
export function exposure(
  peer: Pick<Socket, "remoteAddress" | "remoteFamily">,
  isEncrypted: boolean,
  method: AuthMethod,
): string[] {
  if (isEncrypted || isLocal(peer)) return [];
  const password = method === "password" ? ["the password was sent in clear text"] : [];
  return ["the session is not encrypted", ...password];
}

/** Returns true if the peer is on this machine: a Unix socket or a loopback address. */
function isLocal({ remoteAddress, remoteFamily }: Pick<Socket, "remoteAddress" | "remoteFamily">): boolean {
  return remoteFamily === undefined || /^(127\.|::1$|::ffff:127\.)/.test(remoteAddress ?? "");
}
