// Bounds on what others wrote: JSON, names, requests, and what a component hands to its host.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Cassette } from "archon-connection-pool";
import { normalise, withoutSecrets } from "../dist/cassette/literals.js";
import { description, guard } from "../dist/components.js";
import { parseTarget } from "../dist/connection-config/resolve.js";
import { CredentialScope } from "../dist/credentials.js";
import { isWithin } from "../dist/crossing.js";
import { Fault } from "../dist/fault.js";
import { applicationPatterns, policyWith, rolePatterns } from "../dist/guard/policy.js";
import { isShallow, parseJson } from "../dist/json.js";
import { CallLog, type LogLine } from "../dist/log.js";
import { applicationGlob, keptName, roleGlob } from "../dist/names.js";
import { readRequest } from "../dist/request.js";
import { fromRows } from "../dist/row-set.js";
import { isSecret } from "../dist/secret-scan.js";
import { statement } from "./host-api.js";
import { kit } from "./kit.js";

const MIB = 1 << 20;

/** Names and texts that are secrets, and such that are none: those of every host. */
const secrets: Record<"names" | "plainNames" | "texts" | "plainTexts", string[]> = JSON.parse(
  readFileSync(join(kit, "secrets.json"), "utf8"),
);

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
  for (const name of secrets.names) {
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
  for (const name of secrets.plainNames) {
    assert.ok(readRequest({ [name]: 1 }, {}, policyWith()), name);
  }
});

test("no key of the contract is one that names a secret", () => {
  const names = new Set<string>();
  const collect = (value: unknown, isProperties: boolean): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [name, inner] of Object.entries(value)) {
      if (isProperties) names.add(name);
      collect(inner, name === "properties" && !isProperties);
    }
  };
  collect(description("pool-manager").input, false);
  for (const name of ["supabaseUrl", "supabaseKey"]) assert.ok(names.delete(name), [...names].join());
  assert.ok(names.size > 20, [...names].join());
  for (const name of names) assert.ok(!isSecret(name, 1), name);
});

test("credentials are recognised by their form, and names and patterns pass", () => {
  for (const text of secrets.texts) {
    for (const request of [{ options: { include: { applications: [text] } } }, { [text]: 1 }, [text], text]) {
      assert.equal(fault(() => readRequest(request, {}, policyWith())).kind, "secret-in-params", text);
    }
  }
  for (const text of secrets.plainTexts) {
    assert.ok(readRequest({ action: "monitor", options: { include: [text] } }, {}, policyWith()), text);
  }
});

test("a long request is searched for secrets soon", () => {
  for (const piece of [
    "postgres+",
    "u:p@",
    "u:@",
    "://a:",
    "%41",
    "eyJ.",
    "password ",
    "bearer",
    ".",
    "dbc:",
    " ",
    "@",
  ]) {
    const started = performance.now();
    isSecret("note", piece.repeat(1_000_000 / piece.length));
    const took = performance.now() - started;
    assert.ok(took < 1_000, `${piece} took ${took} ms`);
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

test("a request's URL names no Unix socket, wherever it is given", () => {
  for (const url of [
    "postgres://root@%2Ftmp/d",
    "postgres://root@%2Ftmp:5433/d",
    "postgres://root@h,%2Ftmp/d",
    "postgres://root@/d?host=/tmp",
    "postgres://root@h/d?host=%2Ftmp",
    "postgres://root@/d?host=h&host=/tmp",
    "postgres://root@/d?host=/tmp&hostaddr=127.0.0.1",
    "postgres://root@%40abstract/d",
    "postgresql+pg8000://root@/d?unix_sock=/tmp/.s.PGSQL.5432",
    "host=/tmp user=root",
    "host='@abstract' user=root",
  ]) {
    const { kind, message } = fault(() => new CredentialScope({}, url, "anything"));
    assert.equal(kind, "credential-invalid", url);
    assert.equal(message, "a request's URL may not name a Unix socket: give a host name", url);
  }
  const own = { map: { default: "postgres://root@%2Ftmp/d" }, environment: {} };
  assert.equal(new CredentialScope(own).lookup(undefined).target.host, "/tmp");
});

test("a request names no file of roots, whether there is one or not", () => {
  for (const path of ["/dev/zero", "/etc/hostname", "/nowhere", ".", "hunter2.pem"]) {
    for (const url of [
      `postgres://u@h/d?sslrootcert=${path}`,
      `postgres://u@h/d?sslmode=verify-full&sslrootcert=${path}`,
      `postgres://u@h/d?sslaccept=strict&sslcert=${path}`,
      `host=h user=u sslrootcert=${path}`,
    ]) {
      const { kind, message } = fault(() => new CredentialScope({}, url, "x"));
      assert.equal(kind, "credential-invalid", url);
      assert.equal(message, "a request cannot set sslrootcert: it names a file of the host's machine", url);
    }
  }
  const system = new CredentialScope({}, "postgres://u@h/d?sslrootcert=system", "x").lookup(undefined).target;
  assert.equal(system.roots, "system");
  const own = { map: { default: "postgres://u@h/d?sslrootcert=/ca.pem" }, environment: {} };
  assert.equal(new CredentialScope(own).lookup(undefined).target.roots, "/ca.pem");
});

test("a separator in a host, a user or a database is refused before it is repeated", () => {
  const parts: [string, RegExp][] = [
    ["postgres://u@h;password=hunter2/db", /the host/],
    ["postgres://u@h%26hunter2/db", /the host/],
    ["postgres://u@/db?host=h;hunter2", /the host/],
    ["host=h,password=hunter2 user=u", /the host/],
    ["host=h%26password=hunter2 user=u", /the host/],
    ["host='h hunter2' user=u", /the host/],
    ["postgres://u@h%07hunter2/d", /the host/],
    ["postgres://u@%2Ftmp%3Bhunter2/d", /the host/],
    ["postgres://u;password=hunter2:x@h/d", /in the user/],
    ["postgres://h/d?user=u=hunter2", /in the user/],
    ["postgres://h/d?userName=u;hunter2", /in the user/],
    ["host=h user=u&password=hunter2", /in the user/],
    ["postgres://u@h/d?dbname=shop;password=hunter2", /in the database name/],
    ["postgres://u@h/d?dbname=shop=hunter2", /in the database name/],
    ["host=h user=u dbname=shop;password=hunter2", /in the database name/],
  ];
  for (const [text, words] of parts) {
    const { kind, message } = fault(() => parseTarget(text));
    assert.equal(kind, "credential-invalid", text);
    assert.match(message, words, text);
    assert.ok(!message.includes("hunter2"), message);
  }
  const encoded = parseTarget("postgres://h/?user=a%26b&dbname=c%3Bd");
  assert.deepEqual([encoded.user, encoded.database], ["a&b", "c;d"]);
  const quoted = parseTarget("host=fe80::1%eth0 user='a;b' dbname='c&d=e' password=f;g");
  assert.deepEqual([quoted.host, quoted.user, quoted.database], ["fe80::1%eth0", "a;b", "c&d=e"]);
});

test("a connection text of many hosts or parameters is refused before anything is done for each of them", () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => `h${index}`);
  const started = performance.now();
  for (const hosts of [many(17), many(10_000)]) {
    for (const text of [
      `postgres://u:hunter2@${hosts}/d`,
      `postgres://u:hunter2@/d?host=${hosts}`,
      `postgres://u:hunter2@/d?${hosts.map((host) => `host=${host}`).join("&")}`,
      `host=${hosts} user=u password=hunter2`,
      `hostaddr=${hosts.map(() => "127.0.0.1")} user=u password=hunter2`,
    ]) {
      const { kind, message } = fault(() => parseTarget(text));
      assert.equal(kind, "credential-invalid");
      assert.match(message, /^(at most 16 hosts may be named|the connection text has more than 65536 letters)$/);
    }
  }
  assert.equal(parseTarget(`postgres://u@${many(16)}/d`).moreHosts.length, 15);
  const parameters = Array.from({ length: 6_000 }, (_, index) => `x-${index}=1`);
  assert.equal(parseTarget(`postgres://u@h/d?${parameters.join("&")}`).notes.length, 6_000);
  const { message } = fault(() => parseTarget(`postgres://u:hunter2@${many(400_000)}/d`));
  assert.match(message, /more than 65536 letters/);
  assert.ok(performance.now() - started < 1_000);
});

test("a URL of any length is logged soon", () => {
  for (const supabaseUrl of [`https://${"a".repeat(200_000)}/@`, `https://${"a/@".repeat(100_000)}`]) {
    const started = performance.now();
    const lines: LogLine[] = [];
    new CallLog((line) => lines.push(line), { supabaseUrl }).started();
    assert.equal(lines[0]?.context.url, "unreadable");
    assert.ok(performance.now() - started < 1_000);
  }
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

test("the bytes of a name are those of the guard's file", () => {
  const { names } = guard();
  const before = names.bytes;
  try {
    names.bytes = 4;
    assert.deepEqual([keptName("abcdef"), applicationGlob("abcdef")], ["abcd", "abcd*"]);
    assert.match(fault(() => policyWith({ protectedRoles: ["abcde"] })).message, /longer than the 4 bytes/);
  } finally {
    names.bytes = before;
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
    [`${header}7\n`, "cassette-invalid"],
    [`${header}null\n`, "cassette-invalid"],
    [`${header}{`, "cassette-invalid"],
    ["", "cassette-invalid"],
    ["[]", "cassette-invalid"],
    [header.replace(/, "component".*/, "}"), "cassette-invalid"],
    [header.replace(/{"name".*/, "null}"), "cassette-invalid"],
    [`${header}{"call": 1}`, "cassette-invalid"],
    [`${header}{"returned": "x"}`, "cassette-invalid"],
    [`${header}{"call": 1, "input": "{}"}\n{"import": "session.open"}`, "cassette-invalid"],
  ] as const) {
    assert.equal(fault(() => new Cassette(text)).kind, kind, text.slice(0, 200));
  }
});

test("a cassette is refused at reading if its rows cannot be columns", () => {
  const lines = [
    { cassette: 1, package: "archon:connection-pool@1.0.0", component: { name: "pool-observer" } },
    { call: "skill.run", input: "{}" },
  ];
  const columns = [
    ["pid", 20],
    ["state", 25],
  ];
  const text = (name: string, rows: unknown) => {
    const line = { import: name, with: {}, ok: [{ err: {} }, { ok: { columns, rows, truncated: false } }] };
    return [...lines, line].map((it) => JSON.stringify(it)).join("\n");
  };
  const [one, other] = [{ i: "1" }, "idle"];
  for (const name of ["session.query", "console.show"]) {
    for (const rows of [
      [],
      [[one, other]],
      [[null, null]],
      [
        [null, other],
        [one, null],
        [one, other],
      ],
    ]) {
      assert.equal(new Cassette(text(name, rows)).calls.length, 1);
    }
    for (const [rows, words] of [
      [[[one]], /a row has 1 values for 2 columns/],
      [
        [
          [one, other],
          [one, other, null],
        ],
        /a row has 3 values for 2 columns/,
      ],
      [[[one, other], []], /a row has 0 values for 2 columns/],
      [
        [
          [one, other],
          [one, { b: "00ff" }],
        ],
        /column 'state' has values of several types/,
      ],
      [
        [
          [one, other],
          [null, null],
          [{ t: "1" }, null],
        ],
        /column 'pid' has values of several types/,
      ],
      [[[{ x: "1" }, other]], /a value of no known type/],
      [null, /its answer to/],
    ] as [unknown, RegExp][]) {
      assert.throws(() => new Cassette(text(name, rows)), { kind: "cassette-invalid", message: words });
    }
  }
});

test("a cassette whose answers are malformed ends its own calls, and not the process", async () => {
  const lines = [
    { cassette: 1, package: "archon:connection-pool@1.0.0", component: { name: "pool-observer" } },
    { call: 1, input: '{"action": "monitor"}' },
    { import: "credentials.lookup", with: {}, ok: { credential: 1 } },
    { import: "credential.name", with: { credential: 1 }, ok: "default" },
    { import: "session.open", with: { credential: 1 }, ok: { session: 1 } },
    { import: "session.access-path", with: { session: 1 }, ok: "direct" },
    { import: "session.notes", with: { session: 1 }, ok: [] },
  ];
  for (const place of [2, 4, 5, 6]) {
    for (const ok of [null, [null], [[null]], 7, "x", { session: null }, [{ err: null }]]) {
      const changed = lines.map((line, index) => JSON.stringify(index === place ? { ...line, ok } : line));
      const [answer] = await new Cassette(changed.join("\n")).replay();
      assert.ok(answer instanceof Fault || typeof answer === "string", changed[place]);
    }
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
    val: fromRows([{ name: "document", typeOid: 25 }], [[{ tag: "text", val }]], false),
  });
  for (const text of ["[".repeat(8 * MIB), `"query": "password ${"\\\\".repeat(4 * MIB)}`])
    withoutSecrets(batch, [item(text)]);
  assert.ok(performance.now() - started < 10_000);
});
