/** So many look-ups decide whether keeping pays. */
const WINDOW = 1024;
/** Fewer hits than this share of the window cost more than they save. */
const WORTH = WINDOW / 8;
/** Windows that are left out before it is tried again. */
const PAUSE = 8 * WINDOW;

/**
 * What was made of a key lately, for keys that mostly come again: heads of messages, header blocks. Holds the entries of at most two
 * generations. Where keys hardly ever repeat it notices, and keeps nothing for a while.
 */
export class Recent<K, V> {
  readonly #size: number;
  #young = new Map<K, V>();
  #old = new Map<K, V>();
  #tries = 0;
  #hits = 0;
  #paused = 0;

  /** @param size entries of one generation */
  constructor(size: number) {
    this.#size = size;
  }

  get(key: K): V | undefined {
    if (this.#paused > 0) {
      this.#paused--;
      return undefined;
    }
    if (++this.#tries === WINDOW) this.#judge();
    let value = this.#young.get(key);
    if (value === undefined) {
      value = this.#old.get(key);
      if (value === undefined) return undefined;
      this.set(key, value);
    }
    this.#hits++;
    return value;
  }

  set(key: K, value: V): void {
    if (this.#paused > 0) return;
    if (this.#young.size >= this.#size && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  #judge(): void {
    if (this.#hits < WORTH) {
      this.#paused = PAUSE;
      this.#young = new Map();
      this.#old = new Map();
    }
    this.#tries = this.#hits = 0;
  }
}
