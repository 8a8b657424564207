// Sequelize 6: its pool of up to 5 sessions closes those that rest for 10 s by default. Options: `pool`.

import { Sequelize, Transaction } from "sequelize";

import { Exhausted, Sessions } from "./application.mjs";
import * as raw from "./raw.mjs";

export class Library {
  constructor(setup) {
    this.setup = setup;
  }

  async open(size) {
    const { setup } = this;
    const dialectOptions = setup.application_name === null ? {} : { application_name: setup.application_name };
    const pool = new Sequelize(setup.database, setup.user, setup.password, {
      host: setup.host,
      port: setup.port,
      dialect: "postgres",
      logging: false,
      dialectOptions,
      pool: { max: size, acquire: 4000, ...(setup.min === null ? {} : { min: setup.min }), ...setup.options.pool },
    });
    pool.opened = new Sessions();
    pool.addHook("afterConnect", (client) => {
      pool.opened.push(raw.identity(setup, client));
    });
    return pool;
  }

  async acquire(pool) {
    try {
      return { pool, client: await pool.connectionManager.getConnection({ type: "write" }) };
    } catch (error) {
      throw error.name === "SequelizeConnectionAcquireTimeoutError" ? new Exhausted() : error;
    }
  }

  release = (pool, { client }) => pool.connectionManager.releaseConnection(client);

  /** Statements of the same session, as a transaction of Sequelize runs them. */
  query = ({ pool, client }, sql, values) =>
    pool.query(sql, {
      ...(values ? { replacements: values } : {}),
      transaction: Object.assign(Object.create(Transaction.prototype), { connection: client, sequelize: pool }),
    });

  async work(one, path) {
    const plain = path.length === 1;
    if (!plain) await this.query(one, "START TRANSACTION;");
    for (const [sql, values] of path) await this.query(one, sql, values);
    if (!plain) await this.query(one, "COMMIT;");
  }

  async begin(one, path) {
    if (!one.client.begun) await this.query(one, "START TRANSACTION;");
    one.client.begun = true;
    for (const [sql, values] of path) await this.query(one, sql, values);
  }

  execute = (one, sql) => this.query(one, sql);
  leaveResult = ({ client }) => raw.leaveResult(client, "stock, id");
  finishResult = ({ client }) => raw.finishResult(client);
  identity = ({ client }) => raw.identity(this.setup, client);

  async serverPid(one) {
    await this.begin(one, []);
    return (await one.client.query("SELECT pg_backend_pid() AS pid")).rows[0].pid;
  }

  connect = async () => this.acquire(await this.open(1));
  close = async ({ pool, client }) => {
    pool.connectionManager.releaseConnection(client);
    await pool.close();
  };
}
