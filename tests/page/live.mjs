// The program that serves live pages, with servers in trouble, and commands that change them.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Starts it; resolves once the pages are up. */
export async function serve() {
  const child = spawn(process.env.ARCHON_LIVE_PAGE, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the server of live pages ended with ${await ended}`);
    return value;
  };
  const { address } = JSON.parse(await line());
  return {
    address: `http://${address}`,
    /** Obeys a command of tests/support/bin/live-page.rs. */
    async order(command) {
      child.stdin.write(`${command}\n`);
      await line();
    },
    async end() {
      child.stdin.end();
      await ended;
    },
  };
}
