// TypeORM: a DataSource over pg's pool; a QueryRunner holds a session until it is released. Options: `extra` (of pg.Pool).

import "reflect-metadata";

import { DataSource } from "typeorm";

import { Exhausted, Sessions } from "./application.mjs";
import * as raw from "./raw.mjs";
import { numbered } from "./statements.mjs";

export class Library {
  constructor(setup) {
    this.setup = setup;
  }

  async open(size) {
    const { setup } = this;
    const { host, port, user: username, password, database } = setup;
    const pool = new DataSource({
      type: "postgres",
      host,
      port,
      username,
      password,
      database,
      ...(setup.application_name === null ? {} : { applicationName: setup.application_name }),
      poolSize: size,
      extra: { connectionTimeoutMillis: 4000, ...(setup.min === null ? {} : { min: setup.min }), ...setup.options.extra },
    });
    pool.opened = new Sessions();
    await pool.initialize();
    const note = (client) => pool.opened.push(raw.identity(setup, client));
    pool.driver.master._clients.forEach(note);
    pool.driver.master.on("connect", note);
    return pool;
  }

  async acquire(pool) {
    const runner = pool.createQueryRunner();
    try {
      runner.client = await runner.connect();
      return runner;
    } catch (error) {
      throw String(error).includes("timeout") ? new Exhausted() : error;
    }
  }

  release = (_pool, runner) => runner.release();

  async work(runner, path) {
    if (path.length > 1) await runner.startTransaction();
    for (const [sql, values] of path) await runner.query(numbered(sql), values);
    if (path.length > 1) await runner.commitTransaction();
  }

  async begin(runner, path) {
    if (!runner.isTransactionActive) await runner.startTransaction();
    for (const [sql, values] of path) await runner.query(numbered(sql), values);
  }

  execute = (runner, sql) => runner.query(sql);
  leaveResult = (runner) => raw.leaveResult(runner.client, "id desc");
  finishResult = (runner) => raw.finishResult(runner.client);
  identity = (runner) => raw.identity(this.setup, runner.client);

  async serverPid(runner) {
    await runner.startTransaction();
    return (await runner.query("SELECT pg_backend_pid() AS pid"))[0].pid;
  }

  connect = async () => this.acquire(await this.open(1));

  async close(runner) {
    const source = runner.connection;
    await runner.release();
    await source.destroy();
  }
}
