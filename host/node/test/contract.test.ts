// What is derived from the components and the Rust host, and must not drift from them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DEFAULT_LIMITS, DEFAULT_POLICY, Fault, Host, SupabaseConnectionPool } from "archon-connection-pool";
import { canonical } from "../dist/cassette/format.js";
import { guard } from "../dist/components.js";
import { sha256 } from "../dist/digest.js";
import { Framing } from "../dist/wire.js";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");

test("the types of the contract are those of the component's schemas", async () => {
  // Not a module of ours: it belongs to the build.
  const generator = new URL("../scripts/contract-types.mjs", import.meta.url).href;
  const { contractTypes } = (await import(generator)) as { contractTypes(about: unknown): string };
  assert.equal(read("../src/contract.ts"), contractTypes(new Host().describe()), "run `BLESS=1 npm run build`");
});

test("the skill is what the component says it is", () => {
  const pool = new SupabaseConnectionPool({ environment: false });
  assert.deepEqual(
    [pool.name, pool.id, pool.version, pool.category, pool.priority, pool.timeout, pool.retries],
    ["supabase-connection-pool", "S-12", "1.0.0", "UTIL", "P1", 60_000, 2],
  );
  assert.equal(new Host({ readOnly: true }).describe().acts, false);
  for (const { sql, sha256: digest } of pool.describe().statements) assert.equal(sha256(sql), digest);
});

test("limits and caps are the Rust host's, and what is none is refused", () => {
  assert.equal(DEFAULT_LIMITS.deadlineMs, guard().limits.deadline);
  assert.equal(DEFAULT_POLICY.maxKillPercentage, guard().policy.maxKillPercentage);
  assert.equal(new Host({ limits: { rows: undefined } } as never).limits.rows, DEFAULT_LIMITS.rows);
  for (const options of [
    { limits: { rows: 0 } },
    { limits: { rowz: 1 } },
    { limits: { deadlineMs: 2 ** 31 } },
    { policy: { toString: 1 } },
    { policy: { apply: "yes" } },
    { policy: { protectedRoles: "postgres" } },
    { policy: { maxKils: 1 } },
  ]) {
    assert.throws(() => new Host(options as never), Fault, JSON.stringify(options));
  }
});

test("messages are found however the bytes come", () => {
  const message = (code: string, body: string) => {
    const bytes = Buffer.from(`${code}0000${body}`);
    bytes.writeUInt32BE(4 + body.length, 1);
    return bytes;
  };
  const bytes = Buffer.concat([
    message("A", ""),
    message("B", "body"),
    message("C", "x".repeat(1_000)),
    message("Z", "I"),
  ]);
  for (const size of [1, 2, 3, 7, 500, bytes.length]) {
    const framing = new Framing(() => {});
    const found: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      for (const { code, body } of framing.push(bytes.subarray(at, at + size))) found.push(`${code}${body.length}`);
    }
    assert.deepEqual(found, ["A0", "B4", "C1000", "Z1"], `in pieces of ${size}`);
  }
});

test("arguments are compared by what they mean", () => {
  assert.equal(canonical({ b: 1, a: null, c: { f: "1.0" } }), canonical({ c: { f: "1" }, b: 1 }));
  assert.notEqual(canonical({ a: "1" }), canonical({ a: 1 }));
  assert.notEqual(canonical({ f: "0" }), canonical({ f: "-0" }));
});
