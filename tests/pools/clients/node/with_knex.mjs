// knex: tarn's pool of 2 to 10 sessions by default, over pg. Options: `pool` (tarn's options).

import knex from "knex";

import { Exhausted, Sessions } from "./application.mjs";
import * as raw from "./raw.mjs";

export class Library {
  constructor(setup) {
    this.setup = setup;
  }

  open(size) {
    const opened = new Sessions();
    const afterCreate = (client, done) => {
      opened.push(raw.identity(this.setup, client));
      done(null, client);
    };
    const { min } = this.setup;
    const pool = knex({
      client: "pg",
      connection: raw.connection(this.setup),
      acquireConnectionTimeout: 4000,
      pool: { max: size, ...(min === null ? {} : { min }), afterCreate, ...this.setup.options.pool },
    });
    pool.opened = opened;
    return pool;
  }

  /** A transaction holds a session; single statements take one for themselves. */
  async acquire(pool) {
    try {
      const client = await pool.client.acquireConnection();
      return { pool, client };
    } catch (error) {
      throw error.name.includes("Timeout") ? new Exhausted() : error;
    }
  }

  release = (pool, { client }) => pool.client.releaseConnection(client);

  async work({ pool, client }, path) {
    if (path.length > 1) {
      await raw.work(client, path);
    } else {
      for (const [sql, values] of path) await pool.raw(sql, values).connection(client);
    }
  }

  async begin({ pool, client }, path) {
    client.transaction ??= await pool.transaction(undefined, { connection: client });
    for (const [sql, values] of path) await client.transaction.raw(sql, values);
  }

  execute = ({ pool, client }, sql) => pool.raw(sql).connection(client);
  leaveResult = ({ client }) => raw.leaveResult(client, "name");
  finishResult = ({ client }) => raw.finishResult(client);
  identity = ({ client }) => raw.identity(this.setup, client);

  async serverPid({ pool, client }) {
    client.transaction = await pool.transaction(undefined, { connection: client });
    return (await client.transaction.raw("SELECT pg_backend_pid() AS pid")).rows[0].pid;
  }

  async connect() {
    const pool = this.open(1);
    return this.acquire(pool);
  }

  close = ({ pool, client }) => {
    pool.client.releaseConnection(client);
    return pool.destroy();
  };
}
