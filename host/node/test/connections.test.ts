// Connection texts, environment, service files and pass files: the conformance kit's table.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type { Target } from "../dist/connection-config/target.js";
import { CredentialScope } from "../dist/credentials.js";
import { Fault } from "../dist/fault.js";
import { kit } from "./kit.js";
import { scratch } from "./process.js";

interface Row {
  id: string;
  url?: string;
  key?: string;
  request?: boolean;
  environment?: Record<string, string>;
  files?: { path: string; text: string; mode?: string }[];
  out?: Record<string, unknown>;
  fault?: { kind: string; words: string[]; without?: string[] };
}

const { osUser, rows } = JSON.parse(readFileSync(join(kit, "connections.json"), "utf8")) as {
  osUser: string;
  rows: Row[];
};

/** Fields that a row leaves out. */
const USUAL = {
  sslrootcert: null,
  sslcert: null,
  sslkey: null,
  sslMaxProtocolVersion: null,
  connectTimeoutMs: null,
  options: null,
  requireAuth: null,
  channelBinding: "prefer",
  targetSessionAttrs: "any",
  sslNegotiation: "postgres",
  sslMinProtocolVersion: "TLSv1.2",
  notes: [],
};

function resolve({ url, key, request, environment = {} }: Row, home: string): Target {
  const sources = { environment, home, osUser };
  if (request) return new CredentialScope(sources, url, key).lookup(undefined).target;
  return new CredentialScope(url === undefined ? sources : { ...sources, map: { default: url } }).lookup(undefined)
    .target;
}

function told(target: Target, withPasswords: boolean): Record<string, unknown> {
  const hosts = [target, ...target.moreHosts];
  const passwords = hosts.map(({ password }) => password?.reveal() ?? null);
  return {
    hosts: hosts.map(({ host, port, address }) => (address === undefined ? [host, port] : [host, port, address])),
    user: target.user,
    database: target.database,
    password: withPasswords ? null : passwords[0],
    ...(withPasswords ? { passwords } : {}),
    sslmode: target.sslMode,
    sslrootcert: target.roots ?? null,
    sslcert: target.clientCertificate?.certificate ?? null,
    sslkey: target.clientCertificate?.key ?? null,
    sslMaxProtocolVersion: target.sslMaxVersion ?? null,
    connectTimeoutMs: target.connectTimeoutMs ?? null,
    options: target.options ?? null,
    requireAuth: target.requireAuth ?? null,
    channelBinding: target.channelBinding,
    targetSessionAttrs: target.targetSessionAttrs,
    sslNegotiation: target.sslNegotiation,
    sslMinProtocolVersion: target.sslMinVersion,
    notes: target.notes,
  };
}

for (const row of rows) {
  test(`connection text: ${row.id}`, () => {
    const home = scratch();
    const { out, fault, ...given } = JSON.parse(JSON.stringify(row).replaceAll("{home}", home)) as Row;
    for (const { path, text, mode } of given.files ?? []) {
      const file = path.replace("~", home);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
      chmodSync(file, Number.parseInt(mode ?? "0600", 8));
    }
    if (fault === undefined) {
      assert.deepEqual(told(resolve(given, home), out?.passwords !== undefined), { ...USUAL, ...out });
      return;
    }
    let found: Fault | undefined;
    try {
      resolve(given, home);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      found = error;
    }
    assert.ok(found, "it did not fail");
    assert.equal(found.kind, fault.kind, found.message);
    for (const word of fault.words) assert.ok(found.message.includes(word), `${word} is not in: ${found.message}`);
    for (const word of fault.without ?? []) assert.ok(!found.message.includes(word), `${word} is in: ${found.message}`);
  });
}
