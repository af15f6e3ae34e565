/** The place of an item in a roster. */
export interface Entry<T> {
  readonly item: T;
  /** -1 once it has left. */
  place: number;
}

/**
 * What is there now, where much comes and goes: connections, say. An array in which each entry knows its place.
 *
 * Not a Set: one whose members come and go is copied into a new table again and again, and V8 leaves a pointer from each old table to
 * the next. Once one of them is old to the garbage collector, the members of all that follow are kept until the next full collection.
 */
export class Roster<T> {
  readonly #entries: Entry<T>[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** @returns what `delete` needs */
  add(item: T): Entry<T> {
    const entry = { item, place: this.#entries.length };
    this.#entries.push(entry);
    return entry;
  }

  /** The last one takes the place of the one that goes; one that has gone already may go again. */
  delete(entry: Entry<T>): void {
    const { place } = entry;
    if (place === -1) return;
    const last = this.#entries.pop()!;
    if (last !== entry) {
      this.#entries[place] = last;
      last.place = place;
    }
    entry.place = -1;
  }

  /** Those that are there now, however many leave meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return this.#entries.map(({ item }) => item)[Symbol.iterator]();
  }
}
