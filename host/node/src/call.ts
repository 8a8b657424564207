// One call of a component: a fresh thread with a fresh instance, ended when it is done or its time is up.

import { MessageChannel, Worker } from "node:worker_threads";
import type { Component } from "./components.js";
import { asFault, Fault } from "./fault.js";
import { Ended, type Powers } from "./imports.js";
import type { Limits } from "./limits.js";
import type { ExportName, FromGuest, ToGuest } from "./protocol.js";

/** JavaScript's own memory of a component's thread: what crosses between WebAssembly and the host is in it. */
const HEAP_MB = 512;
const STACK_MB = 4;

/** What a call is given. */
export interface CallOptions {
  exported: ExportName;
  /** None for a function without one. */
  argument?: unknown;
  powers: Powers;
  limits: Pick<Limits, "cpuMs" | "memoryBytes" | "requestBytes" | "reportBytes">;
  /** By when it must be done, as `performance.now()` counts. */
  end: number;
  /** The limit that set the end, for the message: a second try has less time. */
  deadlineMs: number;
}

/** Calls an export. Throws the fault that it returned, or the host's own: a limit, the deadline, a trap. */
export async function callComponent(component: Component, options: CallOptions): Promise<unknown> {
  const { powers } = options;
  try {
    return await run(component, options);
  } finally {
    await powers.close();
  }
}

function run(component: Component, { exported, argument, powers, limits, end, deadlineMs }: CallOptions): Promise<unknown> {
  const { port1: port, port2 } = new MessageChannel();
  const signal = new SharedArrayBuffer(4);
  const bell = new Int32Array(signal);
  const { requestBytes, reportBytes } = limits;
  const { name, entry, cores } = component;
  const worker = new Worker(new URL("./worker.js", import.meta.url), {
    name,
    workerData: { entry, cores, exported, argument, port: port2, signal, requestBytes, reportBytes },
    transferList: [port2],
    // A thread gets a copy of the environment unless told otherwise, and secrets are in there.
    env: {},
    argv: [],
    execArgv: [],
    stdin: false,
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, stackSizeMb: STACK_MB },
  });
  return new Promise((resolve, reject) => {
    let isOver = false;
    const over = (settle: () => void) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(deadline);
      cpu.stop();
      port.close();
      void worker.terminate().then(settle);
    };
    const fail = (fault: Fault) => over(() => reject(fault));
    const deadline = setTimeout(() => fail(late(deadlineMs)), Math.max(0, end - performance.now()));
    const cpu = new Stopwatch(limits.cpuMs, () => {
      fail(Fault.limit(`the component computed for more than ${limits.cpuMs} ms: limit \`cpuMs\``));
    });
    const answer = (message: ToGuest) => {
      if (isOver) return;
      port.postMessage(message);
      cpu.start();
      Atomics.store(bell, 0, 1);
      Atomics.notify(bell, 0);
    };
    port.on("message", (message: FromGuest) => {
      switch (message.type) {
        case "begun":
          cpu.start();
          break;
        case "import":
          cpu.stop();
          // What an answer cannot be made portable by is a fault, too, and no rejection that nobody handles.
          powers
            .call(message.name, message.args)
            .then(portable)
            .then(
              (ok) => answer({ ok }),
              (error: unknown) => {
                if (error instanceof Ended) fail(error.fault);
                else answer({ err: asFault(error).toJSON() });
              },
            );
          break;
        case "drop":
          powers.drop(message.resource, message.handle);
          break;
        case "returned":
          over(() => resolve(message.value));
          break;
        case "refused":
          fail(Fault.from(message.fault));
          break;
        case "trapped":
          fail(trapped(name, message.message, limits.memoryBytes));
          break;
      }
    });
    worker.on("error", (error) => fail(broken(name, error)));
    worker.on("exit", () => fail(trapped(name, "its thread ended", limits.memoryBytes)));
  });
}

/** An answer whose faults arrive whole: of an Error that crosses threads only the message is left. */
function portable(ok: unknown): unknown {
  if (!Array.isArray(ok)) return ok;
  return ok.map((item) => (item.val instanceof Fault ? { ...item, val: item.val.toJSON() } : item));
}

/** What was not done in its time. */
export function late(deadlineMs: number): Fault {
  const message = `the call was not done within ${deadlineMs} ms: limit \`deadlineMs\``;
  return new Fault("deadline-exceeded", message);
}

function trapped(name: string, why: string, memoryBytes: number): Fault {
  // Rust has no other way to say that there is no memory.
  const said = why === "unreachable" ? `it panicked or needed more than limit \`memoryBytes\`, ${memoryBytes}` : why;
  return new Fault("plugin-trapped", `${name} was ended: ${said}`);
}

function broken(name: string, error: Error & { code?: string }): Fault {
  if (error.code === "ERR_WORKER_OUT_OF_MEMORY") {
    return Fault.limit(`the component passed more at once than its thread has memory for, ${HEAP_MB} MiB`);
  }
  return new Fault("plugin-trapped", `${name} was ended: ${error.message}`);
}

/** Counts the time in which the component computes. */
class Stopwatch {
  readonly #ring: () => void;
  #left: number;
  #since: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number, ring: () => void) {
    this.#left = ms;
    this.#ring = ring;
  }

  start(): void {
    this.#since = performance.now();
    this.#timer = setTimeout(this.#ring, Math.max(0, this.#left));
  }

  stop(): void {
    clearTimeout(this.#timer);
    if (this.#since !== undefined) this.#left -= performance.now() - this.#since;
    this.#since = undefined;
  }
}
