// A PgBouncer of one's own in front of a cluster, in transaction mode.

import type { ChildProcess } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { type Cluster, PASSWORD } from "./cluster.js";
import { endProgram, own, scratch, startProgram, until, unusedPort } from "./process.js";

/** Who may do everything at the console. */
export const ADMIN = "pooler_admin";
/** Who may only look. */
export const WATCHER = "pooler_watcher";

/** Which PgBouncer. Debian's is in no path but root's. */
function program(): string {
  return process.env.ARCHON_PGBOUNCER ?? (existsSync("/usr/sbin/pgbouncer") ? "/usr/sbin/pgbouncer" : "pgbouncer");
}

/** A private PgBouncer. */
export class PgBouncer {
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(port: number, process: ChildProcess) {
    this.port = port;
    this.#process = process;
  }

  /** Starts one and waits until it answers. */
  static async before(
    cluster: Cluster,
    settings: Record<string, string> = {},
    databases: string[] = [],
  ): Promise<PgBouncer> {
    const folder = scratch();
    const port = await unusedPort();
    const [ini, users] = [join(folder, "pgbouncer.ini"), join(folder, "users.txt")];
    const all = {
      listen_addr: "127.0.0.1",
      listen_port: String(port),
      unix_socket_dir: "",
      auth_type: "scram-sha-256",
      auth_file: users,
      admin_users: ADMIN,
      stats_users: WATCHER,
      pool_mode: "transaction",
      default_pool_size: "10",
      ...settings,
    };
    const lines = [
      "[databases]",
      ...databases.map((line) => line.replace("@", `host=127.0.0.1 port=${cluster.port}`)),
      `* = host=127.0.0.1 port=${cluster.port}`,
      "[pgbouncer]",
      ...Object.entries(all).map(([name, value]) => `${name} = ${value}`),
    ];
    writeFileSync(ini, `${lines.join("\n")}\n`);
    writeFileSync(users, ["postgres", ADMIN, WATCHER].map((user) => `"${user}" "${PASSWORD}"\n`).join(""));
    [ini, users].forEach(own);
    const child = startProgram(program(), ["-q", ini], "INT");
    const bouncer = new PgBouncer(port, child);
    await until("the pooler answers", async () => {
      if (child.exitCode !== null) throw new Error(`${program()} ended: install pgbouncer, or set ARCHON_PGBOUNCER`);
      return bouncer.show("version").then(
        () => true,
        () => false,
      );
    });
    return bouncer;
  }

  /** A URL through it. */
  url(database = "postgres", role = "postgres"): string {
    return `postgres://${role}:${PASSWORD}@127.0.0.1:${this.port}/${database}`;
  }

  /** The URL of its console. */
  console(role = ADMIN): string {
    return this.url("pgbouncer", role);
  }

  /** A view of the console. */
  show(view: string): Promise<Record<string, string>[]> {
    return this.command(`SHOW ${view}`);
  }

  /** Runs a command of the console. */
  async command(text: string): Promise<Record<string, string>[]> {
    const client = new pg.Client({ connectionString: this.console(), ssl: false });
    client.on("error", () => {});
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** A setting as the console shows it. */
  async setting(name: string): Promise<string | undefined> {
    return (await this.show("config")).find(({ key }) => key === name)?.value;
  }

  /** Ends it. */
  async stop(): Promise<void> {
    await endProgram(this.#process, "INT");
  }
}
