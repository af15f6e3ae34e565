import type { Clock } from '../base/clock.ts';

interface Bucket {
  tokens: number;
  filledAt: number;
}

/** A token bucket per key. Keys that are full again are forgotten, the oldest first when there are too many. */
export class RateLimiter {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #burst: number;
  readonly #refillMs: number;
  readonly #maxKeys: number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param limits.refillMs time in which one use comes back */
  constructor(clock: Pick<Clock, 'now'>, limits: { burst: number; refillMs: number; maxKeys?: number }) {
    this.#clock = clock;
    this.#burst = limits.burst;
    this.#refillMs = limits.refillMs;
    this.#maxKeys = limits.maxKeys ?? 20_000;
  }

  /** Whether `key` may act now; counts it when it may. */
  take(key: string): boolean {
    const now = this.#clock.now();
    const bucket = this.#buckets.get(key) ?? { tokens: this.#burst, filledAt: now };
    const tokens = Math.min(this.#burst, bucket.tokens + (now - bucket.filledAt) / this.#refillMs);
    const allowed = tokens >= 1;
    this.#buckets.delete(key); // moves it to the end: the map is in the order of last use
    this.#buckets.set(key, { tokens: allowed ? tokens - 1 : tokens, filledAt: now });
    this.#forget(now);
    return allowed;
  }

  #forget(now: number): void {
    for (const [key, { tokens, filledAt }] of this.#buckets) {
      const full = tokens + (now - filledAt) / this.#refillMs >= this.#burst;
      if (!full && this.#buckets.size <= this.#maxKeys) return;
      this.#buckets.delete(key);
    }
  }
}
