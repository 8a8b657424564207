// Hourly caps on orders and pool changes.

const HOUR_MS = 3_600_000;

/** Actions of the last hour, per place. */
export class Hourly {
  readonly #acts = new Map<string, number[]>();

  /** Returns the number of further actions allowed. */
  left(place: string, most: number): number {
    return Math.max(0, most - this.#recent(place).length);
  }

  /** Reserves up to `wanted` actions and returns the number granted. */
  take(place: string, wanted: number, most: number): number {
    const granted = Math.min(wanted, this.left(place, most));
    const now = performance.now();
    // Drop places without an action in the last hour.
    for (const known of this.#acts.keys()) if (this.#recent(known).length === 0) this.#acts.delete(known);
    if (granted > 0) this.#acts.set(place, [...this.#recent(place), ...Array<number>(granted).fill(now)]);
    return granted;
  }

  /** Releases reservations that were not used. */
  giveBack(place: string, count: number): void {
    this.#acts.set(place, this.#recent(place).slice(0, -count || undefined));
  }

  #recent(place: string): number[] {
    const since = performance.now() - HOUR_MS;
    return (this.#acts.get(place) ?? []).filter((at) => at > since);
  }
}
