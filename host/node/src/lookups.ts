// Look-ups of the names of one call's hosts.
//
// The system's resolver cannot be interrupted, and Node gives it two threads for the whole process. What a call leaves
// behind of it is bounded, so that no list of silent names keeps other calls from theirs.

import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import type { LookupFunction } from "node:net";

/** Look-ups of one call that are under way at a time. */
const MOST = 2;

/** All addresses of a name. */
type Resolve = (name: string) => Promise<LookupAddress[]>;

/** Look-ups of one call. */
export class Lookups {
  readonly #resolve: Resolve;
  readonly #underWay = new Map<string, Promise<LookupAddress[]>>();
  readonly #waiting: (() => void)[] = [];

  constructor(resolve: Resolve = (name) => lookup(name, { all: true })) {
    this.#resolve = resolve;
  }

  /** Look-up of names for a socket. The signal ends the waiting for a turn. */
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
