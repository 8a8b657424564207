// PostgreSQL servers and PgBouncer consoles that misbehave: each ends its own call by a fault that says why, in time,
// within 200 MiB, and without a socket left. The servers are those of `tests/security`, for all three hosts.

import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { HostileCall } from "./hostile-call.js";
import { COMPLETE, dataRow, Peer, rowDescription } from "./peer.js";
import { ready } from "./scripted.js";

/** One way to misbehave, as `hostile-server list` prints it. */
interface Behaviour {
  kind: "postgres" | "console" | "management";
  name: string;
  does: string;
  sslmode: string;
  /** Kinds of faults that are right. */
  faults: string[];
  /** The limit that the fault must name, as the Rust host writes it. */
  limit: string | null;
  /** What else the fault must say. */
  says: string | null;
}

const CALL = fileURLToPath(new URL("./hostile-call.js", import.meta.url));
const MOST_MIB = 200;
const CLOSING_MS = 1_000;
/** Time for a call to end after its deadline. */
const GRACE_MS = 1_000;
const DEADLINE_MS = 3_000;
/** The same where bytes must reach a limit first, on a machine that does something else. */
const FLOOD_DEADLINE_MS = 60_000;

const server = program();
const list = JSON.parse(execFileSync(server, ["list"], { encoding: "utf8" })) as Behaviour[];
/** Without the Management API, which this host does not speak. */
const behaviours = list.filter(({ kind }) => kind !== "management");

function program(): string {
  const path = process.env.ARCHON_HOSTILE_SERVER;
  if (path) return path;
  throw new Error(
    "ARCHON_HOSTILE_SERVER is not set: build `hostile-server` (crate tests/security), and set it to its path",
  );
}

/** Runs a call against a server that misbehaves so. */
async function call({ kind, name, sslmode }: Behaviour, deadlineMs: number): Promise<HostileCall> {
  const child = spawn(server, [kind, name], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const port = await new Promise<string>((resolve, reject) => {
      createInterface(child.stdout).once("line", resolve);
      child.once("exit", () => reject(new Error(`hostile-server ${kind} ${name} ended`)));
    });
    return await run(kind, port, sslmode, deadlineMs);
  } finally {
    child.kill();
  }
}

async function run(kind: string, port: string, sslmode: string, deadlineMs: number): Promise<HostileCall> {
  const { stdout } = await promisify(execFile)(process.execPath, [CALL, kind, port, sslmode, String(deadlineMs)]);
  return JSON.parse(stdout) as HostileCall;
}

const camel = (name: string) => name.replace(/_./g, (letters) => letters.slice(1).toUpperCase());

test("there are at least 15 of each kind", () => {
  for (const kind of ["postgres", "console"]) {
    assert.ok(behaviours.filter((it) => it.kind === kind).length >= 15, kind);
  }
});

test("whoever misbehaves ends its own call, and nothing else", { concurrency: 2 }, async (all) => {
  await Promise.all(
    behaviours.map((behaviour) =>
      all.test(`${behaviour.kind} ${behaviour.name}: ${behaviour.does}`, async () => {
        const deadlineMs = behaviour.limit ? FLOOD_DEADLINE_MS : DEADLINE_MS;
        const { fault, tookMs, closingMs, grownMiB } = await call(behaviour, deadlineMs);
        assert.ok(fault, "the call succeeded");
        assert.ok(behaviour.faults.includes(fault.kind), `${fault.kind}: ${fault.message}`);
        if (behaviour.limit) assert.ok(fault.message.includes(`limit \`${camel(behaviour.limit)}\``), fault.message);
        if (behaviour.says) assert.ok(fault.message.includes(behaviour.says), fault.message);
        if (fault.kind === "authentication-failed") assert.ok(!fault.retryable, fault.message);
        assert.ok(!fault.message.includes("tell-nobody"), fault.message);
        assert.ok(tookMs < deadlineMs + GRACE_MS, `it took ${tookMs} ms`);
        assert.ok(closingMs < CLOSING_MS, `a socket was open for ${closingMs} ms`);
        assert.ok(grownMiB < MOST_MIB, `the process took ${grownMiB} MiB more`);
      }),
    ),
  );
});

test("rows within every limit are cut before they take the memory of the process", async () => {
  for (const [width, size, count, letter] of [
    [1, 600, 90_000, "x"],
    [16, 8, 90_000, "x"],
    [1_000, 50, 500, "x"],
    [1, 4 << 20, 12, "x"],
    [1, 4 << 20, 12, 0xff],
    [1, 9 << 20, 4, 0xff],
  ] as const) {
    const answer = Buffer.concat([
      rowDescription(...Array<number>(width).fill(25)),
      ...Array<Buffer>(count).fill(dataRow(...Array<Buffer>(width).fill(Buffer.alloc(size, letter)))),
      COMPLETE,
    ]);
    const peer = await Peer.start((socket) => {
      socket.write(ready());
      // Ours are simple queries, a component's statements end with a Sync.
      socket.on("data", (bytes: Buffer) => {
        for (const code of requests(bytes)) {
          if (code === "Q") socket.write(COMPLETE);
          if (code === "S") socket.write(answer);
        }
      });
    });
    const { grownMiB, closingMs } = await run("postgres", String(peer.port), "disable", FLOOD_DEADLINE_MS);
    assert.ok(grownMiB < 300, `${width} columns of ${size} bytes took ${grownMiB} MiB`);
    assert.ok(closingMs < CLOSING_MS);
    await peer.stop();
  }
});

/** Letters of a client's messages. */
function requests(bytes: Buffer): string[] {
  const found: string[] = [];
  for (let at = 0; at + 5 <= bytes.length; at += 1 + bytes.readInt32BE(at + 1))
    found.push(String.fromCharCode(bytes[at] ?? 0));
  return found;
}
