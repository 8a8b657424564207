// One call of a component: a new thread with a new instance, terminated on return or at a limit.

import { MessageChannel, Worker } from "node:worker_threads";
import type { Component } from "./components.js";
import { asFault, Fault } from "./fault.js";
import { Ended, type HostApi } from "./imports.js";
import type { Limits } from "./limits.js";
import type { ExportName, FromGuest, ToGuest } from "./protocol.js";

/** V8 heap of a component's thread, which holds the data that crosses between WebAssembly and the host. */
const HEAP_MB = 512;
const STACK_MB = 4;

/** Options of a call. */
export interface CallOptions {
  exported: ExportName;
  /** Absent for a function without parameters. */
  argument?: unknown;
  hostApi: HostApi;
  limits: Pick<Limits, "cpuMs" | "memoryBytes" | "requestBytes" | "reportBytes">;
  /** End of the call, on the clock of `performance.now()`. */
  end: number;
  /** Limit that set the end, for the message: a second attempt has less time. */
  deadlineMs: number;
}

/** Calls an export. Throws the fault that it returned, or the host's own: a limit, the deadline, a trap. */
export async function callComponent(component: Component, options: CallOptions): Promise<unknown> {
  const { hostApi } = options;
  try {
    return await run(component, options);
  } finally {
    await hostApi.close();
  }
}

function run(
  component: Component,
  { exported, argument, hostApi, limits, end, deadlineMs }: CallOptions,
): Promise<unknown> {
  const { port1: port, port2 } = new MessageChannel();
  const signal = new SharedArrayBuffer(4);
  const bell = new Int32Array(signal);
  const { requestBytes, reportBytes } = limits;
  const { name, entry, cores } = component;
  const worker = new Worker(new URL("./worker.js", import.meta.url), {
    name,
    workerData: { entry, cores, exported, argument, port: port2, signal, requestBytes, reportBytes },
    transferList: [port2],
    // By default a thread gets a copy of the environment, which may hold secrets.
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
          // A failure in `portable` must also become a fault, not an unhandled rejection.
          hostApi
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
          hostApi.drop(message.resource, message.handle);
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

/** Converts faults in an answer to plain records: structured cloning keeps only the message of an Error. */
function portable(ok: unknown): unknown {
  if (!Array.isArray(ok)) return ok;
  return ok.map((item) => (item.val instanceof Fault ? { ...item, val: item.val.toJSON() } : item));
}

/** Returns the fault of a call that exceeded its deadline. */
export function late(deadlineMs: number): Fault {
  const message = `the call was not done within ${deadlineMs} ms: limit \`deadlineMs\``;
  return new Fault("deadline-exceeded", message);
}

function trapped(name: string, why: string, memoryBytes: number): Fault {
  // Rust traps with `unreachable` both on a panic and when memory runs out.
  const said = why === "unreachable" ? `it panicked or needed more than limit \`memoryBytes\`, ${memoryBytes}` : why;
  return new Fault("plugin-trapped", `${name} was ended: ${said}`);
}

function broken(name: string, error: Error & { code?: string }): Fault {
  if (error.code === "ERR_WORKER_OUT_OF_MEMORY") {
    return Fault.limit(`the component passed more at once than its thread has memory for, ${HEAP_MB} MiB`);
  }
  return new Fault("plugin-trapped", `${name} was ended: ${error.message}`);
}

/** Measures the component's computing time; calls `ring` when it is used up. */
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
