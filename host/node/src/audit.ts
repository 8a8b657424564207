// What was decided about a session or a pool, on record: before it is sent, and what became of it.

import { place, type Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import { appendPrivate } from "./private-file.js";

/** One line of the audit log. */
export interface AuditRecord {
  /** When, ISO 8601 UTC. */
  at: string;
  event: "order" | "resize" | "reconnect";
  /** As whom the session is logged in. */
  by: string;
  server: string;
  database: string;
  /** The component that asked for it. */
  component: string;
  dryRun: boolean;
  /** `sending` before the act, then what became of it. */
  outcome: string;
  detail: string;
  reason: string;
  /** Whom or what it is about. 64-bit numbers are texts. */
  subject: Record<string, string | number | null>;
}

/** Where records go. Nothing is ended or changed that cannot be put on record. */
export interface AuditOptions {
  /** Called with each record, and awaited. */
  audit?: ((record: AuditRecord) => void | Promise<void>) | undefined;
  /**
   * A file to which each record is appended as a line of JSON. It is made readable by its owner alone; a link, and a
   * file that others can write, are refused.
   */
  auditFile?: string | undefined;
}

/** The audit log of one call. */
export class Audit {
  readonly #options: AuditOptions;
  /** The component that asks for what is on record. */
  readonly component: string;

  constructor(options: AuditOptions, component: string) {
    this.#options = options;
    this.component = component;
  }

  /** Puts on record what is about to be done. Throws when that cannot be: then it must not be done. */
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

  /** Puts on record what became of it. What is done is done: a record that cannot be written undoes nothing. */
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

/** What a record says beside who and where. */
export type About = Omit<AuditRecord, "at" | "by" | "server" | "database" | "component">;
