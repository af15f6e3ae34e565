import { bytesWaiting, MUCH_WAITS } from './byte-queue.ts';
import type { Http2Settings } from './http2-settings.ts';

/** What streams begin with while much waits in this sidecar, until it is half of that again. */
export const NARROW_BYTES = 16 * 1024;

/**
 * What the peer may send on a connection as a whole. Each stream has its first window of it for sure; the rest is lent to
 * those whose readers keep up, so that however many readers stand still, all streams together cannot fill it.
 */
export class ReceiveWindow {
  #left: number;
  #unreturned = 0;
  /** What streams may get beyond their first window. */
  #lendable: number;
  /** What streams begin with, as far as the peer has been told. */
  first: number;
  readonly #widest: number;
  /** What the peer has been told and has not acknowledged: by how much it changes the windows that it knows. */
  #change = 0;
  /** Our streams up to here were open before that. */
  #changeUpTo = 0;
  /** SETTINGS that the peer has not acknowledged. The first ones leave with the first bytes. */
  #unacknowledged = 1;
  /** Bytes heard after which the window is opened again. */
  readonly #creditAt: number;

  constructor({ connectionWindowBytes, maxConcurrentStreams, initialWindowBytes }: Http2Settings) {
    this.first = this.#widest = initialWindowBytes;
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

  /**
   * Whether a stream should begin with less than it would, or with as much again: however many readers stand still, what
   * waits for them stays within bounds.
   * @param lastOwnStream the highest that we have opened
   * @returns the SETTINGS_INITIAL_WINDOW_SIZE that the peer must be told now; mostly undefined
   */
  adapt(lastOwnStream: number): number | undefined {
    const waiting = bytesWaiting();
    const narrow = this.first < this.#widest;
    if (narrow ? waiting > MUCH_WAITS / 2 : waiting <= MUCH_WAITS) return undefined;
    if (this.#unacknowledged > 0 || this.#widest <= NARROW_BYTES) return undefined;
    const first = narrow ? this.#widest : NARROW_BYTES;
    this.#change = first - this.first;
    this.#changeUpTo = lastOwnStream;
    this.#unacknowledged++;
    this.first = first;
    return first;
  }

  /** The window of a stream that begins. @param ours whether the peer hears of it behind all that it was told, or has not heard yet */
  begin(ours: boolean): number {
    return ours ? this.first : this.first - this.#change;
  }

  /**
   * The peer has acknowledged SETTINGS (RFC 9113 6.5.3).
   * @returns by how much the windows of streams have changed with that, those that it opened and ours up to `upTo`
   */
  acknowledged(): { readonly change: number; readonly upTo: number } {
    if (this.#unacknowledged > 0) this.#unacknowledged--;
    const change = this.#change;
    this.#change = 0;
    return { change, upTo: this.#changeUpTo };
  }
}
