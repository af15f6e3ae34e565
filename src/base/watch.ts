/** A value that changes over time and can be looked at. Level-based: a listener learns that it changed, not how. */
export interface Watch<T> {
  /** The newest value; undefined until there is a first one. */
  current(): T | undefined;
  /** Calls `listener` after each change, not for the present value. Returns the function that ends it. */
  subscribe(listener: () => void): () => void;
}

/** The writing end of a Watch. */
export class WatchSource<T> implements Watch<T> {
  #value: T | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(initial?: T) {
    this.#value = initial;
  }

  current(): T | undefined {
    return this.#value;
  }

  /** Replaces the value and tells every listener, unless it is the very same value. */
  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  subscribe(listener: () => void): () => void {
    const own = () => listener(); // a function of its own, so that subscribing twice is two subscriptions
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }
}

/**
 * Waits until `accept` holds for the watched value and returns that value.
 * @throws the signal's reason when aborted first
 */
export function until<T, U extends T>(
  watch: Watch<T>,
  accept: (value: T) => value is U,
  signal: AbortSignal,
): Promise<U>;
export function until<T>(watch: Watch<T>, accept: (value: T) => boolean, signal: AbortSignal): Promise<T>;
export function until<T>(watch: Watch<T>, accept: (value: T) => boolean, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = watch.subscribe(look);
    const abort = () => {
      stop();
      reject(signal.reason as Error);
    };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    look();
    function look(): void {
      const value = watch.current();
      if (value === undefined || !accept(value)) return;
      stop();
      signal.removeEventListener('abort', abort);
      resolve(value);
    }
  });
}
