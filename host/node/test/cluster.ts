// A PostgreSQL server of one's own, on a free port of 127.0.0.1.

import type { ChildProcess } from "node:child_process";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { endProgram, own, runProgram, scratch, serverPrograms, startProgram, until, unusedPort } from "./process.js";

/** The password of every role. Unmistakable, so that a test can search any output for it. */
export const PASSWORD = "tell-nobody-4f81c7";

/** A private server. */
export class Cluster {
  readonly port: number;
  readonly #server: ChildProcess;
  readonly #data: string;
  readonly #sessions: pg.Client[] = [];

  private constructor(port: number, server: ChildProcess, data: string) {
    this.port = port;
    this.#server = server;
    this.#data = data;
  }

  /** Starts a server and waits until it answers. */
  static async start(settings: Record<string, string> = {}): Promise<Cluster> {
    const folder = scratch();
    const [data, password, log] = ["data", "password", "log"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(password, PASSWORD);
    writeFileSync(log, "");
    [password, log].forEach(own);
    const programs = serverPrograms();
    const options = ["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"];
    runProgram(join(programs, "initdb"), [`--pgdata=${data}`, `--pwfile=${password}`, "--wal-segsize=1", ...options]);
    const port = await unusedPort();
    const conf = {
      listen_addresses: "127.0.0.1",
      port: String(port),
      unix_socket_directories: "",
      // A crash of the machine may lose this server's data: it exists to be thrown away.
      fsync: "off",
      shared_buffers: "16MB",
      max_connections: "40",
      timezone: "UTC",
      logging_collector: "on",
      log_directory: folder,
      log_filename: "server.log",
      ...settings,
    };
    const lines = Object.entries(conf).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
    appendFileSync(join(data, "postgresql.conf"), lines.join(""));
    const server = startProgram(join(programs, "postgres"), ["-D", data], "INT");
    const cluster = new Cluster(port, server, data);
    await until("the server answers", async () => {
      if (server.exitCode !== null)
        throw new Error(`the server ended: ${readFileSync(join(folder, "server.log"), "utf8")}`);
      const client = await cluster.#connect("postgres", "postgres", "archon-pool-tests").catch(() => undefined);
      await client?.end();
      return client !== undefined;
    });
    return cluster;
  }

  /** A connection URL, password included. */
  url(role = "postgres", database = "postgres"): string {
    return `postgres://${role}:${PASSWORD}@127.0.0.1:${this.port}/${database}`;
  }

  /** A session of an application, open until the cluster ends. */
  async session(application: string, role = "postgres", database = "postgres"): Promise<pg.Client> {
    const client = await this.#connect(role, database, application);
    this.#sessions.push(client);
    return client;
  }

  /** Runs statements as the superuser. */
  async run(sql: string, database = "postgres"): Promise<pg.QueryResult> {
    const client = await this.#connect("postgres", database, "archon-pool-tests");
    try {
      return await client.query(sql);
    } finally {
      await client.end();
    }
  }

  /** Sessions with this application name. */
  async count(application: string): Promise<number> {
    const sql = `SELECT count(*)::int4 AS n FROM pg_stat_activity WHERE application_name = '${application}'`;
    return (await this.run(sql)).rows[0].n;
  }

  /** Puts lines before those of `pg_hba.conf`. */
  async admit(...lines: string[]): Promise<void> {
    const file = join(this.#data, "pg_hba.conf");
    writeFileSync(file, `${lines.join("\n")}\n${readFileSync(file, "utf8")}`);
    await this.run("SELECT pg_reload_conf()");
    const loaded = `SELECT count(*)::int4 AS n FROM pg_hba_file_rules WHERE line_number <= ${lines.length}`;
    await until("its access rules are read", async () => (await this.run(loaded)).rows[0].n === lines.length);
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#sessions.map((client) => client.end()));
    await endProgram(this.#server, "INT");
  }

  async #connect(user: string, database: string, application: string): Promise<pg.Client> {
    const { port } = this;
    const client = new pg.Client({
      host: "127.0.0.1",
      port,
      user,
      database,
      password: PASSWORD,
      application_name: application,
      ssl: false,
    });
    // It is to be ended.
    client.on("error", () => {});
    await client.connect();
    return client;
  }
}
