// The error of a server that refuses a session.

import type { ServerError } from "./wire.js";

/** Thrown where the server refuses a session. */
export class LoginRefused extends Error {
  readonly server: ServerError;
  readonly isEncrypted: boolean;
  /** True when a session with TLS was refused, too, or cannot be had. */
  isTlsTried = false;

  constructor(server: ServerError, isEncrypted: boolean) {
    super(server.said);
    this.server = server;
    this.isEncrypted = isEncrypted;
  }
}
