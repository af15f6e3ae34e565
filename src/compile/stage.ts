import { sameData } from './same-data.ts';

/** Adds one entry to the result of a stage: computed, or taken over from the last round when all `inputs` are the same. */
export type Emit<T> = (key: string, inputs: readonly unknown[], compute: () => T) => void;

interface Entry<T> {
  readonly inputs: readonly unknown[];
  readonly value: T;
}

/**
 * One step of the compiler that turns objects into values by key, and remembers them. Inputs are compared by identity,
 * because Snapshots share what did not change; a value that comes out equal keeps its identity, and so does the whole
 * map when none of its values changed. So a change travels only as far as it makes a difference.
 */
export class Stage<T> {
  #deps: readonly unknown[] | undefined;
  #entries: ReadonlyMap<string, Entry<T>> = new Map();
  #values: ReadonlyMap<string, T> = new Map();

  /**
   * @param deps everything that `fill` looks at; nothing is done while all of them are the same as last time
   * @param fill emits every entry there shall be
   */
  update(deps: readonly unknown[], fill: (emit: Emit<T>) => void): ReadonlyMap<string, T> {
    if (this.#deps !== undefined && sameItems(this.#deps, deps)) return this.#values;
    const entries = new Map<string, Entry<T>>();
    const values = new Map<string, T>();
    let changed = false;
    fill((key, inputs, compute) => {
      const old = this.#entries.get(key);
      const entry = old !== undefined && sameItems(old.inputs, inputs) ? old : refreshed(old, inputs, compute());
      entries.set(key, entry);
      values.set(key, entry.value);
      changed ||= entry.value !== old?.value || old === undefined;
    });
    this.#deps = deps;
    this.#entries = entries;
    if (changed || values.size !== this.#values.size) this.#values = values;
    return this.#values;
  }
}

/** A value that is recomputed only when an input is another one, and keeps its identity when it comes out equal. */
export class Cell<T> {
  #entry: Entry<T> | undefined;

  update(inputs: readonly unknown[], compute: () => T): T {
    const old = this.#entry;
    if (old !== undefined && sameItems(old.inputs, inputs)) return old.value;
    this.#entry = refreshed(old, inputs, compute());
    return this.#entry.value;
  }
}

function refreshed<T>(old: Entry<T> | undefined, inputs: readonly unknown[], value: T): Entry<T> {
  return { inputs, value: old !== undefined && sameData(old.value, value) ? old.value : value };
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}
