// Opens a session at the first acceptable host of a target: hosts in order, with and without TLS as `sslmode` says.

import { TLSSocket } from "node:tls";
import { Channel, type ReadLimits } from "./channel.js";
import { each, isSocket, type Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import { inTime } from "./in-time.js";
import type { Limits } from "./limits.js";
import { type LoggedIn, logIn } from "./login.js";
import { LoginRefused } from "./login-refused.js";
import type { Lookups } from "./lookups.js";
import { isByPgHba, mayDependOnTls, refusesSettings } from "./refusal.js";
import { unreachable, whyNotOpen } from "./server-error.js";
import { type Encryption, openSocket, TlsFailure } from "./socket.js";

/** Open session. */
export interface Opened {
  /** Target reduced to the chosen host. */
  target: Target;
  channel: Channel;
  login: LoggedIn;
  isEncrypted: boolean;
  /** True when a pooler refused the host's settings in the startup packet. */
  isWithoutSettings: boolean;
}

/** Settings and limits of an attempt. */
export interface Opening {
  /** `options` of the startup packet, with the host's settings and without them. */
  options: string | undefined;
  plainOptions: string | undefined;
  limits: Pick<Limits, "connectTimeoutMs"> & ReadLimits;
  /** Aborts pending attempts, and closes the opened session. */
  over: AbortSignal;
  /** DNS look-ups of the call. */
  lookups: Lookups;
}

/** Time for one attempt. The last attempt ends with the overall limit, and its fault names that. */
interface Patience {
  ms: number;
  namedMs: number;
}

/** Search for an acceptable host within one time limit. */
export class Search {
  readonly #hosts: readonly Target[];
  readonly #opening: Opening;
  readonly #end: number;

  constructor(target: Target, opening: Opening) {
    this.#hosts = each(target);
    this.#opening = opening;
    this.#end = performance.now() + opening.limits.connectTimeoutMs;
  }

  /**
   * Opens a session at one host after the other until `admit` accepts one; it throws for others, and may open another
   * session at the same host with `again`. `isPlain`: without the host's settings. `later`: hosts of a later round.
   */
  async first<T>(
    { later, isPlain }: { later: number; isPlain: boolean },
    admit: (opened: Opened, again: () => Promise<Opened>) => Promise<T>,
  ): Promise<T> {
    const plain = { ...this.#opening, options: this.#opening.plainOptions };
    const faults: Fault[] = [];
    for (const [index, host] of this.#hosts.entries()) {
      const open = (opening: Opening) => {
        const patience = this.#patience(host, this.#hosts.length - index + later);
        return within(patience, host, opening.over, (signal) => openHost(host, opening, signal));
      };
      try {
        return await admit(await open(isPlain ? plain : this.#opening), () => open(this.#opening));
      } catch (error) {
        const fault = whyNotOpen(error, host);
        // As in libpq: a refusal by a server ends the search, an unreachable one does not.
        if (fault.kind !== "server-unreachable" || this.#opening.over.aborted) throw fault;
        faults.push(fault);
      }
    }
    throw allFailed(faults);
  }

  /** Returns the time for one host: `connect_timeout`, bounded by an equal share of the remaining time. */
  #patience({ connectTimeoutMs }: Target, attempts: number): Patience {
    const least = (ms: number) => Math.round(Math.min(connectTimeoutMs ?? ms, ms));
    const share = Math.max(1, this.#end - performance.now()) / attempts;
    return { ms: least(share), namedMs: least(attempts > 1 ? share : this.#opening.limits.connectTimeoutMs) };
  }
}

function allFailed(faults: Fault[]): Fault {
  const [first, ...more] = faults;
  if (!first) throw new Error("a target has no host");
  if (more.length === 0) return first;
  const { kind, sqlstate } = first;
  const words = new Set(faults.map(({ message }) => message));
  return new Fault(kind, [...words].join("; "), { sqlstate, retryable: faults.some(({ retryable }) => retryable) });
}

/** Bounds an attempt. At the limit the attempt is aborted and its socket closed. */
async function within(
  { ms, namedMs }: Patience,
  target: Target,
  over: AbortSignal,
  attempt: (signal: AbortSignal) => Promise<Opened>,
): Promise<Opened> {
  const giving = new AbortController();
  const giveUp = () => giving.abort(new Error("given up"));
  const late = () => unreachable(target, `no session within ${namedMs} ms (limit \`connectTimeoutMs\`)`);
  over.addEventListener("abort", giveUp);
  if (over.aborted) giveUp();
  const opening = attempt(giving.signal);
  try {
    return await inTime(Promise.race([opening, aborted(giving.signal)]), ms, late);
  } catch (error) {
    giveUp();
    // Close the session if the attempt still succeeds.
    opening.then(
      ({ channel }) => channel.socket.destroy(),
      () => {},
    );
    throw error;
  } finally {
    over.removeEventListener("abort", giveUp);
  }
}

/** Rejects when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(signal.reason);
    signal.addEventListener("abort", fail);
    if (signal.aborted) fail();
  });
}

/** Returns the attempts at one host, in libpq's order. */
function attempts(target: Target): Encryption[] {
  if (isSocket(target)) return ["none"];
  switch (target.sslMode) {
    case "disable":
      return ["none"];
    case "allow":
      return ["none", "optional"];
    case "prefer":
      return ["optional", "none"];
    default:
      return ["required"];
  }
}

async function openHost(target: Target, opening: Opening, signal: AbortSignal): Promise<Opened> {
  const [first = "required", second] = attempts(target);
  const open = (encryption: Encryption, isTlsTried: boolean) =>
    openOnce(target, opening, encryption, signal).catch((error: unknown) => {
      if (error instanceof LoginRefused) error.isTlsTried = isTlsTried;
      throw error;
    });
  try {
    return await open(first, first !== "none" || isSocket(target));
  } catch (error) {
    if (second === undefined || signal.aborted || !isWorthAnother(error, first)) throw error;
    return open(second, true).catch((again: unknown) => {
      throw ofBoth(error, again, first !== "none", target);
    });
  }
}

/** Returns the fault for two failed attempts, either of which may be the cause. */
function ofBoth(before: unknown, after: unknown, isFirstEncrypted: boolean, target: Target): Fault {
  const [withTls, without] = isFirstEncrypted ? [before, after] : [after, before];
  const isByRules = (error: unknown) => error instanceof LoginRefused && isByPgHba(error.server.message);
  // Both were refused by the same rules.
  if (isByRules(withTls) && isByRules(without)) return whyNotOpen(withTls, target);
  const fault = whyNotOpen(after, target);
  const said = (error: unknown) => (error as Error).message;
  if (withTls instanceof TlsFailure && isByRules(without)) {
    const failed = whyNotOpen(withTls, target);
    return failed.saying(`${failed.message}; without TLS: ${said(without)}`);
  }
  const way = isFirstEncrypted ? "over TLS" : "without TLS";
  return fault.saying(`${fault.message}; before that, ${way}: ${said(before)}`);
}

/** Returns true if the other attempt, with or without TLS, may succeed. */
function isWorthAnother(error: unknown, first: Encryption): boolean {
  if (error instanceof TlsFailure) return true;
  // Without TLS the server would give the same answer again.
  const isRepeated = first === "optional" && !(error instanceof LoginRefused && error.isEncrypted);
  return !isRepeated && error instanceof LoginRefused && mayDependOnTls(error.server);
}

async function openOnce(
  target: Target,
  opening: Opening,
  encryption: Encryption,
  signal: AbortSignal,
): Promise<Opened> {
  const { options, plainOptions } = opening;
  const open = (options: string | undefined, others: Record<string, string>) =>
    onSocket(target, encryption, opening, signal, (channel) =>
      logIn(channel, target, { ...others, ...(options === undefined ? {} : { options }) }, signal),
    );
  // Without conversion, no conversion can fail.
  const raw = { client_encoding: "SQL_ASCII" };
  try {
    return { ...(await open(options, raw)), isWithoutSettings: false };
  } catch (error) {
    if (!(error instanceof LoginRefused) || !refusesSettings(error.server)) throw error;
    const others = error.server.message.includes("client_encoding") ? {} : raw;
    return { ...(await open(plainOptions, others)), isWithoutSettings: true };
  }
}

async function onSocket(
  target: Target,
  encryption: Encryption,
  { limits, lookups }: Opening,
  signal: AbortSignal,
  logIn: (channel: Channel) => Promise<LoggedIn>,
): Promise<Omit<Opened, "isWithoutSettings">> {
  const socket = await openSocket(target, encryption, signal, lookups);
  const giveUp = () => socket.destroy(new Error("given up"));
  signal.addEventListener("abort", giveUp);
  try {
    if (signal.aborted) giveUp();
    const channel = new Channel(socket, limits);
    return { target, channel, login: await logIn(channel), isEncrypted: socket instanceof TLSSocket };
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
