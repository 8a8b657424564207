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
import { LiveHostApi } from "./host-api.js";
import type { HostApi } from "./imports.js";
import { type Limits, limitsWith } from "./limits.js";
import { type Request, readRequest } from "./request.js";

/** Options of a host; all have defaults. */
export interface HostOptions extends AuditOptions {
  /** Credentials by name, as `postgres://` URLs or entries; `default` applies when a request names none. */
  credentials?: Readonly<Record<string, string | CredentialEntry>>;
  /** Variables to search for credentials; the process's own by default, `false` for none. */
  environment?: Environment | false;
  /** Loads only the observer, which has no import to end a session or change a pool. */
  readOnly?: boolean;
  limits?: Partial<Limits>;
  policy?: Partial<Policy>;
  /**
   * Asks for consent to each delivery, resize and reconnect that the policy allows, except in dry runs. Nothing is sent
   * unless it returns `true`.
   */
  consent?: Consent;
  /** File to which every call is written as a cassette: the server's answers, without secrets. It must not exist. */
  record?: string;
}

/** Result of a call. */
export interface CallAnswer {
  /** Text that the component returned. */
  output: string;
  /** True when a session may have been signalled or a pool changed: the call must not be repeated blindly. */
  signalled: boolean;
}

/** Actions that can change sessions or pools. */
const ACTING = new Set(["kill-idle", "auto-scale"]);

/** Actions of the last hour in this process; shared by all hosts, so that a new host does not reset a cap. */
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

  /** Returns the component's self-description: version, actions, JSON Schemas, faults and all of its statements. */
  describe(): Description {
    return description(this.#isReadOnly ? "pool-observer" : "pool-manager");
  }

  /**
   * Runs a SkillInput and returns the text of a SkillOutput. `supabaseUrl` and `supabaseKey` stay in the host.
   *
   * Faults of the component are part of the SkillOutput. The host's own faults are thrown: limits, the deadline, a
   * trap, an unusable credential in the request. After a signal, a thrown fault is not retryable.
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

  /** Returns the component with the fewest imports that can serve the request. A recording uses one component only. */
  #world(action: string): World {
    const mayAct = ACTING.has(action) || this.#recorder !== undefined;
    return mayAct && !this.#isReadOnly ? "pool-manager" : "pool-observer";
  }

  async #invoke({ action, input, scope, intent }: Request, onSignal: () => void, end?: number): Promise<string> {
    const started = performance.now();
    const world = this.#world(action);
    const { limits, policy } = this;
    const found = await component(world, limits.memoryBytes);
    const live: HostApi = new LiveHostApi({
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
    const run = async (hostApi: HostApi) => {
      const call = { exported: ["skill", "run"] as const, argument: input, hostApi, limits, end: last };
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

/** Returns the operating system user's name; undefined if it has none, as in some containers. */
function osUser(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}
