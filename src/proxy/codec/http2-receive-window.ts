import type { Http2Settings } from './http2-settings.ts';

/**
 * What the peer may send on a connection as a whole. Each stream has its first window of it for sure; the rest is lent to
 * those whose readers keep up, so that however many readers stand still, all streams together cannot fill it.
 */
export class ReceiveWindow {
  #left: number;
  #unreturned = 0;
  /** What streams may get beyond their first window. */
  #lendable: number;
  /** Bytes heard after which the window is opened again. */
  readonly #creditAt: number;

  constructor({ connectionWindowBytes, maxConcurrentStreams, initialWindowBytes }: Http2Settings) {
    this.#left = connectionWindowBytes;
    this.#creditAt = connectionWindowBytes / 16;
    this.#lendable = connectionWindowBytes - this.#creditAt - maxConcurrentStreams * initialWindowBytes;
  }

  /** @returns false when the peer has sent more than it may */
  receive(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** Bytes that were heard, or that nobody will hear. @returns by how much the window opens again, which the peer must be told; mostly 0 */
  credit(bytes: number): number {
    this.#unreturned += bytes;
    if (this.#unreturned < this.#creditAt) return 0;
    const more = this.#unreturned;
    this.#unreturned = 0;
    this.#left += more;
    return more;
  }

  /** Something for a stream's window. @returns how much of it there is */
  lend(bytes: number): number {
    const lent = Math.max(0, Math.min(bytes, this.#lendable));
    this.#lendable -= lent;
    return lent;
  }

  giveBack(bytes: number): void {
    this.#lendable += bytes;
  }
}
