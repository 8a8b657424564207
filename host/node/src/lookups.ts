// DNS look-ups of one call.
//
// The system's resolver cannot be interrupted, and Node runs it on few threads per process. Limiting the pending
// look-ups of a call keeps unresponsive names from blocking other calls.

import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import type { LookupFunction } from "node:net";

/** Maximum number of pending look-ups of one call. */
const MOST = 2;

/** Resolver that returns all addresses of a name. */
type Resolve = (name: string) => Promise<LookupAddress[]>;

/** DNS look-ups of one call. */
export class Lookups {
  readonly #resolve: Resolve;
  readonly #underWay = new Map<string, Promise<LookupAddress[]>>();
  readonly #waiting: (() => void)[] = [];

  constructor(resolve: Resolve = (name) => lookup(name, { all: true })) {
    this.#resolve = resolve;
  }

  /** Returns the look-up function for a socket. The signal ends the wait for a free look-up. */
  until(signal: AbortSignal): LookupFunction {
    return (name, { all }, callback) => {
      this.#addresses(name, signal).then(
        (found) => {
          const [first] = found;
          if (all) callback(null, found);
          else callback(first ? null : new Error(`${name} has no address`), first?.address ?? "", first?.family);
        },
        (error: NodeJS.ErrnoException) => callback(error, []),
      );
    };
  }

  async #addresses(name: string, signal: AbortSignal): Promise<LookupAddress[]> {
    for (;;) {
      signal.throwIfAborted();
      const same = this.#underWay.get(name);
      if (same) return same;
      if (this.#underWay.size < MOST) return this.#begin(name);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #begin(name: string): Promise<LookupAddress[]> {
    const looking = this.#resolve(name).finally(() => {
      this.#underWay.delete(name);
      for (const wake of this.#waiting.splice(0)) wake();
    });
    this.#underWay.set(name, looking);
    return looking;
  }
}
