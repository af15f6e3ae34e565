/** What the peer had sent before it knew of a reset is no offence; of so many it is remembered which they were. */
const REMEMBERED = 512;

/** The streams that we have reset lately. No Set: one whose members come and go is copied again and again. */
export class RecentResets {
  /** A ring; made with the first reset, which most connections never see. */
  #ids: Uint32Array | undefined = undefined;
  #next = 0;
  /** Up to here a reset may have been forgotten. */
  #forgotten = 0;

  add(id: number): void {
    const ids = (this.#ids ??= new Uint32Array(REMEMBERED));
    this.#forgotten = Math.max(this.#forgotten, ids[this.#next]!);
    ids[this.#next] = id;
    this.#next = (this.#next + 1) % REMEMBERED;
  }

  /** Whether the stream was reset, or may have been. */
  has(id: number): boolean {
    return id <= this.#forgotten || (this.#ids !== undefined && this.#ids.includes(id));
  }
}
