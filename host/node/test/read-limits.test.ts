// Bounds on what a server may send: bytes, lengths, types and messages, each judged before it is kept.

import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { afterEach, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { canBind } from "../dist/certificate-hash.js";
import { parseTarget } from "../dist/connection-config/resolve.js";
import { Fault } from "../dist/fault.js";
import { type Limits, limitsWith } from "../dist/limits.js";
import type { RowSet } from "../dist/row-set.js";
import { type Answer, Session } from "../dist/session.js";
import { decodeUtf8, startOf } from "../dist/text.js";
import { OID } from "../dist/values.js";
import { serverError } from "../dist/wire.js";
import { errorResponse, message, number } from "./bytes.js";
import { statement } from "./host-api.js";
import { COMPLETE, dataRow, flood, KEY, Peer, rowDescription } from "./peer.js";
import { authentication, ready } from "./scripted.js";

const MIB = 1 << 20;
const NOTICE = message("N", errorResponse("NOTICE", "00000", "by the way").subarray(5));
const STATUS = message("S", Buffer.from("application_name\0archon\0"));
const INT8 = rowDescription(20);
const ERROR = errorResponse("ERROR", "22012", "division by zero");
const READY = Buffer.concat([authentication(0), KEY, message("Z", Buffer.from("I"))]);

let peer: Peer | undefined;
afterEach(async () => {
  await peer?.stop();
  peer = undefined;
});

/** Starts a server, and hands out the fault of a session with it. */
async function refused(behave: (socket: Socket) => void, limits: Partial<Limits> = {}): Promise<Fault> {
  peer = await Peer.start(behave);
  const opening = Session.unchecked(parseTarget(peer.url()), limitsWith({ connectTimeoutMs: 5_000, ...limits }));
  const fault = await opening.then(
    () => assert.fail("a session was opened"),
    (it: Fault) => it,
  );
  assert.ok((await peer.left()) < 1_000);
  await peer.stop();
  return fault;
}

/** The same of a statement: its answer, or the fault that ended the session. */
async function answered(
  behave: (socket: Socket) => void,
  limits: Partial<Limits> = {},
  take: (bytes: number) => boolean = () => true,
): Promise<Answer<RowSet> | Fault> {
  peer = await Peer.start((socket) => {
    socket.write(READY);
    socket.once("data", () => behave(socket));
  });
  const session = await Session.unchecked(parseTarget(peer.url()), limitsWith(limits));
  const found = await session.query([statement("SELECT 1")], take).then(
    ([answer]) => answer as Answer<RowSet>,
    (it: Fault) => it,
  );
  await session.close();
  assert.ok((await peer.left()) < 1_000);
  await peer.stop();
  return found;
}

function assertLimit(found: unknown, name: string): void {
  assert.ok(found instanceof Fault, JSON.stringify(found));
  assert.deepEqual([found.kind, found.retryable], ["limit-exceeded", false], found.message);
  assert.ok(found.message.endsWith(`limit \`${name}\``), found.message);
}

test("a server that has too much to say before a session ends its own attempt", async () => {
  for (const bytes of [NOTICE, STATUS, message("S", Buffer.concat([Buffer.alloc(2 * MIB, "x"), Buffer.alloc(2)]))]) {
    assertLimit(await refused((socket) => flood(socket, bytes)), "startBytes");
  }
  const announced = Buffer.concat([Buffer.from("N"), number(2 ** 31 - 1)]);
  assertLimit(await refused((socket) => socket.write(announced)), "protocolMessageBytes");
  const few = { startBytes: 200 };
  assertLimit(await refused((socket) => flood(socket, NOTICE), few), "startBytes");
});

test("a message is refused by its length before its body is read", async () => {
  for (const code of ["D", "T", "E", "N", "S"]) {
    const announced = Buffer.concat([Buffer.from(code), number(2 ** 31 - 1)]);
    assertLimit(await answered((socket) => socket.write(announced)), "protocolMessageBytes");
  }
  const row = dataRow(Buffer.alloc(5_000));
  assertLimit(await answered((socket) => socket.write(row), { protocolMessageBytes: 4_096 }), "protocolMessageBytes");
});

test("a statement that brings too much ends its session", async () => {
  const row = dataRow(Buffer.alloc(8));
  for (const bytes of [row, NOTICE, STATUS, message("2"), dataRow(Buffer.alloc(100_000))]) {
    const flooding = (socket: Socket) => {
      socket.write(INT8);
      flood(socket, bytes);
    };
    assertLimit(await answered(flooding, { statementBytes: 4 * MIB }), "statementBytes");
  }
  const flooding = (socket: Socket) => {
    socket.write(rowDescription(25));
    flood(socket, dataRow(Buffer.alloc(MIB, "x")));
  };
  assertLimit(await answered(flooding), "statementBytes");
});

test("each statement has its own count, and what comes between two is the next one's", async () => {
  // A message costs 64 bytes more than its own.
  const size = 10 * (dataRow(Buffer.alloc(8)).length + 64);
  peer = await Peer.start((socket) => {
    socket.write(READY);
    socket.on("data", () => socket.write(Buffer.concat([INT8, ...Array(10).fill(dataRow(Buffer.alloc(8))), COMPLETE])));
  });
  const limits = limitsWith({ statementBytes: size + 300 });
  const session = await Session.unchecked(parseTarget(peer.url()), limits);
  for (let turn = 0; turn < 3; turn++) {
    const [answer] = await session.query([statement("SELECT 1")], () => true);
    assert.ok(answer && "ok" in answer && answer.ok.count === 10);
  }
  await session.close();
});

test("the host's own statements take no more rows than one statement may bring", async () => {
  const flooding = (socket: Socket) => {
    socket.write(READY);
    socket.once("data", () => {
      socket.write(rowDescription());
      flood(socket, dataRow());
    });
  };
  peer = await Peer.start(flooding);
  const session = await Session.unchecked(parseTarget(peer.url()), limitsWith({ statementBytes: MIB }));
  const [answer] = await session.own("SELECT 1", [[]]);
  assertLimit(answer && "err" in answer ? answer.err : answer, "statementBytes");
  assert.ok((await peer.left()) < 1_000);
  await session.close();
});

test("a message that contradicts the protocol ends its session at once", async () => {
  const text = (bytes: string) => Buffer.from(bytes);
  const cases: [string, Buffer, RegExp][] = [
    ["an error without a terminator", message("E", text("SERROR\0Mno")), /ErrorResponse holds a text without/],
    ["an error without an end", message("E", text("SERROR\0Mno\0")), /ErrorResponse ends before its contents/],
    ["an empty error", message("E"), /ErrorResponse ends before its contents/],
    ["an error that goes on", message("E", text("Mno\0\0more")), /ErrorResponse goes on after its contents/],
    ["columns that are not there", message("T", Buffer.from([0x7f, 0xff])), /RowDescription announces 32767 columns/],
    ["a negative number of columns", message("T", Buffer.from([0xff, 0xff])), /RowDescription announces -1 columns/],
    ["a column without a terminator", message("T", Buffer.from([0, 1, 65, 65])), /RowDescription holds a text without/],
    [
      "a column with an endless name",
      message("T", Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(5_000, "x"), Buffer.alloc(19)])),
      /RowDescription names a column with 5000 bytes/,
    ],
    ["a column without a type", message("T", Buffer.from([0, 1, 65, 0, 0])), /RowDescription ends before/],
    ["a row with too few values", Buffer.concat([INT8, dataRow()]), /DataRow has 0 values for 1 columns/],
    ["a row with too many", Buffer.concat([INT8, dataRow(null, null)]), /DataRow has 2 values for 1 columns/],
    [
      "a value longer than its row",
      Buffer.concat([INT8, message("D", Buffer.from([0, 1, 0, 0, 0, 9, 1]))]),
      /DataRow ends/,
    ],
    [
      "a value of -2 bytes",
      Buffer.concat([INT8, message("D", Buffer.from([0, 1, 255, 255, 255, 254]))]),
      /DataRow ends/,
    ],
    [
      "a row that goes on",
      Buffer.concat([INT8, message("D", Buffer.from([0, 1, 255, 255, 255, 255, 0]))]),
      /DataRow goes on/,
    ],
    ["an end in no state", message("Z", text("X")), /ReadyForQuery names no state/],
    ["an end without a state", message("Z"), /ReadyForQuery ends before/],
    ["a message of length 3", Buffer.concat([text("C"), number(3)]), /a message of 3 bytes/],
    ["a message of length -1", Buffer.concat([text("C"), number(-1)]), /a message of -1 bytes/],
    ["rows without columns", Buffer.concat([dataRow(null), COMPLETE]), /a row came without a description/],
    ["rows behind an error", Buffer.concat([ERROR, INT8, COMPLETE]), /an answer went on after its error/],
    ["error after error", Buffer.concat([ERROR, ERROR]), /an answer went on after its error/],
    ["an end before an answer", message("Z", text("I")), /ReadyForQuery came before an answer/],
    ["two ends", Buffer.concat([INT8, COMPLETE, message("Z", text("I"))]), /a message 'Z' came unasked/],
    ["a message of length 0", Buffer.concat([text("C"), number(0)]), /a message of 0 bytes/],
    ["a copy to the server", message("G", Buffer.from([0, 0, 0])), /a message 'G' came in a session/],
    ["a copy to the client", message("H", Buffer.from([0, 0, 0])), /a message 'H' came in a session/],
    ["a copy both ways", message("W", Buffer.from([0, 0, 0])), /a message 'W' came in a session/],
    ["an authentication", authentication(3), /a message 'R' came in a session/],
    ["no letter", message("\0"), /a message of type 0 came in a session/],
  ];
  for (const [what, bytes, words] of cases) {
    const found = await answered((socket) => socket.write(bytes));
    assert.ok(found instanceof Fault, what);
    assert.deepEqual([found.kind, found.retryable], ["unexpected-answer", false], what);
    assert.match(found.message, words, what);
  }
});

test("a value has the length of its type, or fails its statement and not its session", async () => {
  const lengths = [
    [OID.bool, 1],
    [OID.int2, 2],
    [OID.int4, 4],
    [OID.oid, 4],
    [OID.float4, 4],
    [OID.int8, 8],
    [OID.float8, 8],
    [OID.timestamp, 8],
    [OID.timestamptz, 8],
  ] as const;
  for (const [type, length] of lengths) {
    for (const bytes of [0, length - 1, length, length + 1, 2 * length]) {
      const row = Buffer.concat([rowDescription(type), dataRow(Buffer.alloc(bytes)), COMPLETE]);
      const found = await answered((socket) => socket.write(row));
      if (bytes === length) {
        assert.ok("ok" in found, `${type}`);
        continue;
      }
      assert.ok("err" in found && found.err.kind === "unexpected-answer", `${type} of ${bytes} bytes`);
      assert.match(found.err.message, /column 'c0' cannot be read/);
    }
  }
});

test("a type outside of the table is refused at once, with or without rows, and nothing is looked up", async () => {
  for (const rows of [[], [dataRow(Buffer.from("x"))], Array(1_000).fill(dataRow(Buffer.from("x")))]) {
    let heard = 0;
    const found = await answered((socket) => {
      socket.on("data", (bytes: Buffer) => {
        if (bytes[0] !== "X".charCodeAt(0)) heard++;
      });
      socket.write(Buffer.concat([rowDescription(999_999), ...rows, COMPLETE]));
    });
    assert.ok("err" in found && found.err.kind === "unsupported-type", JSON.stringify(found));
    assert.match(found.err.message, /column 'c0' has a type of its own \(OID 999999\): cast it in the statement/);
    assert.equal(heard, 0);
  }
});

test("an error's text is cut where it is long, and not within a letter", async () => {
  const said = async (text: string) => {
    const error = errorResponse("ERROR", "22012", text);
    const found = await answered((socket) => socket.write(Buffer.concat([error, message("Z", Buffer.from("I"))])));
    assert.ok("err" in found, JSON.stringify(found));
    return found.err.message;
  };
  assert.equal(await said("x".repeat(MIB - 200)), `${"x".repeat(4_096)}…`);
  for (const letter of ["é", "€", "🐘"]) {
    assert.match(await said(`x${letter.repeat(MIB / 8)}`), new RegExp(`^x(${letter})+…$`));
  }
});

test("an error or a notice that is no text for a person is refused by its length", async () => {
  for (const code of ["E", "N"]) {
    const announced = (bytes: number) => Buffer.concat([Buffer.from(code), number(bytes)]);
    const found = await answered((socket) => socket.write(announced(MIB)));
    assert.ok(found instanceof Fault && found.kind === "unexpected-answer", JSON.stringify(found));
    assert.match(found.message, /an error or a notice of more than 1048576 bytes came/);
    const fault = await refused((socket) => socket.write(announced(65_536)));
    assert.equal(fault.kind, "server-unreachable", fault.message);
    assert.match(fault.message, /an error or a notice of more than 65536 bytes came/);
  }
});

test("an error has no more than 64 fields", async () => {
  const error = (fields: number) => message("E", Buffer.from(`SERROR\0C22012\0Mno\0${"A\0".repeat(fields - 3)}\0`));
  const ending = (bytes: Buffer) => (socket: Socket) =>
    socket.write(Buffer.concat([bytes, message("Z", Buffer.from("I"))]));
  const honest = await answered(ending(error(64)));
  assert.ok("err" in honest && honest.err.sqlstate === "22012", JSON.stringify(honest));
  for (const fields of [65, 400_000]) {
    const found = await answered(ending(error(fields)));
    assert.ok(found instanceof Fault && found.kind === "unexpected-answer", JSON.stringify(found));
    assert.match(found.message, /ErrorResponse has more than 64 fields/);
  }
  const fault = await refused((socket) => socket.write(error(65)));
  assert.match(fault.message, /ErrorResponse has more than 64 fields/);
});

test("what is no SQLSTATE is none, and the error's kind is by its words", async () => {
  for (const code of ["9".repeat(100_000), "0000", "000000", "abcde", "", "2\x1b[31m"]) {
    const error = errorResponse("ERROR", code, "query_wait_timeout");
    const found = await answered((socket) => socket.write(Buffer.concat([error, message("Z", Buffer.from("I"))])));
    assert.ok("err" in found, JSON.stringify(found));
    assert.deepEqual([found.err.sqlstate, found.err.kind], [undefined, "too-many-connections"]);
  }
  const bare = message("E", Buffer.from("SFATAL\0Mpassword authentication failed\0\0"));
  const fault = await refused((socket) => socket.end(bare));
  assert.deepEqual([fault.sqlstate, fault.kind], [undefined, "authentication-failed"]);
});

test("a text that was shortened keeps nothing of the rest in memory", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const long = "x".repeat(MIB - 200);
  const shortened: [string, () => unknown][] = [
    ["errors", () => serverError(errorResponse("ERROR", "22012", long).subarray(5), decodeUtf8)],
    ["reasons", () => startOf(Buffer.alloc(MIB, "x").toString(), 100)],
  ];
  for (const [what, make] of shortened) {
    collect();
    const before = process.memoryUsage().heapUsed;
    const kept = Array.from({ length: 50 }, make);
    collect();
    const grown = (process.memoryUsage().heapUsed - before) / MIB;
    assert.ok(grown < 5, `${kept.length} ${what} keep ${grown} MiB`);
  }
});

test("SCRAM computes no more rounds than any server has, and for one authentication", async () => {
  const scram = authentication(10, Buffer.from("SCRAM-SHA-256\0\0"));
  const asking = (rounds: string) => (socket: Socket) => {
    socket.write(scram);
    socket.once("data", (bytes: Buffer) => {
      const nonce = /r=([^,]+)$/.exec(bytes.toString())?.[1];
      socket.write(authentication(11, Buffer.from(`r=${nonce}more,s=AAAA,i=${rounds}`)));
    });
  };
  for (const rounds of ["100000000", "1000001", "9".repeat(300)]) {
    const fault = await refused(asking(rounds));
    assert.equal(fault.kind, "authentication-failed");
    assert.ok(fault.message.includes(`asks for ${rounds} iterations of SCRAM`), fault.message);
  }
  for (const rounds of ["0", "-1", "x", ""]) {
    const fault = await refused(asking(rounds));
    assert.equal(fault.kind, "authentication-failed", fault.message);
  }
  for (const twice of [
    [scram, scram],
    [authentication(3), authentication(3)],
    [authentication(5, Buffer.from("salt")), authentication(3)],
  ]) {
    const fault = await refused((socket) => socket.write(Buffer.concat(twice)));
    assert.equal(fault.kind, "authentication-failed");
    assert.match(fault.message, /asks for a second authentication/);
  }
});

test("an authentication that is malformed opens nothing", async () => {
  for (const [bytes, words] of [
    [authentication(10, Buffer.from("SCRAM-SHA-256\0")), /holds a text without its terminator/],
    [authentication(10, Buffer.from("SCRAM-SHA-256")), /holds a text without its terminator/],
    [authentication(10, Buffer.from("SCRAM-SHA-256\0\0x")), /goes on after its contents/],
    [authentication(5, Buffer.from("sal")), /ends before its contents/],
    [authentication(5, Buffer.from("salty")), /goes on after its contents/],
    [authentication(10, Buffer.alloc(3_000, "a")), /has 3004 bytes/],
    [Buffer.concat([authentication(0), authentication(0)]), /went on after its end/],
    [message("S", Buffer.from("server_version")), /ParameterStatus holds a text without its terminator/],
    [message("S", Buffer.from("server_version\x0017")), /ParameterStatus holds a text without its terminator/],
    [message("K", Buffer.alloc(7)), /BackendKeyData has a key of 3 bytes/],
    [message("K", Buffer.alloc(1_000)), /BackendKeyData has a key of 996 bytes/],
    [message("E", Buffer.from("SFATAL\0C28P01\0Mno")), /ErrorResponse holds a text without its terminator/],
  ] as const) {
    const fault = await refused((socket) => socket.write(bytes));
    assert.equal(fault.kind, "server-unreachable", fault.message);
    assert.match(fault.message, words);
  }
});

test("a text counts with what it may take before it is read, and is cut off where that is too much", async () => {
  const bytes = 100_000;
  const letters: [Buffer, number][] = [
    [Buffer.alloc(bytes, "x"), 3],
    [Buffer.alloc(bytes, "é"), 5],
    [Buffer.concat([Buffer.alloc(bytes - 4, "x"), Buffer.from("🐘")]), 5],
    [Buffer.alloc(bytes, 0xff), 7],
  ];
  for (const [text, times] of letters) {
    for (const most of [times * bytes - 1, times * bytes + 1_000]) {
      const found = await answered(
        (socket) => socket.write(Buffer.concat([rowDescription(25), dataRow(text), COMPLETE])),
        {},
        (taken) => taken <= most,
      );
      assert.ok("ok" in found, JSON.stringify(found));
      assert.deepEqual([found.ok.count, found.ok.truncated], most < times * bytes ? [0, true] : [1, false]);
    }
  }
});

test("what an honest server sends after a session began is passed over", async () => {
  const said = Buffer.concat([NOTICE, STATUS, message("A", Buffer.from("\0\0\0\x01channel\0\0")), INT8]);
  const found = await answered((socket) => socket.write(Buffer.concat([said, dataRow(Buffer.alloc(8)), COMPLETE])));
  assert.ok("ok" in found && found.ok.count === 1);
  peer = await Peer.start((socket) => socket.write(ready({ server_version: "17.2" })));
  await (await Session.unchecked(parseTarget(peer.url()), limitsWith())).close();
});

test("a certificate whose lengths are not those of its contents is bound to nothing", () => {
  const der = (tag: number, contents: Buffer) =>
    Buffer.concat([Buffer.from([tag, 0x82, 0, 0]), contents])
      .fill(contents.length >> 8, 2, 3)
      .fill(contents.length & 255, 3, 4);
  const certificate = (parameters: Buffer) => {
    const identifier = Buffer.from("06092a864886f70d01010a", "hex");
    const algorithm = der(0x30, Buffer.concat([identifier, parameters]));
    return der(0x30, Buffer.concat([der(0x30, Buffer.alloc(20)), algorithm, Buffer.alloc(8)]));
  };
  const sha256 = Buffer.from("0609608648016503040201", "hex");
  const pss = (hash: Buffer) => der(0x30, der(0xa0, der(0x30, hash)));
  assert.equal(canBind(certificate(pss(sha256))), true);
  // An identifier of 2 GiB would be read for as long as that takes.
  for (const hash of ["06847ffffffe60", "0684fffffffe60", "06", "0680", "068901"]) {
    const started = performance.now();
    assert.equal(canBind(certificate(pss(Buffer.from(hash, "hex")))), false);
    assert.ok(performance.now() - started < 500);
  }
  assert.equal(canBind(certificate(Buffer.alloc(0))), false);
  assert.equal(canBind(Buffer.alloc(0)), false);
});
