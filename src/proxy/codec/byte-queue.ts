import { MEMORY_SIZES, returnMemory, takeMemory } from './memory.ts';

/** A queue takes no larger pieces: of the last one a part may be empty. */
const PIECE = 1;

/** When so much waits in one sidecar, it asks for less. 250 streams whose readers stand still. */
export const MUCH_WAITS = 16 * 1024 * 1024;

/** One for the event loop, as the memory that is queued in. */
let waiting = 0;

/** What waits in all queues together: the more it is, the less should be asked for. */
export function bytesWaiting(): number {
  return waiting;
}

/** Bytes that have to wait, as copies, in memory that goes round. Small chunks share a piece. */
export class ByteQueue {
  length = 0;
  #pieces: Buffer[] = [];
  /** Where the first piece begins, and where the last one ends; those between are full. */
  #from = 0;
  #to = 0;

  push(chunk: Buffer): void {
    this.length += chunk.length;
    waiting += chunk.length;
    for (let at = 0; at < chunk.length;) {
      let last = this.#pieces[this.#pieces.length - 1];
      if (last === undefined || this.#to === last.length) {
        last = takeMemory(chunk.length - at <= MEMORY_SIZES[0] ? 0 : PIECE);
        this.#pieces.push(last);
        this.#to = 0;
      }
      const bytes = Math.min(chunk.length - at, last.length - this.#to);
      chunk.copy(last, this.#to, at, at + bytes);
      this.#to += bytes;
      at += bytes;
    }
  }

  /** The first bytes of a queue that is not empty, as many as lie in one piece; lent until `drop` or `clear`. */
  first(): Buffer {
    const [piece] = this.#pieces;
    return piece!.subarray(this.#from, this.#pieces.length === 1 ? this.#to : piece!.length);
  }

  /** Forgets so many of the first bytes, not more than `first` has given. */
  drop(bytes: number): void {
    this.length -= bytes;
    waiting -= bytes;
    this.#from += bytes;
    const [piece] = this.#pieces;
    if (this.length > 0 && this.#from < piece!.length) return;
    this.#pieces.shift();
    this.#from = 0;
    returnMemory(piece!);
  }

  /** Hands out the first bytes; they are the receiver's until it has returned, whatever happens to the queue meanwhile. */
  tell(receiver: (bytes: Buffer) => void): void {
    const bytes = this.first();
    const piece = this.#pieces.shift()!;
    this.length -= bytes.length;
    waiting -= bytes.length;
    this.#from = 0;
    receiver(bytes);
    returnMemory(piece);
  }

  clear(): void {
    for (const piece of this.#pieces) returnMemory(piece);
    this.#pieces = [];
    waiting -= this.length;
    this.length = this.#from = this.#to = 0;
  }
}
