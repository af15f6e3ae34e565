import { BULK_BYTES, DEFAULT_WINDOW, MAX_FRAME_BYTES } from './http2-frames.ts';
import type { FrameBuffer } from './frame-buffer.ts';

/** What waits for its turn to send. */
export interface Sender {
  /** Whether it stands in the queue; the queue's to say. */
  blocked: boolean;
  /** Whether bytes of it wait. */
  readonly queued: boolean;
  /** Sends of what waits, at most so many bytes, as far as the windows allow. @returns whether something was sent */
  pump(limit: number): boolean;
  /** Nothing of it waits, and there is room for more. */
  unblocked(): void;
}

/** The turns of those who send DATA on one connection: the connection's window, the socket's room, and who waits for them. */
export class SendQueue {
  /** What the peer takes on the connection as a whole (RFC 9113 6.9). */
  window = DEFAULT_WINDOW;
  readonly #out: FrameBuffer;
  readonly #highWater: number;
  /** In the order of their turns; no Set, for the reason of `StreamTable`. */
  readonly #blocked: Sender[] = [];

  /** @param highWaterBytes of the socket, beyond which all wait */
  constructor(out: FrameBuffer, highWaterBytes: number) {
    this.#out = out;
    this.#highWater = highWaterBytes;
  }

  /** Whether the socket takes more. */
  writable(): boolean {
    return this.#out.waiting <= this.#highWater;
  }

  /** One that has to wait for a window or for the socket. */
  block(sender: Sender): void {
    if (sender.blocked) return;
    sender.blocked = true;
    this.#blocked.push(sender);
  }

  /** @returns whether it had to wait */
  release(sender: Sender): boolean {
    if (!sender.blocked) return false;
    sender.blocked = false;
    this.#blocked.splice(this.#blocked.indexOf(sender), 1);
    return true;
  }

  /**
   * Sends what is queued, 16 KB of each stream in turn, as far as the window and the socket take it: a large one does not hold up the
   * others, and what is small finds little before it.
   */
  pump(): void {
    if (this.#blocked.length === 0) return;
    for (let progress = true; progress && this.window > 0;) {
      progress = false;
      for (const sender of [...this.#blocked]) {
        if (!this.writable()) return;
        if (!sender.pump(MAX_FRAME_BYTES)) continue;
        progress = true;
        // Behind the others, who are first when the socket takes more
        if (this.release(sender)) this.block(sender);
      }
    }
    this.#unblock();
  }

  #unblock(): void {
    for (const sender of [...this.#blocked]) {
      if (sender.queued) continue;
      if (!this.writable()) return;
      if (this.release(sender)) sender.unblocked();
    }
  }

  /** Writes DATA that the windows allow. */
  write(id: number, chunk: Buffer): void {
    this.window -= chunk.length;
    for (let at = 0; at < chunk.length; at += BULK_BYTES) {
      const piece = chunk.length <= BULK_BYTES ? chunk : chunk.subarray(at, at + BULK_BYTES);
      this.#out.data(id, piece, MAX_FRAME_BYTES); // larger frames would make others wait, whatever the peer takes
    }
  }
}
