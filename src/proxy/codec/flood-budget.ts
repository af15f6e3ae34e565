/** So much of it at once, and then so much in a second. */
export interface FloodLimit {
  readonly burst: number;
  readonly perSecond: number;
}

/** What is borne of what costs us more than whoever does it. */
export class FloodBudget {
  readonly #limit: FloodLimit;
  /** Milliseconds of a clock that never goes back. */
  readonly #now: () => number;
  #used = 0;
  /** Up to when time has made up for some of it. */
  #since = 0;

  constructor(limit: FloodLimit, now = monotonic) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Counts so much. @returns false when it is too much */
  spend(count = 1): boolean {
    if (this.#used === 0) this.#since = this.#now();
    this.#used += count;
    return !this.exhausted;
  }

  /** Something good came too, which makes up for so much that was not. */
  earn(count = 1): void {
    this.#used = Math.max(0, this.#used - count);
  }

  get exhausted(): boolean {
    const { burst } = this.#limit;
    if (this.#used < burst) return false; // nearly always: no look at the clock
    this.#used = Math.min(this.#used, 2 * burst); // who went far beyond it does not pay for it for ever
    this.#recover();
    return this.#used >= burst;
  }

  /** Nothing is counted that time has not made up for. */
  get atRest(): boolean {
    this.#recover();
    return this.#used === 0;
  }

  #recover(): void {
    const now = this.#now();
    this.#used = Math.max(0, this.#used - ((now - this.#since) * this.#limit.perSecond) / 1000);
    this.#since = now;
  }
}

function monotonic(): number {
  return performance.now();
}
