// The import `backends`, the only one that can end a session. The component is not trusted.
//
// The signalling statement itself checks that the session is unchanged, a client of this database, not the host's own
// and not protected. The host counts the caps and verifies the result. All statements come from `guard.json`.

import { setTimeout as sleep } from "node:timers/promises";
import type { About, Audit } from "../audit.js";
import { guard } from "../components.js";
import { place } from "../connection-config/target.js";
import { type Consent, whyNoConsent } from "../consent.js";
import { asFault, Fault } from "../fault.js";
import type { Limits } from "../limits.js";
import { keptName } from "../names.js";
import { type IdleThresholds, identityOf } from "../request.js";
import type { Session } from "../session.js";
import { encode, int4, int4Array, type Parameter, textArray, type Value } from "../values.js";
import type { Hourly } from "./caps.js";
import type { Order, Outcome } from "./order.js";
import { applicationPatterns, killCap, type Policy, rolePatterns } from "./policy.js";

/** Numbers of sessions that one call has ended, per database and in total. */
export class KillCounter {
  readonly accounts = new Map<string, Account>();
  spent = 0;
}

/** Cap of one database, fixed at a call's first delivery: ending sessions must not raise it. */
interface Account {
  cap: number;
  killable: number;
  clients: number;
  spent: number;
}

/** Context and limits of a delivery. */
export interface Terms {
  session: Session;
  policy: Policy;
  limits: Limits;
  audit: Audit;
  hourly: Hourly;
  consent?: Consent | undefined;
  killCounter: KillCounter;
  /** The request's own cap, percent. It can only lower the policy's. */
  requested: number;
  thresholds: IdleThresholds;
  /** The sessions that the request selects; absent for all. */
  only?: ReadonlySet<string> | undefined;
  dryRun: boolean;
  /** Called before a signal may be sent. */
  onSignal(): void;
}

/** Kinds of faults after which the statement may have been executed: its session ended before the final answer. */
const UNSURE = new Set(["connection-lost", "query-canceled", "limit-exceeded", "unexpected-answer"]);

/** Delivers the orders. Outcome i belongs to order i. */
export async function deliver(orders: readonly Order[], terms: Terms): Promise<Outcome[]> {
  return new Delivery(terms).run(orders);
}

/** Records orders that are refused as a whole. */
export async function deny(
  orders: readonly Order[],
  why: string,
  terms: Pick<Terms, "session" | "audit">,
): Promise<Outcome[]> {
  const outcomes = orders.map((): Outcome => denied(why));
  await record(orders, outcomes, { ...terms, dryRun: false });
  return outcomes;
}

class Delivery {
  readonly #terms: Terms;
  readonly #roles: Parameter;
  readonly #applications: Parameter;
  readonly #percentage: number;
  readonly #setting: string;

  constructor(terms: Terms) {
    this.#terms = terms;
    this.#roles = textArray(rolePatterns(terms.policy));
    this.#applications = textArray(applicationPatterns(terms.policy));
    const isLower = terms.requested < terms.policy.maxKillPercentage;
    this.#percentage = isLower ? terms.requested : terms.policy.maxKillPercentage;
    this.#setting = isLower ? "options.maxKillPercentage" : "the policy's maxKillPercentage";
  }

  async run(orders: readonly Order[]): Promise<Outcome[]> {
    const refused = orders.map((order) => this.#refused(order));
    const sent = await this.#deliver(orders.filter((_, index) => refused[index] === undefined));
    const outcomes = refused.map((outcome) => outcome ?? (sent.shift() as Outcome));
    await record(orders, outcomes, this.#terms);
    return outcomes;
  }

  async #deliver(orders: readonly Order[]): Promise<Outcome[]> {
    const { dryRun, killCounter } = this.#terms;
    const opened = await this.#openAccount();
    // A dry run counts like a real one, but on copies.
    const account = dryRun ? { ...opened } : opened;
    const book = dryRun ? { spent: killCounter.spent } : killCounter;
    const outcomes: Outcome[] = [];
    const refusal = await this.#ask(orders, account, book.spent);
    while (outcomes.length < orders.length) {
      const from = outcomes.length;
      const rest = orders.slice(from);
      if (account.clients === 0) {
        // No countable sessions: those of the orders are gone, elsewhere or hidden.
        for (const order of rest) outcomes.push(await this.#classify(order));
      } else if (refusal !== undefined) {
        outcomes.push(...rest.map(() => denied(refusal)));
      } else {
        // Sends at most as many as the caps allow; orders that do not count make room for the next.
        const announced = await this.#announce(rest, account, book.spent);
        if ("outcome" in announced) {
          outcomes.push(...rest.map(() => announced.outcome));
        } else {
          const sent = await this.#send(announced.orders);
          const counted = sent.filter(counts).length;
          account.spent += counted;
          book.spent += counted;
          if (!dryRun) this.#terms.hourly.giveBack(this.#place, sent.length - counted);
          outcomes.push(...sent);
        }
      }
    }
    if (!dryRun) await this.#verify(orders, outcomes);
    return outcomes;
  }

  /** Returns the outcome of an order that is refused before anything is counted or asked. */
  #refused(order: Order): Outcome | undefined {
    const { only } = this.#terms;
    const fault = this.#whyUnsendable(order);
    if (fault !== undefined) return failed(fault);
    if (only?.has(identityOf(order.pid, order.backendStart)) !== false) return undefined;
    return denied("it is not among the sessions that the request selects: options.only");
  }

  /** Returns the fault of an order whose numbers are out of the server's range. */
  #whyUnsendable(order: Order): Fault | undefined {
    try {
      this.#params(order);
      return undefined;
    } catch (error) {
      return asFault(error);
    }
  }

  get #place(): string {
    const { target } = this.#terms.session;
    return `order ${place(target)}/${keptName(target.database)}`;
  }

  async #openAccount(): Promise<Account> {
    const rows = await this.#one(guard().statements.count, [this.#roles, this.#applications]);
    const row = rows[0];
    if (!row) throw new Fault("unexpected-answer", "a count returned no row");
    const [started, database, killable, clients] = [0, 1, 2, 3].map((index) => number(row, index));
    const key = `${started}/${database}`;
    let account = this.#terms.killCounter.accounts.get(key);
    if (!account) {
      const [few, many] = [Number(killable), Number(clients)];
      account = { cap: killCap(this.#percentage, few, many), killable: few, clients: many, spent: 0 };
      this.#terms.killCounter.accounts.set(key, account);
    }
    return account;
  }

  /** Asks for consent once, for all orders that could be sent. */
  async #ask(orders: readonly Order[], { cap, clients, spent }: Account, inAll: number): Promise<string | undefined> {
    const { consent, dryRun, policy, hourly, session, audit } = this.#terms;
    const left = hourly.left(this.#place, policy.maxKillsPerHour);
    const atMost = Math.min(orders.length, cap - spent, policy.maxKills - inAll, left);
    // Without room under the caps, the caps give the reason.
    if (dryRun || clients === 0 || atMost <= 0) return undefined;
    const { target } = session;
    const act = { type: "end" as const, orders, atMost };
    const whom = { server: place(target), database: target.database, role: target.user, component: audit.component };
    return whyNoConsent(consent, { ...whom, act });
  }

  /**
   * Reserves room under the caps and records the orders. Returns the orders to send, or the outcome of all without
   * room.
   */
  async #announce(
    orders: readonly Order[],
    { cap, killable, clients, spent }: Account,
    inAll: number,
  ): Promise<{ orders: readonly Order[] } | { outcome: Outcome }> {
    const { policy, dryRun, hourly, audit, session } = this.#terms;
    const capped = (why: string) => ({ outcome: denied(why) });
    if (cap <= spent) {
      return capped(
        `the cap of ${cap} ended sessions is reached: ${this.#setting} is ${this.#percentage} % of ${killable} ` +
          `killable among ${clients} client sessions`,
      );
    }
    if (policy.maxKills <= inAll) {
      return capped(`the cap of ${policy.maxKills} ended sessions in one call is reached: the policy's maxKills`);
    }
    const room = Math.min(orders.length, cap - spent, policy.maxKills - inAll);
    const most = policy.maxKillsPerHour;
    const granted = dryRun ? Math.min(room, hourly.left(this.#place, most)) : hourly.take(this.#place, room, most);
    if (granted === 0) {
      const setting = "the policy's maxKillsPerHour";
      return capped(`the cap of ${most} ended sessions an hour is reached for this database: ${setting}`);
    }
    const taken = orders.slice(0, granted);
    if (dryRun) return { orders: taken };
    try {
      await audit.announce(
        session.target,
        taken.map((order) => about(order, false)),
      );
    } catch (fault) {
      hourly.giveBack(this.#place, granted);
      return { outcome: failed(fault as Fault) };
    }
    this.#terms.onSignal();
    return { orders: taken };
  }

  /** Sends the orders in one round trip, each guarded and in its own transaction. */
  async #send(orders: readonly Order[]): Promise<Outcome[]> {
    const { terminate, wouldTerminate } = guard().statements;
    const { session, dryRun } = this.#terms;
    const answers = await session.own(
      dryRun ? wouldTerminate : terminate,
      orders.map((order) => this.#params(order)),
    );
    const outcomes: Outcome[] = [];
    for (const [index, answer] of answers.entries()) {
      const order = orders[index] as Order;
      if ("err" in answer) outcomes.push(this.#failed(answer.err));
      else if (!answer.ok[0]) outcomes.push(await this.#classify(order));
      // False: the process ended between the check and the signal.
      else outcomes.push({ tag: truth(answer.ok[0], 0) ? "signalled" : "gone" });
    }
    return outcomes;
  }

  #failed(fault: Fault): Outcome {
    if (fault.kind === "insufficient-privilege") {
      const { user } = this.#terms.session.target;
      const hint = `grant pg_signal_backend to role '${user}'; a superuser's session takes a superuser`;
      return denied(`${fault.message}: ${hint}`);
    }
    // A statement that failed with such a fault may have been executed.
    const isUnsure = UNSURE.has(fault.kind);
    return failed(isUnsure && !this.#terms.dryRun ? unverified(fault) : fault);
  }

  async #classify(order: Order): Promise<Outcome> {
    try {
      const [row] = await this.#one(guard().statements.classify, this.#params(order));
      return row ? whyNot(row) : { tag: "gone" };
    } catch (fault) {
      return failed(fault as Fault);
    }
  }

  /** Waits for the signalled sessions to end, and marks those that survive. */
  async #verify(orders: readonly Order[], outcomes: Outcome[]): Promise<void> {
    const end = performance.now() + this.#terms.limits.leaveTimeoutMs;
    for (let pause = 5; ; pause = Math.min(pause * 2, 50)) {
      const waiting = outcomes.flatMap(({ tag }, index) => (tag === "signalled" ? [index] : []));
      if (waiting.length === 0) return;
      const pids = waiting.map((index) => (orders[index] as Order).pid);
      let there: Set<string>;
      try {
        const rows = await this.#one(guard().statements.stillThere, [int4Array(pids)]);
        there = new Set(rows.map((row) => `${number(row, 0)} ${row[1]?.tag === "timestamp" ? row[1].val : ""}`));
      } catch (fault) {
        // The signal was sent; verification failed.
        for (const index of waiting) outcomes[index] = failed(unverified(fault as Fault));
        return;
      }
      const survivors = waiting.filter((index) => {
        const { pid, backendStart } = orders[index] as Order;
        return there.has(`${pid} ${backendStart}`);
      });
      if (survivors.length === 0) return;
      if (performance.now() >= end) {
        for (const index of survivors) outcomes[index] = { tag: "survived" };
        return;
      }
      await sleep(pause);
    }
  }

  async #one(sql: string, params: Parameter[]): Promise<Value[][]> {
    const [answer] = await this.#terms.session.own(sql, [params]);
    if (!answer) return [];
    if ("err" in answer) throw answer.err;
    return answer.ok;
  }

  #params({ pid, backendStart, state, stateChange }: Order): Parameter[] {
    const { idleMs, idleInTransactionMs } = this.#terms.thresholds;
    return [
      int4(pid),
      encode({ tag: "timestamp", val: backendStart }),
      encode({ tag: "text", val: state }),
      encode({ tag: "timestamp", val: stateChange }),
      this.#roles,
      this.#applications,
      encode({ tag: "float64", val: state.startsWith("idle in transaction") ? idleInTransactionMs : idleMs }),
    ];
  }
}

/** Returns true if an outcome counts against the caps: the signal was or may have been sent. */
function counts({ tag }: Outcome): boolean {
  return tag === "signalled" || tag === "survived" || tag === "failed";
}

/** Returns the outcome of an order that the guard refused, from a row of `classify`. */
function whyNot(row: Value[]): Outcome {
  if (truth(row, 0)) return denied("the connected role may not see this session: grant pg_read_all_stats to it");
  // The pid now belongs to another session.
  if (!truth(row, 1)) return { tag: "gone" };
  const process = words(row, 2);
  if (process !== "client backend") return denied(`it is no client session but '${process}'`);
  if (!truth(row, 3)) return denied("it belongs to another database: connect to that one");
  if (truth(row, 8)) return denied("it is one of our own");
  if (truth(row, 5)) return denied(`role '${words(row, 4)}' is protected`);
  if (truth(row, 7)) return denied(`application '${words(row, 6)}' is protected`);
  if (truth(row, 9) && !truth(row, 10)) return denied("it is in a state in which sessions are not ended");
  const spared = words(row, 12);
  if (truth(row, 9) && spared !== "") return denied(spared);
  if (truth(row, 9) && !truth(row, 11)) {
    const settings = "options.idleTimeoutMs or options.idleInTransactionTimeoutMs";
    return denied(`it has been so for less than the request's ${settings}`);
  }
  return { tag: "changed" };
}

async function record(
  orders: readonly Order[],
  outcomes: readonly Outcome[],
  { session, audit, dryRun }: Pick<Terms, "session" | "audit" | "dryRun">,
): Promise<void> {
  const told = orders.map((order, index): About => {
    const outcome = outcomes[index] as Outcome;
    const name = dryRun && outcome.tag === "signalled" ? "would-signal" : outcome.tag;
    const detail = outcome.tag === "denied" ? outcome.val : outcome.tag === "failed" ? outcome.val.message : "";
    return { ...about(order, dryRun), outcome: name, detail };
  });
  await audit.tell(session.target, told);
}

function about(order: Order, dryRun: boolean): Omit<About, "outcome" | "detail"> {
  const { pid, backendStart, signal, state, stateChange, reason } = order;
  const subject = { pid, backendStart: String(backendStart), signal, state, stateChange: String(stateChange) };
  return { event: "order", reason, dryRun, subject };
}

function denied(why: string): Outcome {
  return { tag: "denied", val: why };
}

function failed(val: Fault): Outcome {
  return { tag: "failed", val };
}

function unverified(fault: Fault): Fault {
  // Not retryable: a retry could signal the next session with this pid.
  const what = "the signal may have been sent, but whether the session left is not known";
  return fault.saying(`${what}: ${fault.message}`).final();
}

/** Reads a boolean column; null counts as false. */
function truth(row: Value[], index: number): boolean {
  const value = row[index];
  if (value?.tag === "boolean") return value.val;
  if (value?.tag === "null") return false;
  throw new Fault("unexpected-answer", `column ${index} is no boolean`);
}

function words(row: Value[], index: number): string {
  const value = row[index];
  if (value?.tag === "text") return value.val;
  if (value?.tag === "null") return "";
  throw new Fault("unexpected-answer", `column ${index} is no text`);
}

function number(row: Value[], index: number): bigint {
  const value = row[index];
  if (value?.tag === "int64") return value.val;
  throw new Fault("unexpected-answer", `column ${index} is no number`);
}
