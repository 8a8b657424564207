// Programs that tests start: run as an unprivileged user, and ended when this process ends in any way.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whom servers run as: they refuse to run as root. */
const runner = process.getuid?.() === 0 ? findRunner() : undefined;

function findRunner(): { uid: number; gid: number } {
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const found = ["postgres", "nobody"].map((name) => users.find((fields) => fields[0] === name)).find(Boolean);
  if (!found) throw new Error("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`");
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

process.setMaxListeners(50);

/** A folder of one's own, removed at the end. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "archon-pool-node-"));
  own(folder);
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Gives a file or folder to whoever servers run as. */
export function own(path: string): void {
  if (runner) chownSync(path, runner.uid, runner.gid);
}

function command(signal: string, program: string, args: string[]): [string, string[]] {
  const user = runner ? [`--reuid=${runner.uid}`, `--regid=${runner.gid}`, "--clear-groups"] : [];
  return ["setpriv", [...user, `--pdeathsig=${signal}`, program, ...args]];
}

/** Runs a program to its end. Throws what it said when it failed. */
export function runProgram(program: string, args: string[]): void {
  const { status, stdout, stderr, error } = spawnSync(...command("INT", program, args), { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} failed: ${error?.message ?? ""}${stdout}${stderr}`);
}

/** Starts a program. It gets the signal when this process ends. */
export function startProgram(program: string, args: string[], signal: "INT" | "TERM"): ChildProcess {
  const child = spawn(...command(signal, program, args), { stdio: "ignore" });
  process.on("exit", () => child.kill(`SIG${signal}`));
  return child;
}

/** Ends a program and waits for it. */
export async function endProgram(child: ChildProcess, signal: "INT" | "TERM"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(`SIG${signal}`);
  await ended;
}

/** A port that nobody listens on now. */
export async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Where PostgreSQL's programs are: ARCHON_PG_BIN, or the newest that Debian has. */
export function serverPrograms(): string {
  if (process.env.ARCHON_PG_BIN) return process.env.ARCHON_PG_BIN;
  const root = "/usr/lib/postgresql";
  let versions: string[] = [];
  try {
    versions = readdirSync(root).sort((a, b) => Number(b) - Number(a));
  } catch {
    // Told below.
  }
  if (!versions[0]) throw new Error("there is no PostgreSQL server: install postgresql, or set ARCHON_PG_BIN");
  return join(root, versions[0], "bin");
}

/** Waits for something to be true. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`it took too long until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
