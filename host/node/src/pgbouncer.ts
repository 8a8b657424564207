// PgBouncer's admin console (its manual, "Admin console"): only simple queries, with one command each.
//
// `SET` lasts until `RELOAD` or a restart, and of the pool sizes only `default_pool_size` can be changed at run time.
// Components select a view from a list; no text of theirs is sent.

import { guard } from "./components.js";
import { Connection } from "./connection.js";
import { place, quotesPassword, type Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import type { Limits } from "./limits.js";
import { Lookups } from "./lookups.js";
import { fromRows, type RowSet } from "./row-set.js";
import { GRACE_MS } from "./session.js";
import type { TextSet } from "./unit.js";
import { OID, type Value } from "./values.js";

/** Maximum number of names in a message. */
const NAMES = 5;

/** Preview of a change, determined before it is sent. */
export interface ResizePreview {
  /** Current size; absent when unlimited or unknown. */
  before?: number | undefined;
  /** Reason why the change cannot be made. */
  refusal?: string | undefined;
  /** Duration of the change and its effect on clients. */
  note: string;
}

/** Open console. */
export class PgBouncer {
  readonly #connection: Connection;
  readonly #limits: Limits;
  readonly #version: string;

  private constructor(connection: Connection, limits: Limits, version: string) {
    this.#connection = connection;
    this.#limits = limits;
    this.#version = version;
  }

  /** Opens the console, and checks that it is one of PgBouncer. */
  static async open(
    target: Target,
    limits: Limits,
    over: AbortSignal,
    lookups: Lookups = new Lookups(),
  ): Promise<PgBouncer> {
    try {
      const opening = { options: undefined, plainOptions: undefined, limits, over, lookups };
      const connection = await Connection.open(target, opening).catch((fault: Fault) => {
        // Only PgBouncer always has a database of this name.
        throw fault.kind === "database-not-found" ? noBouncer(target) : fault;
      });
      // PgCat, Odyssey and PostgreSQL may answer here too, and some accept commands without executing them.
      const version = /^(.{0,64})\/bouncer$/.exec(connection.parameters.get("server_version") ?? "")?.[1];
      if (version === undefined) {
        await connection.close();
        throw noBouncer(target);
      }
      // The version appears in messages, so it must not contain the password.
      return new PgBouncer(connection, limits, quotesPassword(target)(version) ? "of this version" : version);
    } catch (fault) {
      throw (fault as Fault).saying(`the pooler's console cannot be opened: ${(fault as Fault).message}`);
    }
  }

  get target(): Target {
    return this.#connection.target;
  }

  /** Fault that ended the console's connection, if it has ended. */
  get lost(): Fault | undefined {
    return this.#connection.lost;
  }

  /** Runs `SHOW` for a view. All values are text or null. */
  async show(view: string, take: (bytes: number) => boolean): Promise<RowSet> {
    const { views } = guard().pgbouncer;
    if (!views.includes(view)) {
      throw new Fault("unsupported-view", `there is no such view: a view is one of ${views.join(", ")}`);
    }
    const set = await this.#ask(`SHOW ${view.toUpperCase()}`, take).catch((fault: Fault) => {
      if (fault.kind !== "query-failed" || !fault.message.startsWith("invalid command")) throw fault;
      throw new Fault("unsupported-view", `PgBouncer ${this.#version} has no view '${view}'`);
    });
    const columns = set.columns.map((name) => ({ name, typeOid: OID.text }));
    return fromRows(columns, set.rows.map(values), set.truncated);
  }

  /** Previews a resize without changing anything. */
  async resizable(pool: string | undefined, size: number): Promise<ResizePreview> {
    const { size: setting } = guard().pgbouncer;
    const before = await this.#defaultSize();
    if (before === undefined) return { refusal: `${setting} is unlimited: set it in [pgbouncer] first`, note: "" };
    const databases = await this.#databases();
    if (pool !== undefined) {
      if (!databases.has(pool)) return { before, refusal: noSuch(pool), note: "" };
      const own = databases.get(pool);
      if (own !== before) {
        const hint = `edit pool_size of [databases] ${pool}, then RELOAD`;
        return { before: own, refusal: `PgBouncer can only change the default while it runs: ${hint}`, note: "" };
      }
    }
    const users = await this.#sizes("users");
    const fixed = [
      ...[...databases].filter(([, own]) => own !== before).map(([name]) => `database '${name}'`),
      ...[...users].filter(([, own]) => (own ?? 0) > 0).map(([name]) => `user '${name}'`),
    ];
    const notes = [
      `it lasts until PgBouncer is reloaded or restarted: put \`${setting} = ${size}\` into [pgbouncer] of its ini file`,
      ...(fixed.length > 0 ? [`${listed(fixed)} with a pool_size of their own do not follow`] : []),
      ...(pool === undefined ? [] : ["it is the size of every pool without one of its own"]),
    ];
    return { before, note: notes.join("; ") };
  }

  /** Resizes, and returns the size read back afterwards. */
  async resize(pool: string | undefined, size: number): Promise<number | undefined> {
    const before = await this.#defaultSize();
    await this.#set(size);
    if (pool === undefined) return this.#defaultSize();
    const after = (await this.#databases()).get(pool);
    // An individual size equal to the default was not recognised before: restore the default.
    if (after !== size && before !== undefined) await this.#set(before);
    return after;
  }

  /** Previews a reconnect without changing anything. */
  async reconnectable(database: string): Promise<ResizePreview> {
    if (!(await this.#databases()).has(database)) return { refusal: noSuch(database), note: "" };
    const note = "each server connection is closed when its client releases it, and a new one is opened on demand";
    return { note };
  }

  /** Reconnects the server connections of a database, which `reconnectable` must have found. */
  async reconnect(database: string): Promise<void> {
    await this.#ask(`RECONNECT "${database.replaceAll('"', '""')}"`);
  }

  /** Closes the console. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  async #set(size: number): Promise<void> {
    await this.#ask(`SET ${guard().pgbouncer.size} = ${size}`);
  }

  /** Returns the current default size; undefined when unlimited. */
  async #defaultSize(): Promise<number | undefined> {
    const setting = guard().pgbouncer.size;
    const value = pairs(await this.#own("config"), "key", "value").get(setting);
    const size = Number(value ?? Number.NaN);
    if (!Number.isSafeInteger(size)) throw new Fault("unexpected-answer", `SHOW CONFIG tells no ${setting}`);
    return size > 0 ? size : undefined;
  }

  async #databases(): Promise<Map<string, number | undefined>> {
    const sizes = await this.#sizes("databases");
    sizes.delete(guard().pgbouncer.database);
    return sizes;
  }

  /** Returns the pool sizes of a view by name; empty when the version's view has no sizes. */
  async #sizes(view: string): Promise<Map<string, number | undefined>> {
    const set = await this.#own(view);
    if (!set.columns.includes("pool_size")) return new Map();
    const size = (text: string | null) => (text !== null && /^\d+$/.test(text) ? Number(text) : undefined);
    return new Map([...pairs(set, "name", "pool_size")].map(([name, text]) => [name, size(text)]));
  }

  /** Reads a whole view for the host itself. */
  async #own(view: string): Promise<TextSet> {
    const set = await this.#ask(`SHOW ${view.toUpperCase()}`);
    if (!set.truncated) return set;
    throw new Fault("unexpected-answer", "a view is longer than the limit `rows`");
  }

  async #ask(command: string, take = this.#connection.whole().take): Promise<TextSet> {
    const asking = this.#connection.simple(command, { maxRows: this.#limits.rows, take });
    try {
      return await this.#connection.inTime(asking, this.#limits.statementTimeoutMs + GRACE_MS);
    } catch (fault) {
      if (!(fault instanceof Fault) || !fault.message.includes("admin access needed")) throw fault;
      const hint = "add it to admin_users, or name another role in the pooler's URL";
      const message = `PgBouncer lets '${this.target.user}' look and not change: ${hint}`;
      throw new Fault("insufficient-privilege", message, fault);
    }
  }
}

/** Converts values to text and withholds secret settings. */
function values(row: (string | null)[]): Value[] {
  const isSecret = row[0]?.startsWith(guard().pgbouncer.withheld) ?? false;
  return row.map((text, index) =>
    text === null || (index > 0 && isSecret) ? { tag: "null" } : { tag: "text", val: text },
  );
}

/** Maps one column of a view to another. Columns are found by name, as their positions differ between versions. */
function pairs(set: TextSet, key: string, value: string): Map<string, string | null> {
  const [keys, values] = [key, value].map((name) => {
    const at = set.columns.indexOf(name);
    if (at < 0) throw new Fault("unexpected-answer", `a view has no column ${name}`);
    return at;
  }) as [number, number];
  return new Map(set.rows.flatMap((row) => (row[keys] == null ? [] : [[row[keys], row[values] ?? null]])));
}

function listed(names: string[]): string {
  const more = names.length - NAMES;
  return names.slice(0, NAMES).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function noSuch(database: string): string {
  return `PgBouncer offers no database '${database}': SHOW DATABASES lists them`;
}

function noBouncer(target: Target): Fault {
  return Fault.credential(`what answers at ${place(target)} is no PgBouncer: correct the pooler's URL`);
}
