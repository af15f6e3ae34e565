const EMPTY = Buffer.alloc(0);

/**
 * What has come from a socket and is not taken yet. What a `SocketReader` reads is only lent: whoever adds it takes what can be taken at
 * once, and then says `keep`, which copies what is left. Mostly nothing is.
 */
export class HeldBytes {
  /** All of it; lent where the last `add` found nothing, until `keep`. */
  bytes: Buffer;
  #lent = false;

  /** @param first not lent */
  constructor(first: Buffer = EMPTY) {
    this.bytes = first;
  }

  get length(): number {
    return this.bytes.length;
  }

  add(bytes: Buffer): void {
    this.#lent = this.bytes.length === 0;
    this.bytes = this.#lent ? bytes : Buffer.concat([this.bytes, bytes]);
  }

  /** Forgets so many of the first bytes. */
  drop(count: number): void {
    this.bytes = count === this.bytes.length ? EMPTY : this.bytes.subarray(count);
  }

  /** Hands out everything. */
  takeAll(): Buffer {
    const { bytes } = this;
    this.bytes = EMPTY;
    return bytes;
  }

  clear(): void {
    this.bytes = EMPTY;
  }

  /** The lender wants its memory back. */
  keep(): void {
    if (this.#lent && this.bytes.length > 0) this.bytes = Buffer.from(this.bytes);
    this.#lent = false;
  }
}
