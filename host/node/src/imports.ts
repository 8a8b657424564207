// Functions that a component imports, with the names and shapes of a cassette (tests/conformance/FORMAT.md) and
// JavaScript values.

import type { Fault } from "./fault.js";
import type { Order, Outcome } from "./guard/order.js";
import type { RowSet } from "./row-set.js";
import type { ReconnectOutcome, SizeOutcome } from "./scaling.js";
import type { Statement } from "./values.js";

/** Timings of one probe connection. */
export interface ProbeTiming {
  connectUs: bigint;
  roundTripUs: bigint;
}

/** Item of an answer, as jco represents WIT's result. */
export type Item<T> = { tag: "ok"; val: T } | { tag: "err"; val: Fault };

/** Arguments and successful result of each imported function. */
export interface Imports {
  "credentials.lookup": [given: { name?: string | undefined }, ok: { credential: number }];
  "credential.name": [given: { credential: number }, ok: string];
  "session.open": [given: { credential: number }, ok: { session: number }];
  "session.access-path": [given: { session: number }, ok: string];
  "session.notes": [given: { session: number }, ok: readonly string[]];
  "session.query": [given: { session: number; batch: Statement[] }, ok: Item<RowSet>[]];
  "database.probe": [given: { credential: number; count: number; timeoutMs: number }, ok: Item<ProbeTiming>[]];
  "console.open": [given: { credential: number }, ok: { console: number }];
  "console.kind": [given: { console: number }, ok: string];
  "console.show": [given: { console: number; views: string[] }, ok: Item<RowSet>[]];
  "backends.deliver": [given: { session: number; orders: Order[]; dryRun: boolean }, ok: Outcome[]];
  "scaling.resize": [
    given: { console: number; pool?: string | undefined; size: number; reason: string; dryRun: boolean },
    ok: SizeOutcome,
  ];
  "scaling.reconnect": [
    given: { console: number; database: string; reason: string; dryRun: boolean },
    ok: ReconnectOutcome,
  ];
}

/** Name of an imported function. */
export type ImportName = keyof Imports;

/** Kind of resource that a component's handle refers to. */
export type Resource = "credential" | "session" | "console";

/** Functions whose signature has no error result. */
export const INFALLIBLE: ReadonlySet<ImportName> = new Set([
  "credential.name",
  "session.access-path",
  "session.notes",
  "console.kind",
]);

/** Implementation of a component's imports. */
export interface HostApi {
  /** Answers one call. Throws a `Fault` for an error result, and `Ended` when the component must be terminated. */
  call<N extends ImportName>(name: N, args: Imports[N][0]): Promise<Imports[N][1]>;
  /** Releases the resource of a dropped handle. */
  drop(resource: Resource, handle: number): void;
  /** Ends the call: closes everything that it opened. */
  close(): Promise<void>;
}

/** Error that terminates the component immediately. */
export class Ended extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.message);
    this.fault = fault;
  }
}
