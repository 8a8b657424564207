// What the build put beside this code: the components, turned into modules by jco, and what the guard consists of.

import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { sha256 as sha256Of } from "./digest.js";
import { Fault } from "./fault.js";
import { limitMemory } from "./memory.js";

/** A component of the contract, named as its file. */
export type World = "pool-analyser" | "pool-observer" | "pool-manager";

/** Fault of a refused session. */
export interface Reason {
  kind: string;
  /** True where the same login can succeed a moment later. */
  retryable: boolean;
  /** Template of the message, with the setting or the step that helps. */
  message: string;
  /** The reason where TLS was tried, too, or cannot be had. */
  afterTls?: string;
}

/** Conditions of a refusal, all of which apply. Texts are compared in lower case. */
export interface RefusalRule {
  reason: string;
  /** Any of these, "" for none. */
  sqlstates?: string[];
  /** The whole text. */
  equals?: string;
  /** Begins of the text. */
  starts?: string[];
  /** Words of which the text has one. */
  any?: string[];
  /** Words of which the text has each. */
  all?: string[];
  /** True for the words of a pooler that has no server connection, also for a statement of an open session. */
  inSession?: boolean;
}

/** Fault of a statement. It applies where one of its conditions does, or where it has none. */
export interface StatementError {
  /** By the words of a pooler. */
  reasons?: string[];
  sqlstates?: string[];
  /** By SQLSTATE, where the severity ends the session. */
  fatal?: string[];
  kind: string;
  retryable: boolean;
  message: string;
  /** The limit that the message names, as the Rust host spells it. */
  limit?: string;
}

/** Errors of servers and poolers and their meaning. All lists are in order. */
export interface ServerErrors {
  reasons: Record<string, Reason>;
  rules: RefusalRule[];
  /** Refusals that no rule recognises, by the begin of their SQLSTATE. */
  fallbacks: { reason: string; begins: string[] }[];
  /** SQLSTATEs that poolers have for everything; "" for none. */
  poolerSqlstates: string[];
  statements: StatementError[];
}

/** What `archon-pool components` writes as `guard.json`: how the Rust host keeps sessions and guards orders. */
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
  /** PostgreSQL's names of encodings that are not UTF-8, with the labels of the WHATWG's standard. */
  encodings: Record<string, string>;
  serverErrors: ServerErrors;
  /** Bytes of a name that a server keeps. */
  names: { bytes: number };
  /** By the Rust host's names: times in milliseconds, all else in bytes or as a count. */
  limits: Record<string, number>;
  policy: { maxKillPercentage: number; maxKills: number; maxKillsPerHour: number; maxResizesPerHour: number };
  /** What a request that names none gets. */
  request: { maxKillPercentage: number; idleTimeoutMs: number; idleInTransactionTimeoutMs: number };
  /** Options that say how far a pool may be resized; `maxSize` is not below `minSize` either. */
  sizing: Record<"minSize" | "maxSize" | "growthRate" | "shrinkRate", { default: number; least: number; most: number }>;
  pgbouncer: { database: string; size: string; views: string[]; withheld: string };
  /** Names that a request gives to secrets, in lower case and without separators. */
  secretNames: string[];
  /** Words that make a name that of a secret, wherever they stand in it. */
  secretWords: string[];
}

/** A component that can be started. */
export interface Component {
  name: World;
  /** The SHA-256 of the component's file. */
  sha256: string;
  /** The module that jco wrote. */
  entry: string;
  /** The core modules that it asks for, compiled. */
  cores: Record<string, WebAssembly.Module>;
}

interface Built {
  sha256: string;
  /** The SHA-256 of each file that jco wrote. */
  files: Record<string, string>;
  description: Description;
}

/** What a component says about itself, as far as this host needs it. */
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

/** What the guard consists of. Nothing of it is written in this package. */
export const guard = once(() => readJson<Guard>("guard.json"));

/** What a component says about itself. Asked once, when the package was built. */
export function description(name: World): Description {
  return built()[name].description;
}

/** The SHA-256 of every statement that a component may send. */
export function catalogue(name: World): ReadonlySet<string> {
  return new Set(description(name).statements.map(({ sha256 }) => sha256));
}

/** A component whose memories cannot grow beyond so many bytes each. Compiled once in a process. */
export function component(name: World, memoryBytes: number): Promise<Component> {
  const key = `${name} ${memoryBytes}`;
  const found = compiled.get(key) ?? compile(name, memoryBytes);
  compiled.set(key, found);
  // What could not be read may be there the next time.
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

/** Bytes of a file of this package, as long as it is the one that was built. */
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
