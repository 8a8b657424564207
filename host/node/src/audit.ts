// Audit log: records each decision about a session or a pool before it is carried out, and its outcome.

import { place, type Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import { appendPrivate } from "./private-file.js";

/** One line of the audit log. */
export interface AuditRecord {
  /** Time, ISO 8601 UTC. */
  at: string;
  event: "order" | "resize" | "reconnect";
  /** Role that the session is logged in as. */
  by: string;
  server: string;
  database: string;
  /** Component that requested the action. */
  component: string;
  dryRun: boolean;
  /** `sending` before the action, then its outcome. */
  outcome: string;
  detail: string;
  reason: string;
  /** Session or pool that the record is about. 64-bit numbers are strings. */
  subject: Record<string, string | number | null>;
}

/** Destinations of audit records. An action whose record cannot be written is not carried out. */
export interface AuditOptions {
  /** Called with each record, and awaited. */
  audit?: ((record: AuditRecord) => void | Promise<void>) | undefined;
  /**
   * File to which each record is appended as a line of JSON. It is created readable by its owner only; links, and files
   * that others can write, are refused.
   */
  auditFile?: string | undefined;
}

/** The audit log of one call. */
export class Audit {
  readonly #options: AuditOptions;
  /** Component that requests the recorded actions. */
  readonly component: string;

  constructor(options: AuditOptions, component: string) {
    this.#options = options;
    this.component = component;
  }

  /** Writes records before the action. Throws when they cannot be written: the action must not follow. */
  async announce(target: Target, about: readonly Omit<About, "outcome" | "detail">[]): Promise<void> {
    try {
      await this.#write(
        target,
        about.map((about) => ({ ...about, outcome: "sending", detail: "" })),
      );
    } catch (error) {
      throw new Fault("audit-failed", `the audit log cannot be written to: ${(error as Error).message}`);
    }
  }

  /** Writes records of the outcome. Errors are ignored, because the action has already happened. */
  async tell(target: Target, about: readonly About[]): Promise<void> {
    await this.#write(target, about).catch(() => {});
  }

  async #write(target: Target, about: readonly About[]): Promise<void> {
    const { audit, auditFile } = this.#options;
    if (!audit && auditFile === undefined) return;
    const head = { by: target.user, server: place(target), database: target.database, component: this.component };
    const records = about.map((about) => ({ at: new Date().toISOString(), ...head, ...about }));
    for (const record of records) await audit?.(record);
    if (auditFile !== undefined) {
      await appendPrivate(auditFile, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
    }
  }
}

/** Fields of a record except time, role, server, database and component. */
export type About = Omit<AuditRecord, "at" | "by" | "server" | "database" | "component">;
