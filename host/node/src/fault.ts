// Why something could not be done, and the well-known kinds that this host uses.

import type { FaultRecord } from "./contract.js";

export type { FaultRecord };

/** A fault that is thrown. */
export class Fault extends Error implements FaultRecord {
  readonly kind: string;
  readonly sqlstate?: string;
  readonly retryable: boolean;

  constructor(kind: string, message: string, more: { sqlstate?: string | null | undefined; retryable?: boolean } = {}) {
    super(message);
    this.name = "Fault";
    this.kind = kind;
    if (more.sqlstate != null) this.sqlstate = more.sqlstate;
    this.retryable = more.retryable ?? false;
  }

  /** A parameter that cannot be accepted. */
  static invalid(message: string): Fault {
    return new Fault("invalid-params", message);
  }

  /** A credential that is no usable connection target. */
  static credential(message: string): Fault {
    return new Fault("credential-invalid", message);
  }

  /** A limit that was reached. The message names it. */
  static limit(message: string): Fault {
    return new Fault("limit-exceeded", message);
  }

  /** The fault of a record. */
  static from(record: FaultRecord): Fault {
    return record instanceof Fault ? record : new Fault(record.kind, record.message, record);
  }

  /** The same fault in other words. */
  saying(message: string): Fault {
    return new Fault(this.kind, message, this);
  }

  /** The same fault, but not to be repeated blindly. */
  final(): Fault {
    return new Fault(this.kind, this.message, { sqlstate: this.sqlstate, retryable: false });
  }

  /** The plain record, in the contract's order of fields. */
  toJSON(): FaultRecord {
    const { kind, message, sqlstate, retryable } = this;
    return { kind, message, ...(sqlstate === undefined ? {} : { sqlstate }), retryable };
  }
}

/** What anything thrown says, as a fault. Errors of this host's own code are no fault of the caller. */
export function asFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown;
  return new Fault("unexpected-answer", thrown instanceof Error ? thrown.message : "an unknown error");
}
