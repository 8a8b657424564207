// Orders that were sent in the last hour, and changes of pools.

const HOUR_MS = 3_600_000;

/** The acts of the last hour, per place. */
export class Hourly {
  readonly #acts = new Map<string, number[]>();

  /** How many more there may be. */
  left(place: string, most: number): number {
    return Math.max(0, most - this.#recent(place).length);
  }

  /** Takes as many of the wanted ones as there may be, and says how many. */
  take(place: string, wanted: number, most: number): number {
    const granted = Math.min(wanted, this.left(place, most));
    const now = performance.now();
    // Places without an act of this hour are not kept.
    for (const known of this.#acts.keys()) if (this.#recent(known).length === 0) this.#acts.delete(known);
    if (granted > 0) this.#acts.set(place, [...this.#recent(place), ...Array<number>(granted).fill(now)]);
    return granted;
  }

  /** Gives back what was not used. */
  giveBack(place: string, count: number): void {
    this.#acts.set(place, this.#recent(place).slice(0, -count || undefined));
  }

  #recent(place: string): number[] {
    const since = performance.now() - HOUR_MS;
    return (this.#acts.get(place) ?? []).filter((at) => at > since);
  }
}
