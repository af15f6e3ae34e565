import type { Clock } from '../base/clock.ts';
import { formatDestination, type Destination } from './destination.ts';

/** How long a destination that the control plane did not know is not asked for again. */
const UNKNOWN_MS = 10_000;
/** Destinations remembered as unknown; an app that scans a network must not fill the memory. */
const MAX_UNKNOWN = 1024;

export interface LookupsOptions {
  /** Asks the control plane; resolves once the answer, if there is one, is part of the configuration. */
  readonly lookup: (destination: Destination) => Promise<void>;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** On-demand discovery: one question per destination at a time, held for a bounded time, silence remembered. */
export class Lookups {
  readonly #options: LookupsOptions;
  readonly #asking = new Map<string, Promise<void>>();
  readonly #unknownUntil = new Map<string, number>();

  constructor(options: LookupsOptions) {
    this.#options = options;
  }

  /** Resolves, always, when there is an answer or none will be waited for. */
  ask(destination: Destination): Promise<void> {
    const key = formatDestination(destination);
    const running = this.#asking.get(key);
    if (running !== undefined) return running;
    if ((this.#unknownUntil.get(key) ?? 0) > this.#options.clock.now()) return Promise.resolve();
    const asking = this.#ask(destination).finally(() => {
      this.#asking.delete(key);
      this.#remember(key);
    });
    this.#asking.set(key, asking);
    return asking;
  }

  async #ask(destination: Destination): Promise<void> {
    const { lookup, clock, timeoutMs } = this.#options;
    const late = new AbortController();
    try {
      await Promise.race([lookup(destination), clock.sleep(timeoutMs, late.signal)]);
    } catch {
      // Unreachable control plane: the destination counts as unknown, as it would after the time limit
    } finally {
      late.abort();
    }
  }

  /** Whoever got an answer finds the destination in the configuration and does not ask again. */
  #remember(key: string): void {
    this.#unknownUntil.delete(key);
    this.#unknownUntil.set(key, this.#options.clock.now() + UNKNOWN_MS);
    const oldest = this.#unknownUntil.keys().next().value;
    if (this.#unknownUntil.size > MAX_UNKNOWN && oldest !== undefined) this.#unknownUntil.delete(oldest);
  }
}
