// The smallest host with a live server. It can end nobody. DATABASE_URL=… node minimal.mjs '{"action":"monitor"}'
import { readFileSync } from "node:fs";
import { isMainThread, MessageChannel, receiveMessageOnPort, Worker, workerData } from "node:worker_threads";
import pg from "pg";
// From `npx jco transpile pool-observer.wasm --instantiation sync`, and from `describe`, as this package has them.
const folder = new URL("../dist/components/pool-observer/", import.meta.url);
const { statements } = JSON.parse(readFileSync(new URL("../index.json", folder)))["pool-observer"].description;
const fault = ({ message, code }) => ({ kind: "query-failed", message, sqlstate: code, retryable: false });
function host(input) { // The thread with the driver and the secret. It ends the other when its time is up.
  const [bell, { port1: port, port2 }] = [new Int32Array(new SharedArrayBuffer(4)), new MessageChannel()];
  const thread = { workerData: { input, bell, port: port2 }, transferList: [port2], env: {} };
  const worker = new Worker(new URL(import.meta.url), thread).on("exit", () => [port.close(), client.end()]);
  setTimeout(() => worker.terminate(), 60_000).unref();
  const options = "-c default_transaction_read_only=on -c statement_timeout=9s -c search_path=pg_catalog -c TimeZone=0";
  const login = { connectionString: process.env.DATABASE_URL, application_name: "archon-pool" };
  const client = new pg.Client({ ...login, options, pipeline: true, types: { getTypeParser: () => String } });
  const query = async ({ sql: text, params, maxRows }) => {
    if (!statements.some(({ sql }) => sql === text)) throw new Error("only statements of the catalogue are sent");
    const { fields, rows } = await client.query({ text, values: params.map((it) => it.val), rowMode: "array" });
    const columns = fields.map((field, index) => column(field, rows.slice(0, maxRows).map((row) => row[index])));
    return { tag: "ok", val: { columns, count: Math.min(rows.length, maxRows), truncated: rows.length > maxRows } };
  };
  const one = (statement) => query(statement).catch((error) => ({ tag: "err", val: fault(error) }));
  port.on("message", async (batch) => {
    const answer = batch === "open" ? client.connect().then(() => true) : Promise.all(batch.map(one));
    port.postMessage(await answer.then((ok) => ({ ok }), (error) => ({ err: fault(error) })));
    Atomics.notify(bell, Atomics.store(bell, 0, 1) - 1);
  });
}
async function guest({ input, bell, port }) { // The thread with the component, whose imports wait for the other.
  const ask = (message) => {
    port.postMessage(message, void Atomics.store(bell, 0, 0));
    Atomics.wait(bell, 0, 0);
    const { ok, err } = receiveMessageOnPort(port).message;
    if (err) throw err; // jco takes an Error for a trap, and anything else for the error of WIT's result.
    return ok;
  };
  const none = (kind) => () => { throw { ...fault(new Error("this host lends none")), kind }; };
  class Session { static open = () => ask("open") && new Session(); accessPath = () => "direct"; notes = () => []; query = ask; }
  const lent = { Credential: class {}, Session, Console: { open: none("no-pooler") }, probe: none("no-probe") };
  lent.lookup = () => new lent.Credential();
  const wit = ["types", "credentials", "database", "pooler"].map((name) => [`archon:connection-pool/${name}`, lent]);
  const { instantiate } = await import(new URL("pool-observer.js", folder));
  const core = (file) => new WebAssembly.Module(readFileSync(new URL(file, folder)));
  console.log(instantiate(core, Object.fromEntries(wit)).skill.run(input));
}
function column({ name, dataTypeID: typeOid }, texts, end = 0) { // As the contract's types. A null is 0 or empty.
  const nulls = texts.includes(null) ? Uint8Array.from(texts, (text) => text === null) : new Uint8Array();
  const list = (tag, type, read) => ({ tag, val: type.from(texts, (text) => read(text ?? "0")) });
  const ends = Uint32Array.from(texts, (text) => (end += Buffer.byteLength(text ?? ""))); // In bytes of UTF-8.
  const cells = typeOid === 16 ? list("booleans", Uint8Array, (text) => text === "t") :
    [20, 21, 23, 26].includes(typeOid) ? list("int64s", BigInt64Array, BigInt) :
    typeOid === 701 ? list("float64s", Float64Array, Number) :
    typeOid === 1184 ? list("timestamps", BigInt64Array, micros) : { tag: "texts", val: { ends, text: texts.join("") } };
  return { name, typeOid, nulls, cells };
}
const micros = (text, [time, rest = ""] = text.slice(0, -"+00".length).split(".")) => // More precise than a Date.
  BigInt(Date.parse(`${time}Z`) || 0) * 1_000n + BigInt(rest.padEnd(6, "0"));
await (isMainThread ? host(process.argv[2]) : guest(workerData));
