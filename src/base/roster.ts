/** A member of a roster. It knows its place there; whoever is in none has -1. */
export interface Member {
  place: number;
}

/**
 * What is there now, where much comes and goes: connections and exchanges, say. An array in which each member knows its place.
 *
 * Not a Set: that hashes each member, and one whose members come and go is copied into a new table again and again, and V8 leaves a
 * pointer from each old table to the next. Once one of them is old to the garbage collector, the members of all that follow are kept
 * until the next full collection.
 */
export class Roster<M extends Member> {
  readonly #members: M[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** Again for one that is there: nothing happens. @returns the member */
  add(member: M): M {
    if (!this.#has(member)) member.place = this.#members.push(member) - 1;
    return member;
  }

  /** Nobody is looked for at -1, which V8 takes for the name of a property. */
  #has(member: M): boolean {
    return member.place !== -1 && this.#members[member.place] === member;
  }

  /** The last one takes the place of the one that goes; one that has gone already may go again. */
  delete(member: M): void {
    if (!this.#has(member)) return;
    const { place } = member;
    const last = this.#members.pop()!;
    member.place = -1;
    if (last === member) return;
    this.#members[place] = last;
    last.place = place;
  }

  /** Those that are there now, however many leave meanwhile. */
  [Symbol.iterator](): Iterator<M> {
    return [...this.#members][Symbol.iterator]();
  }
}
