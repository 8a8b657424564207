// The reader of the protocol against bytes that were changed at random: an answer or a fault, and soon.
//
// ARCHON_FUZZ_RUNS makes it go on for longer, ARCHON_FUZZ_SEED elsewhere.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { Malformed } from "../dist/body.js";
import { parseTarget } from "../dist/connection-config/resolve.js";
import { Fault } from "../dist/fault.js";
import { limitsWith } from "../dist/limits.js";
import { Session } from "../dist/session.js";
import { decodeUtf8 } from "../dist/text.js";
import * as wire from "../dist/wire.js";
import { errorResponse, message } from "./bytes.js";
import { statement } from "./host-api.js";
import { COMPLETE, dataRow, KEY, Peer, rowDescription } from "./peer.js";
import { authentication } from "./scripted.js";

const RUNS = Number(process.env.ARCHON_FUZZ_RUNS ?? 400);
const SEED = Number(process.env.ARCHON_FUZZ_SEED ?? 20_260_728);
const settings = (numRuns: number) => ({ seed: SEED, numRuns, endOnFailure: false });

const status = (name: string, value: string) => message("S", Buffer.from(`${name}\0${value}\0`));
const notice = message("N", errorResponse("NOTICE", "00000", "by the way").subarray(5));
const START = [authentication(0), status("server_version", "17.2"), notice, KEY, message("Z", Buffer.from("I"))];
const ANSWER = [
  message("1"),
  message("2"),
  rowDescription(23, 25, 1184),
  dataRow(Buffer.alloc(4), Buffer.from("text"), Buffer.alloc(8)),
  dataRow(null, null, null),
  COMPLETE,
];
const LOGINS = [
  [authentication(3), ...START],
  [authentication(5, Buffer.from("salt")), ...START],
  [authentication(10, Buffer.from("SCRAM-SHA-256\0\0")), authentication(11, Buffer.from("r=x,s=AAAA,i=4096"))],
  [errorResponse("FATAL", "28P01", "no")],
];

/** One change of a transcript: of bytes, of a length, of the order or of the end. */
interface Change {
  kind: "set" | "cut" | "drop" | "insert" | "length" | "repeat";
  at: number;
  value: number;
}

const changes = fc.array(
  fc.record<Change>({
    kind: fc.constantFrom("set", "cut", "drop", "insert", "length", "repeat"),
    at: fc.nat(400),
    value: fc.oneof(fc.nat(255), fc.constantFrom(-1, 0, 3, 4, 2 ** 31 - 1, -(2 ** 31))),
  }),
  { minLength: 1, maxLength: 4 },
);

function changed(messages: readonly Buffer[], list: readonly Change[]): Buffer {
  const all = messages.map((it) => Buffer.from(it));
  for (const { kind, at, value } of list) {
    const index = at % all.length;
    const one = all[index] ?? Buffer.alloc(0);
    const within = one.length === 0 ? 0 : at % one.length;
    if (kind === "set" && one.length > 0) one[within] = value & 255;
    else if (kind === "cut") all[index] = one.subarray(0, within);
    else if (kind === "drop") all[index] = Buffer.concat([one.subarray(0, within), one.subarray(within + 1)]);
    else if (kind === "insert")
      all[index] = Buffer.concat([one.subarray(0, within), Buffer.from([value & 255]), one.subarray(within)]);
    else if (kind === "repeat") all.splice(index, 0, one);
    else if (kind === "length" && one.length >= 5) one.writeInt32BE(value, 1);
  }
  return Buffer.concat(all);
}

let peer: Peer;
let start: Buffer;
let answer: Buffer;
before(async () => {
  peer = await Peer.start((socket) => {
    socket.write(start);
    if (answer.length === 0) socket.end();
    else socket.once("data", () => socket.end(answer));
  });
});
after(() => peer.stop());

/** Opens a session at the peer, runs one statement, and returns the fault that it ended with. */
async function session(): Promise<unknown> {
  const limits = limitsWith({ connectTimeoutMs: 2_000, statementTimeoutMs: 1 });
  try {
    const session = await Session.unchecked(parseTarget(peer.url()), limits);
    try {
      await session.query([statement("SELECT 1")], () => true);
    } finally {
      await session.close();
    }
  } catch (error) {
    return error;
  }
  return undefined;
}

async function check(): Promise<void> {
  const started = performance.now();
  const error = await session();
  if (error !== undefined) {
    assert.ok(error instanceof Fault, String((error as Error).stack));
    assert.ok(!error.message.includes("hunter2"), error.message);
  }
  assert.ok(performance.now() - started < 9_000, "it took too long");
  await peer.left();
}

test("a session that starts otherwise is opened or refused", async () => {
  const property = fc.asyncProperty(fc.constantFrom(START, ...LOGINS), changes, async (messages, list) => {
    [start, answer] = [changed(messages, list), Buffer.alloc(0)];
    await check();
  });
  await fc.assert(property, settings(RUNS));
});

test("an answer that was changed is read, or ends its session", async () => {
  const property = fc.asyncProperty(changes, async (list) => {
    [start, answer] = [Buffer.concat(START), changed(ANSWER, list)];
    await check();
  });
  await fc.assert(property, settings(RUNS));
});

test("any bytes are a message's contents or malformed, and nothing else", () => {
  const readers: ((bytes: Buffer) => unknown)[] = [
    (bytes) => wire.columns(bytes, decodeUtf8),
    (bytes) => wire.fields(bytes, 3),
    (bytes) => wire.serverError(bytes, decodeUtf8),
    (bytes) => wire.parameterStatus(bytes, decodeUtf8),
    wire.backendKey,
    wire.checkReady,
    (bytes) => wire.mechanisms(wire.authentication(bytes).data),
  ];
  const bodies = [rowDescription(23, 25), dataRow(Buffer.from("a"), null, Buffer.alloc(0)), ...LOGINS.flat(), KEY];
  const made = fc.tuple(fc.constantFrom(...bodies), changes).map(([whole, list]) =>
    changed(
      [whole.subarray(5)],
      list.filter(({ kind }) => kind !== "repeat"),
    ),
  );
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    made,
  );
  const property = fc.property(any, fc.constantFrom(...readers), (bytes, read) => {
    try {
      read(bytes);
    } catch (error) {
      assert.ok(error instanceof Malformed, String(error));
    }
  });
  fc.assert(property, settings(RUNS * 25));
});

test("messages are cut alike, however their bytes come", () => {
  const cut = (bytes: Buffer, sizes: readonly number[]) => {
    const found: string[] = [];
    const framing = new wire.Framing((_, length) => {
      if (length > 4_096) throw new Malformed("too long");
    });
    try {
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1;
        for (const { code, body } of framing.push(bytes.subarray(at, at + size))) {
          found.push(`${code}${body.toString("hex")}`);
        }
        at += size;
      }
    } catch (error) {
      assert.ok(error instanceof Malformed, String(error));
      found.push(error.message);
    }
    return found;
  };
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
  const property = fc.property(changes, sizes, (list, sizes) => {
    const bytes = changed([...START, ...ANSWER], list);
    assert.deepEqual(cut(bytes, sizes), cut(bytes, [bytes.length]));
  });
  fc.assert(property, settings(RUNS * 5));
});
