// The error of a server that refuses a session.

import type { ServerError } from "./wire.js";

/** Thrown where the server refuses a session. */
export class LoginRefused extends Error {
  readonly server: ServerError;
  readonly isEncrypted: boolean;

  constructor(server: ServerError, isEncrypted: boolean) {
    super(server.message);
    this.server = server;
    this.isEncrypted = isEncrypted;
  }
}
