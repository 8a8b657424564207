// Input and reports of a client program; see ../../PROTOCOL.md.

import { writeSync } from "node:fs";

/** Returns the set-up of the command line, with the process id in its name. */
export function readSetup() {
  const setup = JSON.parse(process.argv[2]);
  setup.application_name = setup.application_name?.replace("{pid}", process.pid) ?? null;
  return setup;
}

export function emit(event, fields = {}) {
  writeSync(1, `${JSON.stringify({ event, ...fields })}\n`);
}

/** Reports that no code can use or close a session from now on; its identity is a pid or a port. */
export function lost(identity, how) {
  emit("lost", { ...identity, at_us: Date.now() * 1000, how });
}

/** Ends the process when the runner closes stdin. */
export function endWithStdin() {
  process.stdin.on("end", () => {
    emit("end");
    process.exit(0);
  });
  process.stdin.resume();
}

export const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, Math.max(0, seconds) * 1000));
