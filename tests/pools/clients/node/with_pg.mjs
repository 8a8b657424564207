// pg: single connections, and its pool, which closes sessions that rest for 10 s by default.
// Options: `pool` (arguments of Pool).

import pg from "pg";

import { Exhausted, Sessions } from "./application.mjs";
import * as raw from "./raw.mjs";

export class Library {
  constructor(setup) {
    this.setup = setup;
  }

  open(size) {
    const pool = new pg.Pool({
      ...raw.connection(this.setup),
      max: size,
      connectionTimeoutMillis: 4000,
      ...(this.setup.min === null ? {} : { min: this.setup.min }),
      ...this.setup.options.pool,
    });
    pool.opened = new Sessions();
    pool.on("connect", (client) => pool.opened.push(raw.identity(this.setup, client)));
    pool.on("error", (error) => console.error(error));
    return pool;
  }

  async acquire(pool) {
    try {
      return await pool.connect();
    } catch (error) {
      throw String(error).includes("timeout") ? new Exhausted() : error;
    }
  }

  release = (_pool, client) => client.release();
  work = raw.work;
  begin = raw.begin;
  execute = (client, sql) => client.query(sql);
  leaveResult = (client) => raw.leaveResult(client);
  finishResult = raw.finishResult;
  identity = (client) => raw.identity(this.setup, client);
  serverPid = raw.serverPid;

  async connect() {
    const client = new pg.Client(raw.connection(this.setup));
    await client.connect();
    new Sessions().push(raw.identity(this.setup, client));
    return client;
  }

  close = (client) => client.end();
}
