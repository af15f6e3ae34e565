import type { Http2Settings } from './http2-settings.ts';

/** What costs us more than the peer: so much of it at once, and then so much in a second. */
export class NuisanceBudget {
  readonly #burst: number;
  readonly #perSecond: number;
  #used = 0;
  #since = 0;

  constructor({ nuisanceBurst, nuisancePerSecond }: Http2Settings) {
    this.#burst = nuisanceBurst;
    this.#perSecond = nuisancePerSecond;
  }

  /** Counts one. @returns false when the peer does nothing else, and has to be sent away */
  spend(): boolean {
    if (++this.#used < this.#burst) return true;
    const now = performance.now();
    this.#used -= Math.min(this.#used, ((now - this.#since) * this.#perSecond) / 1000);
    this.#since = now;
    return this.#used < this.#burst;
  }
}
