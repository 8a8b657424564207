// Skill for TypeScript skill frameworks.

import { description } from "./components.js";
import type { PoolStats, SkillInput, SkillOutput } from "./contract.js";
import { asFault, Fault } from "./fault.js";
import { Host, type HostOptions } from "./host.js";
import { parseJson } from "./json.js";
import type { Logger } from "./log.js";
import { type Attempt, Events, failure, runSkill, type Skill } from "./registry.js";

/** Options of the skill; all have defaults. */
export interface SkillOptions extends HostOptions {
  /** Receives the contract's log lines. None by default. */
  logger?: Logger;
  /** Maximum number of retries. */
  retries?: number;
}

/**
 * Connection pool management for PostgreSQL, PgBouncer and Supabase.
 *
 * Emits `start {skill}`, `complete {skill, result}` and `error {skill, error}` for every `run`.
 */
export class SupabaseConnectionPool extends Events implements Skill {
  readonly name: string;
  readonly id: string;
  readonly version: string;
  readonly category: string;
  readonly priority: string;
  /** Maximum duration of all attempts of a `run` together, milliseconds. */
  readonly timeout: number;
  /** Maximum number of retries. */
  readonly retries: number;
  readonly #host: Host;
  readonly #logger: Logger | undefined;

  constructor(options: SkillOptions = {}) {
    super();
    const about = description("pool-observer");
    this.name = about.skill;
    this.id = String(about.id);
    this.version = about.version;
    this.category = String(about.category);
    this.priority = String(about.priority);
    this.#host = new Host({ ...options, limits: { deadlineMs: Number(about.timeoutMs), ...options.limits } });
    this.timeout = this.#host.limits.deadlineMs;
    this.retries = options.retries ?? Number(about.retries);
    this.#logger = options.logger;
  }

  /** Host of the skill, which returns the component's original texts. */
  get host(): Host {
    return this.#host;
  }

  /** Runs an action with events, log lines, one deadline and safe retries. Never throws. */
  run(params: SkillInput = {}): Promise<SkillOutput> {
    return runSkill(this, this.name, params, this, this.#logger);
  }

  /** Runs an action once, without events and log lines. Never throws. */
  async execute(params: SkillInput = {}): Promise<SkillOutput> {
    const { output } = await this.attempt(params, performance.now() + this.timeout);
    return output;
  }

  /** Returns the pool's statistics. Throws the fault when there are none. */
  async quickPoolStatus(params: Omit<SkillInput, "action"> = {}): Promise<PoolStats> {
    const { poolStats } = await this.#report({ ...params, action: "monitor" });
    return poolStats;
  }

  /** Returns true if any session is suspected of being leaked. Throws a fault when part of the server is hidden. */
  async hasLeakRisk(params: Omit<SkillInput, "action"> = {}): Promise<boolean> {
    const { leakDetection } = await this.#report({ ...params, action: "detect-leaks" });
    const { reason } = leakDetection.coverage;
    if (reason) throw new Fault("incomplete-coverage", reason);
    return leakDetection.detected;
  }

  /** Returns the recommendations of a full analysis, worst first. Throws the fault when there are none. */
  async getRecommendations(params: Omit<SkillInput, "action"> = {}): Promise<string[]> {
    const { recommendations } = await this.#report({ ...params, action: "full-analysis" });
    return recommendations;
  }

  /** Returns the component's self-description. */
  describe() {
    return this.#host.describe();
  }

  /** Runs one attempt, and reports if it may have changed anything. */
  async attempt(params: unknown, end: number): Promise<Attempt> {
    let signalled = false;
    const onSignal = () => {
      signalled = true;
    };
    try {
      const answer = await this.#host.call(params, { end, onSignal });
      const most = this.#host.limits.reportBytes;
      const output = parseJson(answer.output, "the component's answer", most, "limit `reportBytes`") as SkillOutput;
      // Repeating a call that signalled sessions may signal others.
      if (signalled && output.error) output.error.retryable = false;
      return { output, signalled };
    } catch (error) {
      return { output: failure(asFault(error)), signalled };
    }
  }

  async #report(params: SkillInput) {
    const { data, error } = await this.run(params);
    if (!data) throw Fault.from(error ?? new Fault("unexpected-answer", "the skill failed and does not say why"));
    return data;
  }
}
