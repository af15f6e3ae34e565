import type { Clock } from '../base/clock.ts';
import { type Watch, WatchSource } from '../base/watch.ts';

/** One call at a time in the future, for those who are told when to look again. */
export class Alarm {
  readonly #clock: Clock;
  readonly #rung = new WatchSource(0);
  #atMs = Infinity;
  #cancel = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Changes when it rings. */
  get rings(): Pick<Watch<unknown>, 'subscribe'> {
    return this.#rung;
  }

  /** Rings at `atMs` at the latest, unless aborted before. A later call that is set already gives way. */
  set(atMs: number, signal: AbortSignal): void {
    if (atMs >= this.#atMs) return;
    this.#cancel.abort();
    const cancel = new AbortController();
    this.#cancel = cancel;
    this.#atMs = atMs;
    const done = () => {
      if (this.#cancel === cancel) this.#atMs = Infinity;
    };
    this.#clock.sleep(Math.max(0, atMs - this.#clock.now()), AbortSignal.any([signal, cancel.signal])).then(() => {
      done();
      this.#rung.set((this.#rung.current() ?? 0) + 1);
    }, done);
  }
}
