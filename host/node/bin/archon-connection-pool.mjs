#!/usr/bin/env node
// Runs the program archon-pool, which is installed by itself, with the arguments that are given: `npx
// archon-connection-pool mcp` is the command in server.json.

import { spawn } from "node:child_process";

const program = process.env.ARCHON_POOL_PROGRAM || "archon-pool";
const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
// A client ends a server by a signal, and the program closes its sessions then.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("error", ({ code }) => {
  console.error(`error: ${program} could not be started (${code}): install it, or set ARCHON_POOL_PROGRAM to its path`);
  process.exitCode = 3;
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exitCode = code;
  else {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  }
});
