// Import implementation of a live call: credentials, server and pooler, within all limits.
//
// The component runs in another thread and gets numbers as handles. The objects behind them, including secrets, stay
// here.

import { setMaxListeners } from "node:events";
import type { Audit } from "./audit.js";
import type { Target } from "./connection-config/target.js";
import type { Consent } from "./consent.js";
import type { Credential, CredentialScope } from "./credentials.js";
import { asFault, Fault } from "./fault.js";
import type { Hourly } from "./guard/caps.js";
import { deliver, deny, KillCounter } from "./guard/deliver.js";
import type { Order, Outcome } from "./guard/order.js";
import { checkStatements, type Policy } from "./guard/policy.js";
import {
  Ended,
  type HostApi,
  type ImportName,
  type Imports,
  type Item,
  type ProbeTiming,
  type Resource,
} from "./imports.js";
import { inTime } from "./in-time.js";
import type { Limits } from "./limits.js";
import { Lookups } from "./lookups.js";
import { PgBouncer } from "./pgbouncer.js";
import type { Intent } from "./request.js";
import type { RowSet } from "./row-set.js";
import { reconnect, resize } from "./scaling.js";
import { unreachable } from "./server-error.js";
import { type Answer, Session } from "./session.js";
import { startOf } from "./text.js";
import { weight } from "./values.js";

/** Inputs of a live call. */
export interface CallInputs {
  scope: CredentialScope;
  intent: Intent;
  policy: Policy;
  limits: Limits;
  audit: Audit;
  hourly: Hourly;
  /** Callback that confirms signals and changes. */
  consent?: Consent | undefined;
  /** SHA-256 of every statement that may be sent. */
  catalogue: ReadonlySet<string>;
  /** Called before a signal or change may be sent: from then on the call must not be repeated blindly. */
  onSignal(): void;
}

/** Maximum lengths: of a recorded reason, and of a state and a pool name that are sent. */
const REASON_LETTERS = 1_000;
const STATE_LETTERS = 64;
const NAME_LETTERS = 256;

/** Note on the scope of the hourly caps. */
const CAP_NOTE =
  "caps per hour (the policy's maxKillsPerHour and maxResizesPerHour) count the calls of this process alone";

/** Import implementation of one live call. */
export class LiveHostApi implements HostApi {
  readonly #inputs: CallInputs;
  readonly #credentials = new Handles<Credential>();
  readonly #sessions = new Handles<Session>();
  readonly #consoles = new Handles<PgBouncer>();
  readonly #killCounter = new KillCounter();
  readonly #changed = new Set<string>();
  readonly #closing: Promise<void>[] = [];
  /** Aborts pending opens when the call is over. */
  readonly #over = new AbortController();
  readonly #lookups = new Lookups();
  #calls = 0;
  #probes = 0;
  #orders = 0;
  #rows: number;
  #bytes: number;
  #requested = 0;

  constructor(inputs: CallInputs) {
    this.#inputs = inputs;
    this.#rows = inputs.limits.answerRows;
    this.#bytes = inputs.limits.answerBytes;
    // Each session and probe adds a listener and removes it on close.
    setMaxListeners(0, this.#over.signal);
  }

  async call<N extends ImportName>(name: N, args: Imports[N][0]): Promise<Imports[N][1]> {
    const most = this.#inputs.limits.hostCalls;
    if (++this.#calls > most) {
      throw new Ended(Fault.limit(`the component called the host more than ${most} times: limit \`hostCalls\``));
    }
    const handler = this.#handlers[name] as (args: Imports[N][0]) => Promise<Imports[N][1]>;
    return handler(args);
  }

  drop(resource: Resource, handle: number): void {
    if (resource === "credential") this.#credentials.take(handle);
    else this.#closing.push(ended(resource === "session" ? this.#sessions.take(handle) : this.#consoles.take(handle)));
  }

  async close(): Promise<void> {
    this.#over.abort();
    const open = [...this.#sessions.all(), ...this.#consoles.all()];
    await Promise.all([...this.#closing, ...open.map(ended)]);
  }

  readonly #handlers: { [N in ImportName]: (args: Imports[N][0]) => Promise<Imports[N][1]> } = {
    "credentials.lookup": async ({ name }) => ({ credential: this.#credentials.put(this.#inputs.scope.lookup(name)) }),
    "credential.name": async ({ credential }) => this.#credentials.get(credential).name,
    "session.open": async ({ credential }) => {
      this.#countSession();
      const { target } = this.#credentials.get(credential);
      return {
        session: this.#sessions.put(
          await this.#kept(Session.open(target, this.#inputs.limits, this.#over.signal, this.#lookups)),
        ),
      };
    },
    "session.access-path": async ({ session }) => this.#sessions.get(session).accessPath,
    "session.notes": async ({ session }) => [...this.#sessions.get(session).notes, ...this.#capNotes()],
    "session.query": async ({ session, batch }) => {
      this.#countBatch(
        batch.length,
        batch.reduce((sum, it) => sum + it.sql.length + sumOf(it.params.map(weight)), 0),
      );
      checkStatements(
        batch.map(({ sql }) => sql),
        this.#inputs.catalogue,
      );
      return (await this.#sessions.get(session).query(batch, this.#takeRow)).map(item);
    },
    "database.probe": async ({ credential, count, timeoutMs }) => {
      this.#probes = this.#count("probes", "probes were asked for", this.#probes, count);
      const { target } = this.#credentials.get(credential);
      const timeout = Math.min(timeoutMs, this.#inputs.limits.connectTimeoutMs);
      return Promise.all(Array.from({ length: count }, () => this.#probe(target, timeout)));
    },
    "console.open": async ({ credential }) => {
      this.#countSession();
      const { name, console } = this.#credentials.get(credential);
      if (!console) throw new Fault("no-pooler", `no pooler console is configured for credential '${name}'`);
      return {
        console: this.#consoles.put(
          await this.#kept(PgBouncer.open(console, this.#inputs.limits, this.#over.signal, this.#lookups)),
        ),
      };
    },
    "console.kind": async ({ console }) => {
      this.#consoles.get(console);
      return "pgbouncer";
    },
    "console.show": async ({ console, views }) => {
      this.#countBatch(views.length, sumOf(views.map((view) => view.length)));
      const found = this.#consoles.get(console);
      const shown = await Promise.allSettled(views.map((view) => found.show(view, this.#takeRow)));
      const answers = shown.map(
        (it): Answer<RowSet> => (it.status === "fulfilled" ? { ok: it.value } : { err: asFault(it.reason) }),
      );
      if (found.lost) throw found.lost;
      return answers.map(item);
    },
    "backends.deliver": async ({ session, orders, dryRun }) =>
      this.#deliver(this.#sessions.get(session), orders, dryRun),
    "scaling.resize": async ({ console, pool, size, reason, dryRun }) => {
      this.#countRequest(reason.length + (pool?.length ?? 0));
      const order = { pool: pool && startOf(pool, NAME_LETTERS), size, reason: startOf(reason, REASON_LETTERS) };
      return resize(order, this.#scaling(console, dryRun));
    },
    "scaling.reconnect": async ({ console, database, reason, dryRun }) => {
      this.#countRequest(reason.length + database.length);
      const [name, why] = [startOf(database, NAME_LETTERS), startOf(reason, REASON_LETTERS)];
      return reconnect(name, why, this.#scaling(console, dryRun));
    },
  };

  /** Returns notes about the caps for the report of a call that may change anything. */
  #capNotes(): string[] {
    const { refusal, scalingRefusal } = this.#inputs.intent;
    return refusal !== undefined && scalingRefusal !== undefined ? [] : [CAP_NOTE];
  }

  async #deliver(session: Session, given: Order[], dryRun: boolean): Promise<Outcome[]> {
    const { intent } = this.#inputs;
    this.#orders = this.#count("orders", "orders were given", this.#orders, given.length);
    this.#countRequest(sumOf(given.map(({ state, reason }) => state.length + reason.length)));
    const orders = given.map((order) => ({
      ...order,
      state: startOf(order.state, STATE_LETTERS),
      reason: startOf(order.reason, REASON_LETTERS),
    }));
    if (orders.some(({ signal }) => signal === "cancel")) {
      throw new Fault("not-approved", "no action of the contract cancels statements");
    }
    const terms = { ...this.#inputs, session, killCounter: this.#killCounter, dryRun };
    // Must not become a silent dry run: the component would report actions that did not happen.
    if (!dryRun && intent.refusal !== undefined) return deny(orders, intent.refusal, terms);
    const { maxKillPercentage: requested, thresholds, only } = intent;
    return deliver(orders, { ...terms, requested, thresholds, only });
  }

  #scaling(console: number, dryRun: boolean) {
    return { ...this.#inputs, console: this.#consoles.get(console), changed: this.#changed, dryRun };
  }

  async #probe(target: Target, timeout: number): Promise<Item<ProbeTiming>> {
    const late = () => unreachable(target, `the probe was not done within ${timeout} ms`);
    const giving = new AbortController();
    const giveUp = () => giving.abort();
    this.#over.signal.addEventListener("abort", giveUp);
    if (this.#over.signal.aborted) giveUp();
    const probing = this.#timed(target, giving.signal).finally(() => {
      this.#over.signal.removeEventListener("abort", giveUp);
    });
    this.#closing.push(
      probing.then(
        () => {},
        () => {},
      ),
    );
    try {
      return { tag: "ok", val: await inTime(probing, timeout, late) };
    } catch (error) {
      return { tag: "err", val: asFault(error) };
    } finally {
      // An abandoned probe must close its connection.
      giveUp();
    }
  }

  async #timed(target: Target, over: AbortSignal): Promise<ProbeTiming> {
    const started = performance.now();
    const { limits } = this.#inputs;
    // Probes run no large statements and may be numerous, so the start limit bounds them.
    const protocolMessageBytes = Math.min(limits.protocolMessageBytes, limits.startBytes);
    const statementBytes = Math.min(limits.statementBytes, limits.startBytes);
    const session = await Session.unchecked(
      target,
      { ...limits, protocolMessageBytes, statementBytes },
      over,
      this.#lookups,
    );
    try {
      const connectUs = micros(performance.now() - started);
      return { connectUs, roundTripUs: micros(await session.roundTrip()) };
    } finally {
      await session.close();
    }
  }

  /** Closes a session or console that finishes opening after the call's end. */
  async #kept<T extends Session | PgBouncer>(opening: Promise<T>): Promise<T> {
    this.#closing.push(
      opening.then(
        (it) => (this.#over.signal.aborted ? ended(it) : undefined),
        () => {},
      ),
    );
    return opening;
  }

  /** Reserves room for a row; returns false when a row or byte limit is reached, also for all later rows. */
  readonly #takeRow = (bytes: number): boolean => {
    if (bytes > this.#bytes || this.#rows === 0) {
      this.#bytes = 0;
      return false;
    }
    this.#bytes -= bytes;
    this.#rows -= 1;
    return true;
  };

  #countSession(): void {
    const most = this.#inputs.limits.sessions;
    if (this.#sessions.size + this.#consoles.size >= most) {
      throw Fault.limit(`${most} sessions are open already: limit \`sessions\``);
    }
  }

  #countBatch(statements: number, bytes: number): void {
    const { limits } = this.#inputs;
    if (statements > limits.statements) {
      throw Fault.limit(
        `the batch has ${statements} statements, ${limits.statements} are allowed: limit \`statements\``,
      );
    }
    this.#countRequest(bytes);
    const had = (most: number, what: string, limit: string) =>
      Fault.limit(`the component has had the ${most} ${what} that one call may read: limit \`${limit}\``);
    if (this.#rows === 0) throw had(limits.answerRows, "rows", "answerRows");
    if (this.#bytes === 0) throw had(limits.answerBytes, "bytes", "answerBytes");
  }

  #countRequest(bytes: number): void {
    const most = this.#inputs.limits.requestBytes;
    this.#requested += bytes;
    if (this.#requested > most) {
      const message = `the component has given ${this.#requested} bytes of statements and reasons, ${most} are allowed`;
      throw Fault.limit(`${message}: limit \`requestBytes\``);
    }
  }

  #count(limit: "probes" | "orders", what: string, before: number, more: number): number {
    const [wanted, most] = [before + more, this.#inputs.limits[limit]];
    if (wanted > most) throw Fault.limit(`${wanted} ${what} in this call, ${most} are allowed: limit \`${limit}\``);
    return wanted;
  }
}

/** Table of objects by handle number, starting at 1. */
class Handles<T> {
  readonly #held = new Map<number, T>();
  #last = 0;

  get size(): number {
    return this.#held.size;
  }

  put(it: T): number {
    this.#held.set(++this.#last, it);
    return this.#last;
  }

  get(handle: number): T {
    const found = this.#held.get(handle);
    if (found === undefined)
      throw new Ended(new Fault("plugin-trapped", "the component used a handle that it has not"));
    return found;
  }

  take(handle: number): T | undefined {
    const found = this.#held.get(handle);
    this.#held.delete(handle);
    return found;
  }

  all(): T[] {
    return [...this.#held.values()];
  }
}

async function ended(it: Session | PgBouncer | undefined): Promise<void> {
  await it?.close().catch(() => {});
}

function item<T>(answer: Answer<T>): Item<T> {
  return "ok" in answer ? { tag: "ok", val: answer.ok } : { tag: "err", val: answer.err };
}

function sumOf(numbers: number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

function micros(ms: number): bigint {
  return BigInt(Math.round(ms * 1_000));
}
