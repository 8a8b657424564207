// Texts in any encoding, seen from databases of any other: no text makes an answer fail.
//
// Stands for pg_activity#149 and #332, powa#136 and temboard#887: one client's statement blinded the whole tool.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { Host } from "archon-connection-pool";
import { parseTarget } from "../dist/connection-config/resolve.js";
import { limitsWith } from "../dist/limits.js";
import { toRows } from "../dist/row-set.js";
import { Session } from "../dist/session.js";
import { decoderOf } from "../dist/text.js";
import { message, packet } from "./bytes.js";
import { Cluster } from "./cluster.js";
import { statement } from "./host-api.js";
import { PgBouncer } from "./pgbouncer.js";
import { until } from "./process.js";

const ENCODINGS = ["UTF8", "SQL_ASCII", "LATIN1", "WIN1252", "EUC_JP"] as const;

/** "é" and "あ" in their encodings, cut characters, bytes that are nothing. */
const ODD = {
  LATIN1: Buffer.from([0xe9, 0x20, 0xff]),
  EUC_JP: Buffer.from([0xa4, 0xa2, 0x20, 0xa4]),
  UTF8: Buffer.from("あ é").subarray(0, 5),
  nothing: Buffer.from([0xff, 0xfe, 0x80, 0xc0]),
};

let cluster: Cluster;
const clients: Socket[] = [];
before(async () => {
  cluster = await Cluster.start({ track_activity_query_size: "100" });
  await cluster.run("CREATE ROLE raw LOGIN SUPERUSER");
  for (const encoding of ENCODINGS) {
    await cluster.run(`CREATE DATABASE in_${encoding} ENCODING '${encoding}' TEMPLATE template0 LOCALE 'C'`);
  }
  await cluster.admit("host all raw 127.0.0.1/32 trust");
});
after(async () => {
  for (const client of clients) client.destroy();
  await cluster.stop();
});

/** A client that speaks in bytes: it sends one statement as it is, and stays idle after it. */
async function speak(database: string, sql: Buffer): Promise<void> {
  const socket = connect(cluster.port, "127.0.0.1");
  clients.push(socket);
  await once(socket, "connect");
  const parameters = ["user", "raw", "database", database.toLowerCase(), "client_encoding", "SQL_ASCII"];
  const named = [...parameters, "application_name", "odd"];
  socket.write(packet(196_608, Buffer.from(`${named.join("\0")}\0\0`)));
  socket.write(message("Q", Buffer.concat([sql, Buffer.from([0])])));
  let said = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    said = Buffer.concat([said, chunk]);
  });
  // Two ReadyForQuery: of the session and of the statement.
  await until("the client has its answer", () => said.toString("latin1").split("Z\0\0\0\x05").length > 2);
}

/** The statements of the clients as a session in this database shows them. */
async function seen(database: string): Promise<string[]> {
  const session = await Session.open(parseTarget(cluster.url("postgres", database.toLowerCase())), limitsWith());
  const sql = "SELECT query FROM pg_stat_activity WHERE application_name = 'odd' ORDER BY backend_start";
  const [answer] = await session.query([statement(sql)], () => true);
  await session.close();
  if (!answer || "err" in answer) throw answer?.err;
  return toRows(answer.ok).map(([value]) => (value?.tag === "text" ? value.val : "no text"));
}

test("a statement of a database in any encoding is seen from databases in any other", async () => {
  // A comment of theirs is checked by no database but one of several bytes a letter, which refuses what is none.
  await speak("in_SQL_ASCII", Buffer.concat([Buffer.from("SELECT 1 -- "), ODD.nothing]));
  await speak("in_LATIN1", Buffer.concat([Buffer.from("SELECT 2 -- "), ODD.LATIN1]));
  await speak("in_WIN1252", Buffer.concat([Buffer.from("SELECT 3 -- "), Buffer.from([0x93, 0xe9, 0x94])]));
  await speak("in_EUC_JP", Buffer.concat([Buffer.from("SELECT 4 -- "), ODD.EUC_JP.subarray(0, 2)]));
  // Cut by the server in the middle of a character.
  await speak("in_EUC_JP", Buffer.concat([Buffer.from("SELECT 55 -- "), ...Array(60).fill(ODD.EUC_JP.subarray(0, 2))]));
  await speak("in_UTF8", Buffer.from(`SELECT 6 -- ${"あ".repeat(40)}`));
  for (const encoding of ENCODINGS) {
    const texts = await seen(`in_${encoding}`);
    assert.equal(texts.length, 6, encoding);
    for (const [index, text] of texts.entries()) assert.match(text, new RegExp(`^SELECT ${index + 1}+ -- `));
    assert.match(texts[5] ?? "", /^SELECT 6 -- あ{20}/);
  }
  assert.match((await seen("in_LATIN1"))[1] ?? "", /^SELECT 2 -- é ÿ$/);
  assert.match((await seen("in_WIN1252"))[2] ?? "", /^SELECT 3 -- “é”$/);
  assert.match((await seen("in_EUC_JP"))[3] ?? "", /^SELECT 4 -- あ$/);
  assert.match((await seen("in_UTF8"))[3] ?? "", /^SELECT 4 -- \ufffd+$/);
});

test("every action answers in a database of any encoding, beside clients with odd bytes", async () => {
  for (const encoding of ENCODINGS) {
    const host = new Host({ credentials: { default: cluster.url("postgres", `in_${encoding}`.toLowerCase()) } });
    for (const action of ["monitor", "detect-leaks", "health-check", "full-analysis"]) {
      const { output } = await host.call({ action, options: { sampleMs: 0 } });
      const { success, error } = JSON.parse(output);
      assert.equal(success, true, `${action} in ${encoding}: ${JSON.stringify(error)}`);
    }
  }
});

test("an error, a column's name and a value of odd bytes are shown as far as they can be read", async () => {
  const session = await Session.open(parseTarget(cluster.url("postgres", "in_latin1")), limitsWith());
  const sql = "SELECT chr(233) || 't' || chr(233) AS x";
  const raising = "SELECT ('x' || chr(233))::int8";
  const [value, raised] = await session.query([statement(sql), statement(raising)], () => true);
  await session.close();
  assert.deepEqual(value && "ok" in value && toRows(value.ok), [[{ tag: "text", val: "été" }]]);
  assert.match((raised && "err" in raised && raised.err.message) || "", /"xé"/);
});

test("behind a transaction pooler nothing is converted, either", async () => {
  const bouncer = await PgBouncer.before(cluster);
  for (const encoding of ["LATIN1", "EUC_JP"]) {
    const session = await Session.open(parseTarget(bouncer.url(`in_${encoding}`.toLowerCase())), limitsWith());
    assert.equal(session.accessPath, "pooled");
    const sql = "SELECT query, current_setting('client_encoding') FROM pg_stat_activity WHERE application_name = 'odd'";
    const [answer] = await session.query([statement(sql)], () => true);
    await session.close();
    assert.ok(answer && "ok" in answer, JSON.stringify(answer));
    assert.ok(toRows(answer.ok).every(([, setting]) => setting?.tag === "text" && setting.val === "SQL_ASCII"));
    assert.equal(answer.ok.count, 6);
  }
  await bouncer.stop();
});

test("texts are read as UTF-8 where they are, and else in the encoding of their database", () => {
  const bytes = (...numbers: number[]) => Uint8Array.from(numbers);
  assert.equal(decoderOf("LATIN1")(bytes(0xe9)), "é");
  assert.equal(decoderOf("LATIN1")(bytes(0xc3, 0xa9)), "é");
  assert.equal(decoderOf("WIN1252")(bytes(0x80)), "€");
  assert.equal(decoderOf("EUC_JP")(bytes(0xa4, 0xa2)), "あ");
  assert.equal(decoderOf("EUC_JP")(bytes(0x61, 0xa4)), "a\ufffd");
  assert.equal(decoderOf("EUC_JP")(bytes(0xa4, 0x41, 0x92, 0x62)), "\ufffdA\ufffdb");
  for (const encoding of [undefined, "UTF8", "SQL_ASCII", "MULE_INTERNAL", "__proto__"]) {
    assert.equal(decoderOf(encoding)(bytes(0x61, 0xff, 0xe3, 0x81, 0x62)), "a\ufffd\ufffdb");
  }
  assert.equal(decoderOf("UTF8")(bytes(0xef, 0xbb, 0xbf, 0x61)), "\ufeffa");
});

test("bytes that an encoding has no letters for are read soon, however many they are", () => {
  for (const encoding of ["EUC_KR", "EUC_JP", "EUC_CN", "WIN1252", "WIN1251", "UTF8"]) {
    for (const pair of [Buffer.from([0x81, 0xff]), Buffer.from([0x81, 0xe9]), Buffer.from([0x61, 0x80])]) {
      const bytes = Buffer.alloc(4 << 20, pair);
      const started = performance.now();
      decoderOf(encoding)(bytes);
      const took = performance.now() - started;
      assert.ok(took < 1_500, `${encoding} of ${pair.toString("hex")} took ${took} ms`);
    }
  }
});

test("an encoding that a server names again is not set up again", () => {
  assert.equal(decoderOf("EUC_KR"), decoderOf("EUC_KR"));
  assert.equal(decoderOf("toString"), decoderOf(undefined));
});
