// Error of a server that refuses a session.

import type { ServerError } from "./wire.js";

/** Error of a server that refuses a session. */
export class LoginRefused extends Error {
  readonly server: ServerError;
  readonly isEncrypted: boolean;
  /** True when TLS was also tried, or is not available. */
  isTlsTried = false;

  constructor(server: ServerError, isEncrypted: boolean) {
    super(server.said);
    this.server = server;
    this.isEncrypted = isEncrypted;
  }
}
