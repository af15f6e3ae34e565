import type { ApiEvent, ApiObject } from '../../api-client.ts';
import type { JournalRecord } from './store.ts';

/** One durable change, with what was there before. */
export interface Change extends ApiEvent {
  readonly previous: ApiObject | undefined;
  readonly revision: number;
}

/** Order of lists: namespace, then name. */
export function compareNames(a: ApiObject, b: ApiObject): number {
  const [x, y] = [a.metadata.namespace ?? '', b.metadata.namespace ?? ''];
  if (x !== y) return x < y ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : a.metadata.name > b.metadata.name ? 1 : 0;
}

/** The durable objects of one resource, the changes of the recent past, and who listens to new ones. */
export class ResourceStore {
  readonly #objects = new Map<string, ApiObject>();
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #historySize: number;
  #history: Change[] = [];
  #floor: number;
  #sorted: readonly ApiObject[] | undefined;

  constructor(historySize: number, floor: number) {
    this.#historySize = historySize;
    this.#floor = floor;
  }

  get(namespace: string, name: string): ApiObject | undefined {
    return this.#objects.get(`${namespace}/${name}`);
  }

  /** Sorted by namespace and name; the array is never changed afterwards. */
  all(): readonly ApiObject[] {
    return (this.#sorted ??= [...this.#objects.values()].sort(compareNames));
  }

  get size(): number {
    return this.#objects.size;
  }

  restore(namespace: string, name: string, object: ApiObject | undefined): void {
    this.#set(`${namespace}/${name}`, object);
  }

  startHistory(floor: number): void {
    this.#floor = floor;
  }

  commit(record: JournalRecord, result: ApiObject): void {
    const key = `${record.namespace}/${record.name}`;
    const previous = this.#objects.get(key);
    this.#set(key, record.object);
    const type = record.object === undefined ? 'DELETED' : previous === undefined ? 'ADDED' : 'MODIFIED';
    const change: Change = { type, object: result, previous, revision: record.revision };
    this.#history.push(change);
    if (this.#history.length > this.#historySize * 1.25) this.#trim();
    for (const listener of [...this.#listeners]) listener(change);
  }

  /** Forgets objects without telling anybody: their kind is gone. */
  forget(): void {
    this.#objects.clear();
    this.#sorted = undefined;
  }

  /** Changes after `revision`, oldest first; undefined when they are no longer all known. */
  since(revision: number): readonly Change[] | undefined {
    if (revision < this.#floor) return undefined;
    return this.#history.filter((change) => change.revision > revision);
  }

  /** The oldest revision that `since` still answers for. */
  get floor(): number {
    return this.#floor;
  }

  subscribe(listener: (change: Change) => void): () => void {
    const own = (change: Change) => listener(change);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  #set(key: string, object: ApiObject | undefined): void {
    if (object === undefined) this.#objects.delete(key);
    else this.#objects.set(key, object);
    this.#sorted = undefined;
  }

  #trim(): void {
    const dropped = this.#history.length - this.#historySize;
    this.#floor = this.#history[dropped - 1]?.revision ?? this.#floor;
    this.#history = this.#history.slice(dropped);
  }
}
