// Thread of a component, without access to environment, credentials or driver.
//
// A component's imports are synchronous and the driver is not, so each import sends a request to the host's thread and
// blocks until it is answered. The host's thread can terminate this one at any time, also in a loop or while blocked.

import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { isWithin } from "./crossing.js";
import type { FaultRecord } from "./fault.js";
import type { ImportName, Imports, Resource } from "./imports.js";
import type { FromGuest, Start, ToGuest } from "./protocol.js";

const { entry, cores, exported, argument, port, signal, requestBytes, reportBytes } = workerData as Start & {
  port: MessagePort;
};
const bell = new Int32Array(signal);
const dispose: typeof Symbol.dispose = Symbol.dispose ?? Symbol.for("dispose");

function say(message: FromGuest): void {
  port.postMessage(message);
}

/** Sends an import to the host's thread, and blocks until it answers. */
function ask<N extends ImportName>(name: N, args: Imports[N][0]): Imports[N][1] {
  if (!isWithin(args, requestBytes)) throw tooLarge("has given the host", requestBytes, "requestBytes");
  Atomics.store(bell, 0, 0);
  say({ type: "import", name, args });
  Atomics.wait(bell, 0, 0);
  const answer = receiveMessageOnPort(port)?.message as ToGuest;
  if ("ok" in answer) return answer.ok as Imports[N][1];
  // jco treats an Error as a trap, and anything else as the error of WIT's result.
  throw answer.err;
}

function tooLarge(what: string, bytes: number, limit: string): FaultRecord {
  const message = `the component ${what} more than ${bytes} bytes: limit \`${limit}\``;
  return { kind: "limit-exceeded", message, retryable: false };
}

/** Handle of the component. The object behind it is in the host's thread. */
class Handle {
  readonly handle: number;
  readonly #resource: Resource;

  constructor(resource: Resource, handle: number) {
    this.#resource = resource;
    this.handle = handle;
  }

  [dispose](): void {
    say({ type: "drop", resource: this.#resource, handle: this.handle });
  }
}

class Credential extends Handle {
  name(): string {
    return ask("credential.name", { credential: this.handle });
  }
}

class Session extends Handle {
  static open(using: Credential): Session {
    return new Session("session", ask("session.open", { credential: using.handle }).session);
  }

  accessPath(): string {
    return ask("session.access-path", { session: this.handle });
  }

  notes(): readonly string[] {
    return ask("session.notes", { session: this.handle });
  }

  query(batch: Imports["session.query"][0]["batch"]) {
    return ask("session.query", { session: this.handle, batch });
  }
}

class Console extends Handle {
  static open(using: Credential): Console {
    return new Console("console", ask("console.open", { credential: using.handle }).console);
  }

  kind(): string {
    return ask("console.kind", { console: this.handle });
  }

  show(views: string[]) {
    return ask("console.show", { console: this.handle, views });
  }
}

interface WitOrder {
  target: { pid: number; backendStart: bigint };
  signal: "cancel" | "terminate";
  state: string;
  stateChange: bigint;
  reason: string;
}

/** Imports of the component. jco names them without their version. */
const imports = {
  "archon:connection-pool/types": {},
  "archon:connection-pool/credentials": {
    Credential,
    lookup: (name: string | undefined) => new Credential("credential", ask("credentials.lookup", { name }).credential),
  },
  "archon:connection-pool/database": {
    Session,
    probe: (using: Credential, count: number, timeoutMs: number) =>
      ask("database.probe", { credential: using.handle, count, timeoutMs }),
  },
  "archon:connection-pool/pooler": { Console },
  "archon:connection-pool/backends": {
    deliver: (on: Session, orders: WitOrder[], dryRun: boolean) =>
      ask("backends.deliver", {
        session: on.handle,
        orders: orders.map(({ target, ...order }) => ({ ...target, ...order })),
        dryRun,
      }),
  },
  "archon:connection-pool/scaling": {
    resize: (on: Console, to: { pool?: string; size: number; reason: string }, dryRun: boolean) =>
      ask("scaling.resize", { console: on.handle, ...to, dryRun }),
    reconnect: (on: Console, database: string, reason: string, dryRun: boolean) =>
      ask("scaling.reconnect", { console: on.handle, database, reason, dryRun }),
  },
};

type Exports = Record<string, Record<string, (argument: unknown) => unknown>>;

const { instantiate } = (await import(entry)) as {
  instantiate(core: (file: string) => WebAssembly.Module | undefined, imports: object): Exports;
};
say({ type: "begun" });
// Keeps the thread alive until the host terminates it: exiting could lose its last message.
setInterval(() => {}, 2 ** 30);
try {
  const exports = instantiate((file) => cores[file], imports);
  const [name, method] = exported;
  const open = exports[`archon:connection-pool/${name}@1.0.0`]?.[method];
  if (!open) throw new Error(`it exports no ${name}.${method}`);
  const value = argument === undefined ? (open as () => unknown)() : open(argument);
  if (isWithin(value, reportBytes)) say({ type: "returned", value });
  else say({ type: "refused", fault: tooLarge("answered with", reportBytes, "reportBytes") });
} catch (error) {
  const payload = (error as { payload?: FaultRecord }).payload;
  if (payload) say({ type: "refused", fault: payload });
  else say({ type: "trapped", message: error instanceof Error ? error.message : String(error) });
}
