// Faults, and constructors for the kinds that this host uses.

import type { FaultRecord } from "./contract.js";

export type { FaultRecord };

/** Fault as an exception. */
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

  /** Returns the fault of an unacceptable parameter. */
  static invalid(message: string): Fault {
    return new Fault("invalid-params", message);
  }

  /** Returns the fault of a credential that is not a usable connection target. */
  static credential(message: string): Fault {
    return new Fault("credential-invalid", message);
  }

  /** Returns the fault of an exceeded limit. The message names it. */
  static limit(message: string): Fault {
    return new Fault("limit-exceeded", message);
  }

  /** Converts a record to a fault. */
  static from(record: FaultRecord): Fault {
    return record instanceof Fault ? record : new Fault(record.kind, record.message, record);
  }

  /** Returns the same fault with another message. */
  saying(message: string): Fault {
    return new Fault(this.kind, message, this);
  }

  /** Returns the same fault, marked as not retryable. */
  final(): Fault {
    return new Fault(this.kind, this.message, { sqlstate: this.sqlstate, retryable: false });
  }

  /** Returns the plain record, with fields in the contract's order. */
  toJSON(): FaultRecord {
    const { kind, message, sqlstate, retryable } = this;
    return { kind, message, ...(sqlstate === undefined ? {} : { sqlstate }), retryable };
  }
}

/** Converts anything thrown to a fault. Errors of this host's own code become `unexpected-answer`. */
export function asFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown;
  return new Fault("unexpected-answer", thrown instanceof Error ? thrown.message : "an unknown error");
}
