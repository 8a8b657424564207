// Registry of skills by name, with events, one deadline for all attempts, and safe retries.

import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { late } from "./call.js";
import { description } from "./components.js";
import type { SkillOutput } from "./contract.js";
import { asFault, Fault, type FaultRecord } from "./fault.js";
import { inTime } from "./in-time.js";
import { CallLog, type Logger } from "./log.js";

/** Result of one attempt: the output, and the possibility of changes. */
export interface Attempt {
  output: SkillOutput;
  /** True when something may have been changed: the skill is not retried. */
  signalled: boolean;
}

/** Skill that can be executed by name. */
export interface Skill {
  readonly name: string;
  /** Maximum duration of all attempts together, milliseconds. 60 seconds by default. */
  readonly timeout?: number;
  /** Maximum number of retries. Two by default. */
  readonly retries?: number;
  /** Executes the skill once. */
  execute(params: unknown): Promise<SkillOutput>;
  /** Executes the skill once and reports changes; `end` is the deadline on the clock of `performance.now()`. */
  attempt?(params: unknown, end: number): Promise<Attempt>;
}

/** Events of a skill. As a string, `error` is its message. */
export interface SkillEvents {
  start: [event: { skill: string }];
  complete: [event: { skill: string; result: SkillOutput }];
  error: [event: { skill: string; error: FaultRecord }];
}

const TIMEOUT_MS = 60_000;
const RETRIES = 2;

/** Extra time after the deadline for a skill that enforces it itself, to close its sessions. */
const BACKSTOP_MS = 5_000;

/** Average delay before the first retry; each further delay doubles. */
const BACK_OFF_MS = 250;

/** Runs a skill with events, log lines and retries. Always returns a SkillOutput. */
export async function runSkill(
  skill: Skill,
  name: string,
  params: unknown,
  events: Events,
  logger?: Logger,
): Promise<SkillOutput> {
  const started = performance.now();
  const log = new CallLog(logger, params);
  events.tell("start", { skill: name });
  log.started();
  const output = await tryAgain(skill, params, started);
  const took = performance.now() - started;
  if (output.success) {
    log.completed(output, took);
    events.tell("complete", { skill: name, result: output });
  } else {
    const error = output.error ?? new Fault("unexpected-answer", "the skill failed and does not say why").toJSON();
    log.failed(error, took);
    events.tell("error", { skill: name, error: readable(error) });
  }
  return output;
}

/** Retries until success, a fault that is not retryable, or the deadline. */
async function tryAgain(skill: Skill, params: unknown, started: number): Promise<SkillOutput> {
  const { timeout = TIMEOUT_MS, retries = RETRIES } = skill;
  const end = started + timeout;
  for (let tried = 0; ; tried++) {
    const { output, signalled } = await tryOnce(skill, params, end, timeout);
    // Random jitter of 0.5 to 1.5 keeps many callers from retrying together.
    const pause = BACK_OFF_MS * 2 ** tried * (0.5 + Math.random());
    const isWorthIt = !output.success && output.error?.retryable === true && !signalled && tried < retries;
    if (!isWorthIt || performance.now() + pause >= end) return output;
    await sleep(pause);
  }
}

async function tryOnce(skill: Skill, params: unknown, end: number, timeout: number): Promise<Attempt> {
  const left = end - performance.now();
  const [work, most] = skill.attempt
    ? [skill.attempt(params, end), left + BACKSTOP_MS]
    : [skill.execute(params).then((output) => ({ output, signalled: false })), left];
  // An error thrown by a foreign skill leaves unknown if it changed anything.
  return inTime(work, most, () => late(timeout)).catch((error) => ({ output: failure(error), signalled: true }));
}

/** Converts a fault of the host to a SkillOutput. */
export function failure(error: unknown): SkillOutput {
  const { skill, version } = description("pool-observer");
  return { success: false, error: asFault(error).toJSON(), skill, version, duration: 0, timestamp: null };
}

/** Returns the same record with its message as `toString`. */
function readable(error: FaultRecord): FaultRecord {
  return Object.defineProperty(Fault.from(error).toJSON(), "toString", { value: () => error.message });
}

/** Emitter of the contract's events. Skips events without listeners, as Node throws for an unhandled `error`. */
export class Events extends EventEmitter<SkillEvents> {
  tell<N extends keyof SkillEvents>(name: N, event: SkillEvents[N][0]): void {
    if (this.listenerCount(name) === 0) return;
    (this as EventEmitter).emit(name, event);
  }
}

/** Registry of skills by name. */
export class SkillRegistry extends Events {
  readonly #skills = new Map<string, Skill>();
  readonly #logger: Logger | undefined;

  constructor(options: { logger?: Logger } = {}) {
    super();
    this.#logger = options.logger;
  }

  /** Adds a skill, or replaces the one with this name. */
  register(skill: Skill, name: string = skill.name): this {
    this.#skills.set(name, skill);
    return this;
  }

  /** Returns the names of the registered skills. */
  names(): string[] {
    return [...this.#skills.keys()].sort();
  }

  /** Returns the skill with this name. */
  get(name: string): Skill | undefined {
    return this.#skills.get(name);
  }

  /** Executes a skill. Always returns a SkillOutput: a fault is `success: false`. */
  async execute(name: string, params: unknown = {}): Promise<SkillOutput> {
    const unknown = () =>
      Fault.invalid(`skill '${name}' is unknown: registered are ${this.names().join(", ") || "none"}`);
    const skill: Skill = this.#skills.get(name) ?? { name, execute: async () => failure(unknown()) };
    return runSkill(skill, name, params, this, this.#logger);
  }
}

let shared: SkillRegistry | undefined;

/** Returns the registry of the process. */
export function getSkillRegistry(): SkillRegistry {
  shared ??= new SkillRegistry();
  return shared;
}
