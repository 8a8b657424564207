// Orders to signal backends, and their results: the types of the import `backends`.

import type { Fault } from "../fault.js";

/** A request to signal one backend, if its state has not changed since it was seen. */
export interface Order {
  pid: number;
  backendStart: bigint;
  signal: "cancel" | "terminate";
  state: string;
  stateChange: bigint;
  reason: string;
}

/** Result of an order. */
export type Outcome =
  | { tag: "signalled" | "gone" | "changed" | "survived" }
  | { tag: "denied"; val: string }
  | { tag: "failed"; val: Fault };
