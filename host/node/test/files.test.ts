// Files that the host writes and reads: its own alone, never through a link, and with an end.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { Host } from "archon-connection-pool";
import { Audit } from "../dist/audit.js";
import { readBuilt } from "../dist/components.js";
import { readSmallFile } from "../dist/connection-config/files.js";
import { parseTarget } from "../dist/connection-config/resolve.js";
import { CredentialScope } from "../dist/credentials.js";
import { sha256 } from "../dist/digest.js";
import { appendPrivate, createPrivate } from "../dist/private-file.js";
import { tlsOptions } from "../dist/tls.js";
import { scratch } from "./process.js";

const mode = (path: string) => statSync(path).mode & 0o777;
const target = parseTarget("postgres://ann@h/d");
const ABOUT = { event: "order", reason: "a test", dryRun: false, subject: { pid: 1 } } as const;

test("an audit log is created for its owner alone, and its lines are appended", async () => {
  const auditFile = join(scratch(), "audit.jsonl");
  const audit = new Audit({ auditFile }, "pool-manager");
  await audit.announce(target, [ABOUT]);
  await audit.tell(target, [{ ...ABOUT, outcome: "signalled", detail: "" }]);
  assert.equal(mode(auditFile), 0o600);
  assert.equal(readFileSync(auditFile, "utf8").trim().split("\n").length, 2);
});

test("nothing is sent where the audit log is a link, a device, or can be written by others", async () => {
  const folder = scratch();
  const [real, link, open, dangling] = ["real", "link", "open", "dangling"].map((name) => join(folder, name));
  writeFileSync(real as string, "mine\n", { mode: 0o600 });
  symlinkSync(real as string, link as string);
  symlinkSync(join(folder, "nothing"), dangling as string);
  writeFileSync(open as string, "");
  for (const [auditFile, words, permissions] of [
    [link, /is a link/],
    [dangling, /is a link/],
    ["/dev/null", /is no regular file/],
    [open, /can be written by others: run `chmod go-w`/, 0o620],
    [open, /can be written by others/, 0o602],
  ] as const) {
    if (permissions !== undefined) chmodSync(auditFile as string, permissions);
    const announcing = new Audit({ auditFile }, "pool-manager").announce(target, [ABOUT]);
    await assert.rejects(announcing, (fault: Error & { kind: string }) => {
      assert.match(fault.message, words);
      return fault.kind === "audit-failed";
    });
  }
  assert.equal(readFileSync(real as string, "utf8"), "mine\n");
  assert.throws(() => statSync(join(folder, "nothing")));
  assert.equal(readFileSync(open as string, "utf8"), "");
});

test("a file of another user is not appended to", { skip: process.getuid?.() !== 0 }, async () => {
  const path = join(scratch(), "theirs");
  writeFileSync(path, "", { mode: 0o644 });
  chownSync(path, 65_534, 65_534);
  await assert.rejects(appendPrivate(path, "ours\n"), /belongs to another user/);
  assert.equal(readFileSync(path, "utf8"), "");
});

test("a file that is created replaces nothing", async () => {
  const folder = scratch();
  const [there, link, fresh] = ["there", "link", "fresh"].map((name) => join(folder, name)) as [string, string, string];
  writeFileSync(there, "mine");
  symlinkSync(fresh, link);
  for (const path of [there, link]) await assert.rejects(createPrivate(path, "ours"), { code: "EEXIST" });
  assert.equal(readFileSync(there, "utf8"), "mine");
  await createPrivate(fresh, "ours");
  assert.equal(mode(fresh), 0o600);
});

test("a recording never overwrites a file, and follows no link", async () => {
  const folder = scratch();
  const [there, link] = [join(folder, "there"), join(folder, "link")];
  writeFileSync(there, "mine");
  symlinkSync(there, link);
  for (const record of [there, link]) {
    const host = new Host({ environment: false, record });
    await assert.rejects(host.call({ action: "monitor" }), { kind: "cassette-failed" });
    assert.equal(readFileSync(there, "utf8"), "mine");
  }
});

test("a device, a pipe and a long file are no settings and no certificates", () => {
  const folder = scratch();
  const [pipe, long] = [join(folder, "pipe"), join(folder, "long")];
  execFileSync("mkfifo", [pipe]);
  writeFileSync(long, "x".repeat(2 << 20));
  for (const path of ["/dev/zero", "/dev/null", pipe, folder]) {
    assert.throws(() => readSmallFile(path), /it is no regular file/);
    const target = parseTarget(`postgres://ann@h/d?sslmode=verify-full&sslrootcert=${path}`);
    assert.throws(() => tlsOptions(target), { kind: "tls-failed" });
  }
  assert.throws(() => readSmallFile(long), /it has more than/);
  assert.equal(readSmallFile(join(folder, "nothing")), undefined);
});

test("a home that is not absolute is none: the working directory's files are not taken for the user's", () => {
  const folder = scratch();
  writeFileSync(join(folder, ".pgpass"), "*:*:*:*:hunter2\n", { mode: 0o600 });
  writeFileSync(join(folder, ".pg_service.conf"), "[shop]\nhost=elsewhere\n");
  mkdirSync(join(folder, ".postgresql"));
  writeFileSync(join(folder, ".postgresql", "root.crt"), "");
  const before = process.cwd();
  process.chdir(folder);
  try {
    for (const home of ["", ".", "..", basename(folder)]) {
      const environment = { HOME: home, PGHOST: "h", PGUSER: "ann" };
      for (const sources of [{ environment }, { environment: { ...environment, HOME: undefined }, home }]) {
        const { target } = new CredentialScope(sources).lookup(undefined);
        assert.deepEqual([target.password, target.roots], [undefined, undefined], home);
        const named = { ...sources, environment: { ...sources.environment, PGSERVICE: "shop" } };
        assert.throws(() => new CredentialScope(named).lookup(undefined), { kind: "credential-invalid" });
      }
    }
    const { target } = new CredentialScope({ environment: { HOME: folder, PGHOST: "h", PGUSER: "ann" } }).lookup(
      undefined,
    );
    assert.equal(target.password?.reveal(), "hunter2");
  } finally {
    process.chdir(before);
  }
});

test("a component's file that was changed since the package was built is not loaded", async () => {
  const file = "pool-observer/pool-observer.js";
  const bytes = readFileSync(new URL(`../dist/components/${file}`, import.meta.url));
  assert.ok((await readBuilt(file, sha256(bytes))).length > 0);
  await assert.rejects(readBuilt(file, sha256("another")), {
    kind: "not-a-component",
    message: `${file} is not the file that was built with this package: install it again`,
  });
});
