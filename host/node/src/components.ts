// Build output next to this code: the components as modules made by jco, and the guard's data.

import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { sha256 as sha256Of } from "./digest.js";
import { Fault } from "./fault.js";
import { limitMemory } from "./memory.js";

/** Component of the contract, by file name. */
export type World = "pool-analyser" | "pool-observer" | "pool-manager";

/** Fault of a refused session. */
export interface Reason {
  kind: string;
  /** True when the same login can succeed a moment later. */
  retryable: boolean;
  /** Template of the message, with the setting or the step that helps. */
  message: string;
  /** Reason to use when TLS was tried too, or is not available. */
  afterTls?: string;
}

/** Conditions of a refusal, all of which apply. Texts are compared in lower case. */
export interface RefusalRule {
  reason: string;
  /** SQLSTATEs, one of which applies; "" stands for none. */
  sqlstates?: string[];
  /** Whole text. */
  equals?: string;
  /** Prefixes of the text. */
  starts?: string[];
  /** Words of which the text contains at least one. */
  any?: string[];
  /** Words that the text contains all of. */
  all?: string[];
  /** True for messages of a pooler without a server connection; they also apply to statements of an open session. */
  inSession?: boolean;
}

/** Fault of a statement. Applies when one of its conditions holds, or when it has none. */
export interface StatementError {
  /** Reasons derived from a pooler's message. */
  reasons?: string[];
  sqlstates?: string[];
  /** SQLSTATEs that apply when the severity ends the session. */
  fatal?: string[];
  kind: string;
  retryable: boolean;
  message: string;
  /** Limit that the message names, as the Rust host spells it. */
  limit?: string;
}

/** Errors of servers and poolers and their meaning. All lists are in order. */
export interface ServerErrors {
  reasons: Record<string, Reason>;
  rules: RefusalRule[];
  /** Reasons for refusals that match no rule, by prefix of the SQLSTATE. */
  fallbacks: { reason: string; begins: string[] }[];
  /** SQLSTATEs that poolers use for every error; "" for none. */
  poolerSqlstates: string[];
  statements: StatementError[];
}

/** Contents of `guard.json`, written by `archon-pool components`: session and guard data of the Rust host. */
export interface Guard {
  application: string;
  statements: {
    terminate: string;
    wouldTerminate: string;
    count: string;
    classify: string;
    stillThere: string;
  };
  /** Patterns of SQL's `ILIKE`. */
  protected: { roles: string[]; applications: string[] };
  session: { settings: Record<string, string> };
  /** PostgreSQL's names of encodings other than UTF-8, with their WHATWG labels. */
  encodings: Record<string, string>;
  serverErrors: ServerErrors;
  /** Length to which a server truncates names, bytes. */
  names: { bytes: number };
  /** Limits by the Rust host's names: times in milliseconds, others in bytes or counts. */
  limits: Record<string, number>;
  policy: { maxKillPercentage: number; maxKills: number; maxKillsPerHour: number; maxResizesPerHour: number };
  /** Defaults for options that a request does not set. */
  request: { maxKillPercentage: number; idleTimeoutMs: number; idleInTransactionTimeoutMs: number };
  /** Bounds of the pool sizing options; `maxSize` must also not be below `minSize`. */
  sizing: Record<"minSize" | "maxSize" | "growthRate" | "shrinkRate", { default: number; least: number; most: number }>;
  pgbouncer: { database: string; size: string; views: string[]; withheld: string };
  /** Names of request fields that hold secrets, in lower case without separators. */
  secretNames: string[];
  /** Words that mark a name as that of a secret, at any position. */
  secretWords: string[];
}

/** Compiled component. */
export interface Component {
  name: World;
  /** SHA-256 of the component's file. */
  sha256: string;
  /** URL of the module that jco generated. */
  entry: string;
  /** Compiled core modules that it imports. */
  cores: Record<string, WebAssembly.Module>;
}

interface Built {
  sha256: string;
  /** SHA-256 of each file that jco generated. */
  files: Record<string, string>;
  description: Description;
}

/** Self-description of a component, as far as this host uses it. */
export interface Description {
  skill: string;
  version: string;
  actions: string[];
  faults: string[];
  statements: { id: string; purpose: string; sha256: string; sql: string }[];
  [more: string]: unknown;
}

const FOLDER = new URL("./components/", import.meta.url);

const built = once(() => readJson<Record<World, Built>>("index.json"));
const compiled = new Map<string, Promise<Component>>();

/** Guard data of the Rust host; none of it is defined in this package. */
export const guard = once(() => readJson<Guard>("guard.json"));

/** Returns the component's self-description, as recorded by the build. */
export function description(name: World): Description {
  return built()[name].description;
}

/** Returns the SHA-256 of every statement that a component may send. */
export function catalogue(name: World): ReadonlySet<string> {
  return new Set(description(name).statements.map(({ sha256 }) => sha256));
}

/** Returns a component whose memories are limited to `memoryBytes` each. Compiled once per process. */
export function component(name: World, memoryBytes: number): Promise<Component> {
  const key = `${name} ${memoryBytes}`;
  const found = compiled.get(key) ?? compile(name, memoryBytes);
  compiled.set(key, found);
  // A file that could not be read may exist at the next attempt.
  found.catch(() => compiled.delete(key));
  return found;
}

async function compile(name: World, memoryBytes: number): Promise<Component> {
  const { sha256, files } = built()[name];
  const read = Object.entries(files).map(async ([file, digest]) => {
    return [file, await readBuilt(`${name}/${file}`, digest)] as const;
  });
  const modules = (await Promise.all(read))
    .filter(([file]) => file.endsWith(".wasm"))
    .map(async ([file, bytes]) => [file, await WebAssembly.compile(limitMemory(bytes, memoryBytes))] as const);
  const entry = new URL(`${name}/${name}.js`, FOLDER).href;
  return { name, sha256, entry, cores: Object.fromEntries(await Promise.all(modules)) };
}

/** Reads a file of this package. Throws when it differs from the one that was built. */
export async function readBuilt(file: string, digest: string): Promise<Uint8Array> {
  const bytes = await readFile(new URL(file, FOLDER));
  if (sha256Of(bytes) === digest) return bytes;
  throw new Fault("not-a-component", `${file} is not the file that was built with this package: install it again`);
}

function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as T;
}

function once<T>(make: () => T): () => T {
  let made: { it: T } | undefined;
  return () => {
    made ??= { it: make() };
    return made.it;
  };
}
