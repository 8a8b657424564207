// Writes a cassette: every call of a component's imports with its answer.

import { appendFileSync, writeFileSync } from "node:fs";
import type { Component } from "../components.js";
import { asFault } from "../fault.js";
import { Ended, type ImportName, type Imports, type Powers, type Resource } from "../imports.js";
import { type Header, type Json, PACKAGE, writeFault, writeOk, writeWith } from "./format.js";
import { withoutSecrets } from "./literals.js";

/** Writes the calls of one component to a file, each when it is over: calls at the same time do not mix. */
export class Recorder {
  readonly #path: string;
  #isBegun = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Records one call. Its own answer is the call's. */
  async call(
    { name, sha256 }: Component,
    input: string,
    powers: Powers,
    run: (powers: Powers) => Promise<string>,
  ): Promise<string> {
    this.#begin({ cassette: 1, package: PACKAGE, component: { name, sha256 }, normalised: false });
    const lines: Json[] = [{ call: "skill.run", input }];
    try {
      const returned = await run(new RecordedPowers(powers, lines));
      lines.push({ returned });
      return returned;
    } catch (error) {
      lines.push({ ended: writeFault(asFault(error)) });
      throw error;
    } finally {
      appendFileSync(this.#path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    }
  }

  #begin(header: Header): void {
    if (this.#isBegun) return;
    // It holds what the server answered: statements, names, addresses.
    writeFileSync(this.#path, `${JSON.stringify(header)}\n`, { mode: 0o600 });
    this.#isBegun = true;
  }
}

/** Powers whose every answer is put down. */
class RecordedPowers implements Powers {
  readonly #powers: Powers;
  readonly #lines: Json[];

  constructor(powers: Powers, lines: Json[]) {
    this.#powers = powers;
    this.#lines = lines;
  }

  async call<N extends ImportName>(name: N, args: Imports[N][0]): Promise<Imports[N][1]> {
    const line: { [field: string]: Json } = { import: name, with: writeWith(name, args) };
    try {
      const ok = await this.#powers.call(name, args);
      this.#lines.push({ ...line, ok: writeOk(name, keepable(name, args, ok)) });
      return ok;
    } catch (error) {
      if (!(error instanceof Ended)) this.#lines.push({ ...line, err: writeFault(asFault(error)) });
      throw error;
    }
  }

  drop(resource: Resource, handle: number): void {
    this.#powers.drop(resource, handle);
  }

  close(): Promise<void> {
    return this.#powers.close();
  }
}

/** An answer as a cassette may keep it. */
function keepable<N extends ImportName>(name: N, args: Imports[N][0], ok: Imports[N][1]): Imports[N][1] {
  if (name !== "session.query") return ok;
  const { batch } = args as Imports["session.query"][0];
  return withoutSecrets(batch, ok as Imports["session.query"][1]) as Imports[N][1];
}
