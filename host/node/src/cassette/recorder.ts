// Recorder for cassettes: writes every call of a component's imports with its answer.

import type { Component } from "../components.js";
import { asFault, Fault } from "../fault.js";
import { Ended, type HostApi, type ImportName, type Imports, type Resource } from "../imports.js";
import { appendPrivate, createPrivate } from "../private-file.js";
import { type Header, type Json, PACKAGE, writeFault, writeOk, writeWith } from "./format.js";
import { withoutSecrets } from "./literals.js";

/** Writes the calls of one component to a file, each when it ends, so that concurrent calls do not mix. */
export class Recorder {
  readonly #path: string;
  #begun: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Runs and records one call, and returns its answer. */
  async call(
    { name, sha256 }: Component,
    input: string,
    hostApi: HostApi,
    run: (hostApi: HostApi) => Promise<string>,
  ): Promise<string> {
    await this.#begin({ cassette: 1, package: PACKAGE, component: { name, sha256 }, normalised: false });
    const lines: Json[] = [{ call: "skill.run", input }];
    try {
      const returned = await run(new RecordedHostApi(hostApi, lines));
      lines.push({ returned });
      return returned;
    } catch (error) {
      lines.push({ ended: writeFault(asFault(error)) });
      throw error;
    } finally {
      await appendPrivate(this.#path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    }
  }

  /** Creates the file, private to its owner: it holds the server's answers, such as statements, names and addresses. */
  #begin(header: Header): Promise<void> {
    this.#begun ??= createPrivate(this.#path, `${JSON.stringify(header)}\n`).catch((error: Error) => {
      throw new Fault("cassette-failed", `the cassette cannot be recorded: ${error.message}`);
    });
    return this.#begun;
  }
}

/** Import implementation that records every answer. */
class RecordedHostApi implements HostApi {
  readonly #hostApi: HostApi;
  readonly #lines: Json[];

  constructor(hostApi: HostApi, lines: Json[]) {
    this.#hostApi = hostApi;
    this.#lines = lines;
  }

  async call<N extends ImportName>(name: N, args: Imports[N][0]): Promise<Imports[N][1]> {
    const line: { [field: string]: Json } = { import: name, with: writeWith(name, args) };
    try {
      const ok = await this.#hostApi.call(name, args);
      this.#lines.push({ ...line, ok: writeOk(name, keepable(name, args, ok)) });
      return ok;
    } catch (error) {
      if (!(error instanceof Ended)) this.#lines.push({ ...line, err: writeFault(asFault(error)) });
      throw error;
    }
  }

  drop(resource: Resource, handle: number): void {
    this.#hostApi.drop(resource, handle);
  }

  close(): Promise<void> {
    return this.#hostApi.close();
  }
}

/** Removes secrets from an answer before it is recorded. */
function keepable<N extends ImportName>(name: N, args: Imports[N][0], ok: Imports[N][1]): Imports[N][1] {
  if (name !== "session.query") return ok;
  const { batch } = args as Imports["session.query"][0];
  return withoutSecrets(batch, ok as Imports["session.query"][1]) as Imports[N][1];
}
