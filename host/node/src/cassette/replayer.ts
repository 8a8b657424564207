// Replays a cassette: answers a component's imports from the recording, without a server.

import { callComponent } from "../call.js";
import { component, type World } from "../components.js";
import { Fault } from "../fault.js";
import { Ended, type HostApi, type ImportName, type Imports, INFALLIBLE, type Item } from "../imports.js";
import { parseJson } from "../json.js";
import { DEFAULT_LIMITS } from "../limits.js";
import { isRecord } from "../request.js";
import type { RowSet } from "../row-set.js";
import { canonical, type Header, type ImportLine, type Json, PACKAGE, readFault, readOk, writeWith } from "./format.js";

/** Components with the JSON export `skill.run`. */
const WORLDS: readonly World[] = ["pool-observer", "pool-manager"];

/** Imports whose answers hold row sets. */
const ROW_SETS: ReadonlySet<ImportName> = new Set(["session.query", "console.show"]);

/** Maximum size of a cassette and of one of its lines, bytes. */
const MOST_BYTES = 128 << 20;
const MOST_LINE = 64 << 20;

/** One recorded call. */
export interface RecordedCall {
  /** Input of the component. */
  input: string;
  imports: ImportLine[];
  /** Output of the component, or the host's own fault in `ended`. */
  returned?: string;
  ended?: Json;
}

/** Parsed cassette. */
export class Cassette {
  readonly header: Header;
  readonly calls: RecordedCall[];

  /** Parses a cassette. Throws for an invalid text. */
  constructor(text: string) {
    const [header, ...lines] = linesOf(text);
    if (header?.cassette !== 1 || header.package !== PACKAGE) {
      throw invalid(`it is no cassette of version 1 and ${PACKAGE}`);
    }
    if (typeof header.component?.name !== "string") throw invalid("its first line names no component");
    this.header = header;
    this.calls = [];
    for (const line of lines) {
      const last = this.calls.at(-1);
      if (line.call !== undefined && typeof line.input === "string")
        this.calls.push({ input: line.input, imports: [] });
      else if (!last || line.call !== undefined) throw invalid("a call of it has no input");
      else if (line.import === undefined) Object.assign(last, { returned: line.returned, ended: line.ended });
      else if (isRecord(line.with)) last.imports.push(checked(line));
      else throw invalid("an import of it has no arguments");
    }
  }

  /** Runs the cassette's component again with each call's input. Returns the outputs or faults, in order. */
  async replay(): Promise<(string | Fault)[]> {
    // The Rust host records the component's file name.
    const name = WORLDS.find((world) => [world, `${world}.wasm`].includes(this.header.component.name));
    if (!name) throw new Fault("plugin-not-found", `no component '${this.header.component.name}' is in this package`);
    const found = await component(name, DEFAULT_LIMITS.memoryBytes);
    const answers: (string | Fault)[] = [];
    for (const call of this.calls) answers.push(await replayCall(found, call).catch((fault: Fault) => fault));
    return answers;
  }
}

/** Splits an untrusted cassette into lines, each a JSON object. */
// biome-ignore lint/suspicious/noExplicitAny: each line is one of several records, told apart by its fields.
function linesOf(text: string): any[] {
  if (text.length > MOST_BYTES) throw Fault.limit(`a cassette has more than ${MOST_BYTES} bytes`);
  const lines = text.split("\n").filter((line) => line !== "");
  const parsed = lines.map((line) => {
    try {
      return parseJson(line, "a line of the cassette", MOST_LINE, "a cassette's own bound");
    } catch (error) {
      throw error instanceof Fault && error.kind === "limit-exceeded" ? error : invalid("a line of it is no JSON");
    }
  });
  if (!parsed.every(isRecord)) throw invalid("a line of it is no object");
  return parsed;
}

/** Checks that the row sets of an import fit columns. */
function checked(line: ImportLine): ImportLine {
  if (line.ok === undefined || !ROW_SETS.has(line.import)) return line;
  try {
    readOk(line.import, line.ok);
    return line;
  } catch (error) {
    throw invalid(`its answer to ${line.import} is malformed: ${(error as Error).message}`);
  }
}

async function replayCall(found: Awaited<ReturnType<typeof component>>, call: RecordedCall): Promise<string> {
  const { deadlineMs, ...limits } = DEFAULT_LIMITS;
  const output = await callComponent(found, {
    exported: ["skill", "run"],
    argument: call.input,
    hostApi: new ReplayedHostApi(call.imports),
    limits,
    end: performance.now() + deadlineMs,
    deadlineMs,
  });
  return String(output);
}

/** Answers imports from the lines of one call. */
export class ReplayedHostApi implements HostApi {
  readonly #lines: readonly ImportLine[];
  readonly #used = new Set<ImportLine>();
  /** Statements of a line whose answers were returned individually. */
  readonly #usedStatements = new Map<ImportLine, Set<number>>();

  constructor(lines: readonly ImportLine[]) {
    this.#lines = lines;
  }

  async call<N extends ImportName>(name: N, args: Imports[N][0]): Promise<Imports[N][1]> {
    try {
      return this.#answer(name, args);
    } catch (error) {
      if (error instanceof Fault || error instanceof Ended) throw error;
      throw invalid(`its answer to ${name} is malformed`);
    }
  }

  #answer<N extends ImportName>(name: N, args: Imports[N][0]): Imports[N][1] {
    const wanted = writeWith(name, args);
    const key = comparable(wanted);
    const line = this.#lines.find(
      (line) =>
        line.import === name &&
        !this.#used.has(line) &&
        !this.#usedStatements.has(line) &&
        comparable(line.with) === key,
    );
    if (line) {
      this.#used.add(line);
      if (line.ok === undefined) throw readFault(line.err ?? null);
      return readOk(name, line.ok);
    }
    if (name === "session.query") return this.#byStatement(wanted) as Imports[N][1];
    throw mismatch(name, "");
  }

  drop(): void {}

  async close(): Promise<void> {}

  /** Answers each statement with the first unused answer to a statement with the same text and parameters. */
  #byStatement(wanted: Record<string, Json>): Item<RowSet>[] {
    const places: { line: ImportLine; index: number }[] = [];
    for (const statement of wanted.batch as Record<string, Json>[]) {
      const place = this.#place(comparable(statement), places);
      // Every statement needs an answer before any is marked as used.
      if (!place) throw mismatch("session.query", ` for statement ${String(statement.sql)}`);
      places.push(place);
    }
    return places.map(({ line, index }) => {
      this.#usedStatements.set(line, (this.#usedStatements.get(line) ?? new Set()).add(index));
      const [item] = readOk("session.query", [(line.ok as Json[])[index] ?? null]);
      return item as Item<RowSet>;
    });
  }

  #place(key: string, spokenFor: readonly { line: ImportLine; index: number }[]) {
    for (const line of this.#lines) {
      if (line.import !== "session.query" || line.ok === undefined || this.#used.has(line)) continue;
      const isFree = (index: number) =>
        !this.#usedStatements.get(line)?.has(index) && !spokenFor.some((it) => it.line === line && it.index === index);
      const batch = line.with.batch as Record<string, Json>[];
      const index = batch.findIndex((recorded, index) => isFree(index) && comparable(recorded) === key);
      if (index >= 0) return { line, index };
    }
    return undefined;
  }
}

/** Returns the fault for a cassette that violates the format. */
function invalid(why: string): Fault {
  return new Fault("cassette-invalid", `the cassette cannot be read: ${why}`);
}

/** Returns the fault for an import without an answer. For an import that cannot fail, it ends the call. */
function mismatch(name: ImportName, about: string): Fault | Ended {
  const message = `the cassette holds no answer to ${name}${about}: another component or input was recorded`;
  const fault = new Fault("cassette-mismatch", message);
  return INFALLIBLE.has(name) ? new Ended(fault) : fault;
}

/** Returns canonical arguments without `reason` and `maxRows`, which may differ between versions of a component. */
function comparable(args: Record<string, Json>): string {
  const without = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(without);
    if (typeof value !== "object" || value === null) return value;
    const { reason, maxRows, ...rest } = value;
    return Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, without(value)]));
  };
  return canonical(without(args));
}
