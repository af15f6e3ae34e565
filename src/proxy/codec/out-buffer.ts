import type { Socket } from 'node:net';

/** Below this a copy into one buffer is cheaper than a writev of many parts (measured in suites 2.3: about 4 KB). */
const CONCAT_BELOW = 8192;

/** Those that write when the running callback is over. One for the event loop: a tick for each of them costs more than the rest. */
const due: OutBuffer[] = [];

/**
 * Gathers what is written to one socket during a turn of the event loop and writes it at once. Strings are latin1.
 * `flush` writes now; otherwise the end of the turn does.
 */
export class OutBuffer {
  protected readonly socket: Socket;
  protected parts: (string | Buffer)[] = [];
  #bytes = 0;
  #scheduled = false;
  readonly #wholeTurn: boolean;
  readonly #onFlushed: () => void;

  /**
   * @param onFlushed called after each turn's write: what waited for room here may have it now. The socket's 'drain' alone
   * does not tell: it only comes when the socket itself was over its mark, and not when half of the bytes waited here
   * @param wholeTurn whether to wait for all sockets that are readable in this turn: right where many exchanges share the socket;
   * otherwise what one callback has said is written behind it
   */
  constructor(socket: Socket, onFlushed: () => void, wholeTurn = false) {
    this.socket = socket;
    this.#onFlushed = onFlushed;
    this.#wholeTurn = wholeTurn;
  }

  /** Bytes that wait here or in the socket. */
  get waiting(): number {
    return this.#bytes + this.socket.writableLength;
  }

  push(part: string | Buffer): void {
    this.parts.push(part);
    this.grew(part.length);
  }

  /** So many bytes more wait to be written. */
  protected grew(bytes: number): void {
    this.#bytes += bytes;
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (this.#wholeTurn) setImmediate(flushScheduled, this);
    else if (due.push(this) === 1) process.nextTick(flushDue);
  }

  /** Grows with every write: what was pushed before is on its way and cannot be changed any more. */
  flushes = 0;

  /** Everything that waits is in `parts`. */
  protected seal(): void {}

  flush(): void {
    this.seal();
    const parts = this.parts;
    if (parts.length === 0) return;
    this.flushes++;
    const bytes = this.#bytes;
    this.parts = [];
    this.#bytes = 0;
    if (!this.socket.writable) return; // its error or close event tells who has to know
    if (parts.length === 1) this.#write(parts[0]!);
    else if (bytes < CONCAT_BELOW) this.socket.write(joined(parts, bytes));
    else {
      this.socket.cork();
      for (const part of parts) this.#write(part);
      this.socket.uncork();
    }
  }

  /** Forgets what was not written. */
  drop(): void {
    this.parts = [];
    this.#bytes = 0;
  }

  #write(part: string | Buffer): void {
    if (typeof part === 'string') this.socket.write(part, 'latin1');
    else this.socket.write(part);
  }

  /** Called at the end of the turn. */
  endOfTurn(): void {
    this.#scheduled = false;
    this.flush();
    this.#onFlushed();
  }
}

/** What one of them sets off may add others. */
function flushDue(): void {
  for (let i = 0; i < due.length; i++) due[i]!.endOfTurn();
  due.length = 0;
}

function flushScheduled(out: OutBuffer): void {
  out.endOfTurn();
}

function joined(parts: readonly (string | Buffer)[], bytes: number): Buffer {
  const whole = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const part of parts) {
    if (typeof part === 'string') whole.write(part, at, 'latin1');
    else whole.set(part, at);
    at += part.length;
  }
  return whole;
}
