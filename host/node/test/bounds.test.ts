// Bounds on what others wrote: JSON, names, requests, and what a component hands to its host.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Cassette } from "archon-connection-pool";
import { normalise, withoutSecrets } from "../dist/cassette/literals.js";
import { description } from "../dist/components.js";
import { parseTarget } from "../dist/connection-config/resolve.js";
import { isWithin } from "../dist/crossing.js";
import type { Fault } from "../dist/fault.js";
import { isShallow, parseJson } from "../dist/json.js";
import { applicationGlob, keptName, roleGlob } from "../dist/names.js";
import { applicationPatterns, policyWith, rolePatterns } from "../dist/policy.js";
import { readRequest } from "../dist/request.js";
import { statement } from "./powers.js";

const MIB = 1 << 20;

function fault(run: () => unknown): Fault {
  try {
    run();
  } catch (error) {
    return error as Fault;
  }
  return assert.fail("it did not fail");
}

test("JSON is measured before it is parsed", () => {
  const parse = (text: string, most = MIB) => parseJson(text, "a text", most, "limit `reportBytes`");
  const deep = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  assert.deepEqual(parse('{"a": [1, "x[[[{,,\\"[", null]}'), { a: [1, 'x[[[{,,"[', null] });
  assert.ok(parse(deep(64)));
  assert.deepEqual(parse(JSON.stringify(`\\${"[".repeat(100)}`)), `\\${"[".repeat(100)}`);
  for (const [text, words] of [
    [deep(65), /a text is nested more than 64 deep: limit `reportBytes`/],
    ["[".repeat(MIB), /nested more than 64 deep/],
    [`{"a":`.repeat(100_000), /nested more than 64 deep/],
    [`[${"0,".repeat(200_000)}0]`, /has more than 131072 values/],
    [`[${"{},".repeat(200_000)}{}]`, /has more than 131072 values/],
    [`"${"x".repeat(MIB)}"`, /has more than 1048576 bytes/],
    [`"${"é".repeat(MIB / 2)}"`, /has more than 1048576 bytes/],
  ] as const) {
    const { kind, message } = fault(() => parse(text));
    assert.equal(kind, "limit-exceeded");
    assert.match(message, words);
  }
  for (const text of ["", "[", '"', '"\\', "nonsense", "[]]"])
    assert.equal(fault(() => parse(text)).kind, "unexpected-answer");
});

test("a request that is nested without end is refused", () => {
  let deep: unknown = 1;
  for (let depth = 0; depth < 100_000; depth++) deep = [deep];
  const round: Record<string, unknown> = {};
  round.options = round;
  for (const request of [deep, { options: deep }, round, { carry: deep }]) {
    const { kind, message } = fault(() => readRequest(request, {}, policyWith()));
    assert.equal(kind, "invalid-params");
    assert.match(message, /nested more than 64 deep/);
  }
  assert.ok(isShallow({ options: { include: [1] } }));
});

test("keys that name secrets are kept from the component, wherever they are and however they are written", () => {
  for (const name of [
    "password passwd pwd pass passphrase secret clientSecret token accessToken refreshToken authToken bearer apiKey",
    "privateKey dsn databaseUrl connectionString connectionUri connInfo PGPASSWORD api_key API-KEY Client_Secret",
    "supabase_access_token DATABASE_URL Private-Key",
  ].flatMap((names) => names.split(" "))) {
    for (const request of [
      { action: "monitor", [name]: "hunter2" },
      { action: "monitor", options: { [name]: "hunter2" } },
      { action: "monitor", options: { include: { roles: [{ [name]: { deep: ["hunter2"] } }] } } },
      { [name]: null },
    ]) {
      const { kind, message } = fault(() => readRequest(request, {}, policyWith()));
      assert.equal(kind, "secret-in-params", name);
      assert.ok(!message.includes("hunter2"), message);
    }
  }
  for (const name of ["passive", "tokens", "secretary", "options", "dsn2"]) {
    assert.ok(readRequest({ [name]: 1 }, {}, policyWith()), name);
  }
});

test("a slip in a URL's database name is refused before it is repeated, and an encoded letter is honoured", () => {
  for (const tail of ["d&password=hunter2", "d;hunter2", "d=hunter2", "d@hunter2", "hunter2&sslmode=require"]) {
    const { kind, message } = fault(() => parseTarget(`postgres://ann:x@h/${tail}`));
    assert.equal(kind, "credential-invalid", tail);
    assert.ok(!message.includes("hunter2"), message);
  }
  assert.equal(parseTarget("postgres://ann:x@h/a%26b%3Bc%3Dd%40e").database, "a&b;c=d@e");
});

test("names of a policy are compared as the server keeps them", () => {
  assert.equal(keptName("a".repeat(70)), "a".repeat(63));
  assert.equal(keptName(`${"a".repeat(62)}é`), "a".repeat(62));
  assert.equal(keptName("é".repeat(40)), "é".repeat(31));
  assert.deepEqual([roleGlob("Jörg*"), roleGlob("a\tb")], ["J*rg*", "a*b"]);
  // PostgreSQL 16 writes `\xc3\xb6` for an ö: 55 letters and one ö are 63 bytes there, and 56 are cut.
  assert.equal(applicationGlob(`ö${"a".repeat(55)}`), `*${"a".repeat(55)}`);
  assert.equal(applicationGlob(`ö${"a".repeat(56)}`), `*${"a".repeat(55)}*`);
  assert.equal(applicationGlob("🐘🐘🐘🐘 billing"), "****");
  assert.equal(applicationGlob("a*b"), "a*b");
  assert.ok(rolePatterns(policyWith({ protectedRoles: ["a_b*"] })).includes("a\\_b%"));
  assert.ok(applicationPatterns(policyWith({ protectedApplications: ["größe"] })).includes("gr%%e"));
  for (const setting of ["protectedRoles", "protectedApplications"]) {
    for (const name of ["a".repeat(64), "é".repeat(32), `${"a".repeat(40)}*${"b".repeat(24)}`]) {
      const { kind, message } = fault(() => policyWith({ [setting]: [name] }));
      assert.equal(kind, "invalid-params");
      assert.match(message, /is longer than the 63 bytes that a server keeps of a name/);
    }
    assert.ok(policyWith({ [setting]: ["a".repeat(63), `${"a".repeat(63)}*`, "*"] }));
  }
});

test("what crosses from a component's thread is measured by all that is in it", () => {
  assert.ok(isWithin("x".repeat(100), 100) && !isWithin("x".repeat(101), 100));
  assert.ok(!isWithin(Array(1_500_000).fill({ pid: 1, name: "" }), 16 * MIB));
  assert.ok(!isWithin([{ bytes: new Uint8Array(MIB) }], MIB));
  assert.ok(isWithin({ batch: Array(64).fill(statement("SELECT 1")) }, MIB));
});

test("a cassette of somebody else's is read within bounds, and refused where it is none", () => {
  const header = `{"cassette": 1, "package": "archon:connection-pool@1.0.0", "component": {"name": "pool-observer"}}\n`;
  for (const [text, kind] of [
    [`${header}${"[".repeat(100_000)}`, "limit-exceeded"],
    [`${header}7\n`, "unexpected-answer"],
    [`${header}null\n`, "unexpected-answer"],
    [`${header}{`, "unexpected-answer"],
    ["", "unexpected-answer"],
    ["[]", "unexpected-answer"],
  ] as const) {
    assert.equal(fault(() => new Cassette(text)).kind, kind, text.slice(0, 200));
  }
});

test("a statement of any length is recorded soon", () => {
  const started = performance.now();
  for (const sql of [
    " ".repeat(8 * MIB),
    "--\n".repeat(4 * MIB),
    "/**/".repeat(4 * MIB),
    `select ${"'".repeat(MIB)}`,
  ]) {
    assert.ok(normalise(`${sql} password`).length < 1_000);
  }
  const batch = [statement(description("pool-observer").statements.find(({ id }) => id === "statements")?.sql ?? "")];
  const item = (val: string) => ({
    tag: "ok" as const,
    val: { columns: [], rows: [[{ tag: "text" as const, val }]], truncated: false },
  });
  for (const text of ["[".repeat(8 * MIB), `"query": "password ${"\\\\".repeat(4 * MIB)}`])
    withoutSecrets(batch, [item(text)]);
  assert.ok(performance.now() - started < 10_000);
});
