/** What is found by a number that rises by two. */
interface Numbered {
  readonly id: number;
}

const SMALLEST = 16;

/**
 * The open streams of a connection by their numbers: open addressing, the next free slot when one is taken.
 *
 * Not a Map: one whose entries come and go is copied into a new table again and again, and V8 leaves a pointer from each old table to
 * the next. Once one of them is old to the garbage collector, dead or not, all that follow count as reachable from it until the next
 * full collection, with the streams that were in them and all that hangs on those: half of what requests had allocated was copied
 * twice, and the young generation grew to 128 MB (docs/performance.md).
 */
export class StreamTable<S extends Numbered> {
  size = 0;
  /** A power of two of slots, at most half of them taken. */
  #slots: (S | undefined)[] = new Array<S | undefined>(SMALLEST).fill(undefined);
  #mask = SMALLEST - 1;

  get(id: number): S | undefined {
    return this.#slots[this.#find(id)];
  }

  /** @param stream of a number that is not there yet */
  add(stream: S): void {
    if (++this.size * 2 > this.#slots.length) this.#grow();
    this.#slots[this.#find(stream.id)] = stream;
  }

  /** @returns whether it was there */
  delete(id: number): boolean {
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = this.#find(id);
    if (slots[hole] === undefined) return false;
    this.size--;
    // Those behind it that stand further on than they belong move up, so that no search ends too soon
    for (let at = (hole + 1) & mask; slots[at] !== undefined; at = (at + 1) & mask) {
      const home = (slots[at]!.id >> 1) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      slots[hole] = slots[at];
      hole = at;
    }
    slots[hole] = undefined;
    return true;
  }

  /** Those that are open now, however many end meanwhile. In no order. */
  list(): S[] {
    return this.#slots.filter((stream) => stream !== undefined);
  }

  /** The slot of a number: where it is, or where it would be. */
  #find(id: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    let at = (id >> 1) & mask;
    for (let found = slots[at]; found !== undefined && found.id !== id; found = slots[at]) at = (at + 1) & mask;
    return at;
  }

  #grow(): void {
    const streams = this.list();
    this.#slots = new Array<S | undefined>(this.#slots.length * 2).fill(undefined);
    this.#mask = this.#slots.length - 1;
    for (const stream of streams) this.#slots[this.#find(stream.id)] = stream;
  }
}
