// The functions that a component imports, as this host knows them: named and shaped as in a cassette
// (tests/conformance/FORMAT.md), with JavaScript's own values.

import type { Fault } from "./fault.js";
import type { Order, Outcome } from "./guard/order.js";
import type { ReconnectOutcome, SizeOutcome } from "./scaling.js";
import type { RowSet, Statement } from "./values.js";

/** What one fresh connection met with. */
export interface ProbeTiming {
  connectUs: bigint;
  roundTripUs: bigint;
}

/** An item of an answer, as jco has WIT's result. */
export type Item<T> = { tag: "ok"; val: T } | { tag: "err"; val: Fault };

/** Each imported function: its arguments and what it answers when it does not fail. */
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

/** The name of an imported function. */
export type ImportName = keyof Imports;

/** What a component's handle stands for. */
export type Resource = "credential" | "session" | "console";

/** Functions that cannot fail by themselves. */
export const INFALLIBLE: ReadonlySet<ImportName> = new Set([
  "credential.name",
  "session.access-path",
  "session.notes",
  "console.kind",
]);

/** Something that answers a component's imports. */
export interface Powers {
  /** Answers one call. Throws a `Fault` for an answer that is one, and `Ended` when the component must be ended. */
  call<N extends ImportName>(name: N, args: Imports[N][0]): Promise<Imports[N][1]>;
  /** A handle was dropped. */
  drop(resource: Resource, handle: number): void;
  /** The call is over: whatever it opened is closed. */
  close(): Promise<void>;
}

/** Thrown where a component must be ended there and then. */
export class Ended extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.message);
    this.fault = fault;
  }
}
