// Applications made with `pg`, which do as they are told on standard input: each line is a JSON list, a command with
// its arguments, and each is answered by one line. It ends with its input.

import { createRequire } from 'node:module';
import readline from 'node:readline';

// Installed elsewhere: in the folder that the first argument names.
const pg = createRequire(`${process.argv[2]}/`)('pg');

const clients = new Map();
const payloads = new Map();
const pools = [];

const commands = {
  async open(name, url) {
    const client = new pg.Client(url);
    // Whoever ends a session is to be seen by the test, not to end this program.
    client.on('error', () => {});
    await client.connect();
    clients.set(name, client);
  },
  async run(name, ...statements) {
    for (const sql of statements) await clients.get(name).query(sql);
  },
  async transaction(name, ...statements) {
    await commands.run(name, 'BEGIN', ...statements, 'COMMIT');
  },
  async listen(name, channel) {
    const client = clients.get(name);
    payloads.set(name, new Promise((resolve) => client.once('notification', (event) => resolve(event.payload))));
    await client.query(`LISTEN ${channel}`);
  },
  notified: (name) => payloads.get(name),
  async pool(url, size, sql) {
    const pool = new pg.Pool({ connectionString: url, max: size, idleTimeoutMillis: 0 });
    pool.on('error', () => {});
    pools.push(pool);
    const taken = await Promise.all(Array.from({ length: size }, () => pool.connect()));
    await Promise.all(taken.map((client) => client.query(sql)));
    for (const client of taken) client.release();
  },
  async close(name) {
    await clients.get(name).end();
    clients.delete(name);
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const [command, ...given] = JSON.parse(line);
  let answer;
  try {
    answer = { ok: (await commands[command](...given)) ?? null };
  } catch (error) {
    answer = { error: error.message };
  }
  console.log(JSON.stringify(answer));
}
process.exit();
