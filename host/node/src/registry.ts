// Skills by name, with events, one deadline over all tries, and retries where they do no harm.

import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { late } from "./call.js";
import { description } from "./components.js";
import type { SkillOutput } from "./contract.js";
import { asFault, Fault, type FaultRecord } from "./fault.js";
import { inTime } from "./in-time.js";
import { CallLog, type Logger } from "./log.js";

/** One try of a skill: its output, and whether it may have changed anything. */
export interface Attempt {
  output: SkillOutput;
  /** Then it is not tried again, whatever it says. */
  signalled: boolean;
}

/** Something that can be executed by name. */
export interface Skill {
  readonly name: string;
  /** How long all tries together may take, milliseconds. 60 seconds by default. */
  readonly timeout?: number;
  /** How often a failed try is repeated at the most. Two times by default. */
  readonly retries?: number;
  /** Does it once. */
  execute(params: unknown): Promise<SkillOutput>;
  /** The same for who can tell more, and keeps the time: `end` is when to be done, as `performance.now()` counts. */
  attempt?(params: unknown, end: number): Promise<Attempt>;
}

/** What listeners hear. In a text, `error` reads as its message. */
export interface SkillEvents {
  start: [event: { skill: string }];
  complete: [event: { skill: string; result: SkillOutput }];
  error: [event: { skill: string; error: FaultRecord }];
}

const TIMEOUT_MS = 60_000;
const RETRIES = 2;

/** How much longer than its deadline a skill that keeps it by itself may take: to close its sessions. */
const BACKSTOP_MS = 5_000;

/** How long to wait before the second try, on average. Each further wait is twice as long. */
const BACK_OFF_MS = 250;

/** Runs a skill with its events, its log lines and its retries. Always answers with a SkillOutput. */
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

/** Tries until it works, the fault is one that trying again cannot mend, or the deadline is near. */
async function tryAgain(skill: Skill, params: unknown, started: number): Promise<SkillOutput> {
  const { timeout = TIMEOUT_MS, retries = RETRIES } = skill;
  const end = started + timeout;
  for (let tried = 0; ; tried++) {
    const { output, signalled } = await tryOnce(skill, params, end, timeout);
    // Spread over half to one and a half, so that many callers do not come back together.
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
  // What a skill of somebody else's throws is not known to have done no harm.
  return inTime(work, most, () => late(timeout)).catch((error) => ({ output: failure(error), signalled: true }));
}

/** A fault of the host as a SkillOutput. */
export function failure(error: unknown): SkillOutput {
  const { skill, version } = description("pool-observer");
  return { success: false, error: asFault(error).toJSON(), skill, version, duration: 0, timestamp: null };
}

/** The same record; in a text it reads as its message. */
function readable(error: FaultRecord): FaultRecord {
  return Object.defineProperty(Fault.from(error).toJSON(), "toString", { value: () => error.message });
}

/** Emits the contract's events. Node would throw for an `error` that nobody listens to, and here it is an answer. */
export class Events extends EventEmitter<SkillEvents> {
  tell<N extends keyof SkillEvents>(name: N, event: SkillEvents[N][0]): void {
    if (this.listenerCount(name) === 0) return;
    (this as EventEmitter).emit(name, event);
  }
}

/** Skills by name. */
export class SkillRegistry extends Events {
  readonly #skills = new Map<string, Skill>();
  readonly #logger: Logger | undefined;

  constructor(options: { logger?: Logger } = {}) {
    super();
    this.#logger = options.logger;
  }

  /** Adds a skill, or replaces the one of this name. */
  register(skill: Skill, name: string = skill.name): this {
    this.#skills.set(name, skill);
    return this;
  }

  /** The names of the registered skills. */
  names(): string[] {
    return [...this.#skills.keys()].sort();
  }

  /** The skill of this name. */
  get(name: string): Skill | undefined {
    return this.#skills.get(name);
  }

  /** Executes a skill. Always answers with a SkillOutput: a fault is `success: false`. */
  async execute(name: string, params: unknown = {}): Promise<SkillOutput> {
    const unknown = () =>
      Fault.invalid(`skill '${name}' is unknown: registered are ${this.names().join(", ") || "none"}`);
    const skill: Skill = this.#skills.get(name) ?? { name, execute: async () => failure(unknown()) };
    return runSkill(skill, name, params, this, this.#logger);
  }
}

let shared: SkillRegistry | undefined;

/** The process's registry. */
export function getSkillRegistry(): SkillRegistry {
  shared ??= new SkillRegistry();
  return shared;
}
