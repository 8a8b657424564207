// postgres.js: its pool has 10 sessions and the name `postgres.js` by default, and closes none before 45 to 90 minutes.
// Options: `pool` (arguments of postgres()).

import { once } from "node:events";
import { connect } from "node:net";

import postgres from "postgres";

import { Sessions } from "./application.mjs";
import { numbered } from "./statements.mjs";

export class Library {
  constructor(setup) {
    this.setup = setup;
    this.prepared = { prepare: setup.mode !== "bouncer-transaction" };
  }

  open(size) {
    const { setup } = this;
    const opened = new Sessions();
    const sql = postgres({
      host: setup.host,
      port: setup.port,
      user: setup.user,
      password: setup.password,
      database: setup.database,
      max: size,
      ...this.prepared,
      onnotice: () => {},
      socket: () => this.dial(opened),
      ...(setup.application_name === null ? {} : { connection: { application_name: setup.application_name } }),
      ...setup.options.pool,
    });
    return { sql, opened };
  }

  /** The library hides its sockets and processes: the sockets are opened here, for their ports. */
  async dial(opened) {
    const socket = connect(this.setup.port, this.setup.host);
    await once(socket, "connect");
    opened.push({ port: socket.localPort });
    return socket;
  }

  /** A reserved session; the library has no timeout for it. */
  acquire = (pool) => pool.sql.reserve();

  pid = async (one) => (await one`select pg_backend_pid() as pid`)[0].pid;

  release = (_pool, one) => one.release();

  async work(one, path) {
    if (path.length > 1) await one`begin`;
    for (const [sql, values] of path) await one.unsafe(numbered(sql), values, this.prepared);
    if (path.length > 1) await one`commit`;
  }

  async begin(one, path) {
    if (!one.begun) await one`begin`;
    one.begun = true;
    for (const [sql, values] of path) await one.unsafe(numbered(sql), values, this.prepared);
  }

  execute = (one, sql) => one.unsafe(sql);

  async leaveResult(one) {
    await one`begin`;
    const rows = one`select id, name, stock from items order by id`.cursor(50)[Symbol.asyncIterator]();
    await rows.next();
    return rows;
  }

  async finishResult(one, rows) {
    await rows.return();
    await one`commit`;
  }

  async connect() {
    const pool = this.open(1);
    const one = await this.acquire(pool);
    one.pool = pool;
    return one;
  }

  close = (one) => one.pool.sql.end({ timeout: 1 });

  /** Asked for before the session is lost, since the library hides it. */
  identity = async (one) => (this.setup.mode === "bouncer-transaction" ? { port: 0 } : { pid: await this.pid(one) });

  async serverPid(one) {
    await one`begin`;
    one.begun = true;
    return this.pid(one);
  }
}
