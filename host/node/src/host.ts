// Runs components with one set of credentials, one policy and one set of limits.

import { userInfo } from "node:os";
import { Audit, type AuditOptions } from "./audit.js";
import { callComponent, late } from "./call.js";
import { Recorder } from "./cassette/recorder.js";
import { catalogue, component, type Description, description, type World } from "./components.js";
import type { Consent } from "./consent.js";
import type { CredentialEntry, Environment, Sources } from "./credentials.js";
import { asFault, Fault } from "./fault.js";
import { Hourly } from "./guard/caps.js";
import { type Policy, policyWith } from "./guard/policy.js";
import type { Powers } from "./imports.js";
import { type Limits, limitsWith } from "./limits.js";
import { LivePowers } from "./powers.js";
import { type Request, readRequest } from "./request.js";

/** What a host is made of. Everything has a default. */
export interface HostOptions extends AuditOptions {
  /** Credentials by name, as `postgres://` URLs or entries; `default` counts when a request names none. */
  credentials?: Readonly<Record<string, string | CredentialEntry>>;
  /** Variables to look for credentials in. The process's own by default; `false` for none. */
  environment?: Environment | false;
  /** Only the observer is ever loaded: it has no import with which to end a session or change a pool. */
  readOnly?: boolean;
  limits?: Partial<Limits>;
  policy?: Partial<Policy>;
  /**
   * Asks before anything is signalled or changed that the policy allows: once for each delivery, resize and reconnect,
   * dry runs excepted. Nothing is sent unless it answers `true`.
   */
  consent?: Consent;
  /**
   * A file to which every call is written as a cassette. It holds what the server answered, and never a secret. It must
   * not exist.
   */
  record?: string;
}

/** What a call came to. */
export interface CallAnswer {
  /** The text that the component returned. */
  output: string;
  /** Whether a session may have been signalled, or a pool changed: then it must not be repeated blindly. */
  signalled: boolean;
}

/** Actions that change something when they are asked to. */
const ACTING = new Set(["kill-idle", "auto-scale"]);

/** Acts of the last hour, of all hosts in this process: another host is no way around a cap. */
const ACTS = new Hourly();

/** Runs components with one set of credentials, one policy and one set of limits. */
export class Host {
  readonly limits: Readonly<Limits>;
  readonly policy: Readonly<Policy>;
  readonly #sources: Sources;
  readonly #audit: AuditOptions;
  readonly #consent: Consent | undefined;
  readonly #isReadOnly: boolean;
  readonly #recorder: Recorder | undefined;

  constructor(options: HostOptions = {}) {
    this.limits = limitsWith(options.limits);
    this.policy = policyWith(options.policy);
    const environment = options.environment === false ? undefined : (options.environment ?? process.env);
    this.#sources = { map: options.credentials, environment, osUser: osUser() };
    this.#audit = { audit: options.audit, auditFile: options.auditFile };
    this.#consent = options.consent;
    this.#isReadOnly = options.readOnly ?? false;
    this.#recorder = options.record === undefined ? undefined : new Recorder(options.record);
  }

  /** What the component says about itself: version, actions, JSON Schemas, faults and every statement it may send. */
  describe(): Description {
    return description(this.#isReadOnly ? "pool-observer" : "pool-manager");
  }

  /**
   * Calls `skill.run`: a SkillInput in, the text of a SkillOutput out. `supabaseUrl` and `supabaseKey` stay here.
   *
   * A fault that the component reports is part of its SkillOutput. What is thrown is the host's own: a limit, the
   * deadline, a trap, a credential in the request that cannot be used. `signalled` is told in either case.
   */
  async call(params: unknown, options: { end?: number; onSignal?: () => void } = {}): Promise<CallAnswer> {
    let signalled = false;
    const onSignal = () => {
      signalled = true;
      options.onSignal?.();
    };
    const request = readRequest(params, this.#sources, this.policy);
    try {
      return { output: await this.#invoke(request, onSignal, options.end), signalled };
    } catch (error) {
      throw signalled ? asFault(error).final() : asFault(error);
    }
  }

  /** Which component a request needs: the one with the least power that can do it. A cassette is of one alone. */
  #world(action: string): World {
    const mayAct = ACTING.has(action) || this.#recorder !== undefined;
    return mayAct && !this.#isReadOnly ? "pool-manager" : "pool-observer";
  }

  async #invoke({ action, input, scope, intent }: Request, onSignal: () => void, end?: number): Promise<string> {
    const started = performance.now();
    const world = this.#world(action);
    const { limits, policy } = this;
    const found = await component(world, limits.memoryBytes);
    const live: Powers = new LivePowers({
      scope,
      intent,
      policy,
      limits,
      audit: new Audit(this.#audit, world),
      hourly: ACTS,
      consent: this.#consent,
      catalogue: catalogue(world),
      onSignal,
    });
    const last = Math.min(end ?? Number.POSITIVE_INFINITY, started + limits.deadlineMs);
    if (last <= started) throw late(limits.deadlineMs);
    const run = async (powers: Powers) => {
      const call = { exported: ["skill", "run"] as const, argument: input, powers, limits, end: last };
      return this.#checked(await callComponent(found, { ...call, deadlineMs: limits.deadlineMs }));
    };
    return this.#recorder ? this.#recorder.call(found, input, live, run) : run(live);
  }

  #checked(output: unknown): string {
    if (typeof output !== "string") throw new Fault("unexpected-answer", "the component answered with no text");
    const most = this.limits.reportBytes;
    if (Buffer.byteLength(output) > most) {
      throw Fault.limit(`the component answered with more than ${most} bytes: limit \`reportBytes\``);
    }
    return output;
  }
}

/** Name of the operating system's user; none where it has no name, as in some containers. */
function osUser(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}
