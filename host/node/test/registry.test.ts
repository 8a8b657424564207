// Skills by name: events, one deadline, and retries where they do no harm.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Attempt, Fault, type Skill, type SkillOutput, SkillRegistry } from "archon-connection-pool";
import { failure } from "../dist/registry.js";

const DONE: SkillOutput = { success: true, skill: "it", version: "1", duration: 0, timestamp: null };

/** A skill that fails some times before it works, and counts its tries. */
function flaky(failures: number, { retryable = true, signalled = false } = {}): Skill & { tries: number } {
  return {
    name: "it",
    tries: 0,
    execute: async () => DONE,
    async attempt(): Promise<Attempt> {
      const output = this.tries++ < failures ? failure(new Fault("server-unreachable", "no", { retryable })) : DONE;
      return { output, signalled };
    },
  };
}

async function tried(skill: Skill & { tries: number }): Promise<[number, boolean]> {
  const { success } = await new SkillRegistry().register(skill).execute("it");
  return [skill.tries, success];
}

test("only what may help and cannot harm is tried again", async () => {
  assert.deepEqual(
    await Promise.all([
      tried(flaky(0)),
      tried(flaky(2)),
      tried(flaky(9)),
      tried(flaky(9, { retryable: false })),
      tried(flaky(9, { signalled: true })),
    ]),
    [
      [1, true],
      [3, true],
      [3, false],
      [1, false],
      [1, false],
    ],
  );
});

test("the deadline is over all tries, and over skills that do not keep it", async () => {
  const late = { name: "late", timeout: 50, execute: () => new Promise<never>(() => {}) };
  const { error } = await new SkillRegistry().register(late).execute("late");
  assert.deepEqual(
    [error?.kind, error?.message],
    ["deadline-exceeded", "the call was not done within 50 ms: limit `deadlineMs`"],
  );
  const impatient = Object.assign(flaky(9), { timeout: 60 });
  assert.deepEqual(await tried(impatient), [1, false]);
});

test("what a skill throws is its answer, and listeners hear it under the name that was asked for", async () => {
  const heard: string[] = [];
  const registry = new SkillRegistry();
  registry.on("error", ({ skill, error }) => heard.push(`${skill}: ${error}`));
  registry.on("error", ({ error }) => heard.push(JSON.stringify(error)));
  registry.register({ name: "it", execute: async () => Promise.reject(new Error("broken")) }, "alias");
  assert.equal((await registry.execute("alias")).success, false);
  // In a text it reads as its message, and as a record it keeps its fields.
  const record = { kind: "unexpected-answer", message: "broken", retryable: false };
  assert.deepEqual(heard, ["alias: broken", JSON.stringify(record)]);
  assert.deepEqual(registry.names(), ["alias"]);
});
