// What all libraries that stand on `pg` share: they have a `pg.Client` inside.

import { numbered } from "./statements.mjs";

/** Returns the arguments of `pg` for a set-up. */
export function connection({ host, port, user, password, database, application_name }) {
  const arguments_ = { host, port, user, password, database };
  return application_name === null ? arguments_ : { ...arguments_, application_name };
}

/** Returns the session's `pid`, or its `port` where a pooler is between. */
export function identity(setup, client) {
  return setup.mode === "direct" ? { pid: client.processID } : { port: client.connection.stream.localPort };
}

/** Runs a piece of work, in a transaction if it has several statements. */
export async function work(client, path) {
  if (path.length > 1) await client.query("BEGIN");
  for (const [sql, values] of path) await client.query(numbered(sql), values);
  if (path.length > 1) await client.query("COMMIT");
}

/** Runs a piece of work and leaves its transaction open. */
export async function begin(client, path) {
  if (!client.begun) await client.query("BEGIN");
  client.begun = true;
  for (const [sql, values] of path) await client.query(numbered(sql), values);
}

/** Begins a transaction and asks for its server process. */
export async function serverPid(client) {
  await client.query("BEGIN");
  client.begun = true;
  return (await client.query("SELECT pg_backend_pid() AS pid")).rows[0].pid;
}

export async function leaveResult(client, order = "id") {
  await client.query("BEGIN");
  await client.query(`DECLARE export CURSOR FOR SELECT id, name, stock FROM items ORDER BY ${order}`);
  await client.query("FETCH 50 FROM export");
}

export async function finishResult(client) {
  await client.query("CLOSE export");
  await client.query("COMMIT");
}
