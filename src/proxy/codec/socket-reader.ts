import type { Socket } from 'node:net';
import { tell } from './out-buffer.ts';

/**
 * What the kernel (or TLS) writes into: one for all connections of the event loop. Nothing in it outlives the callback that it was
 * filled for. Memory of its own for each read of bulk was tried: 64 KB at a time that only the garbage collector gives back
 * took a fifth of the time of a TCP download, and slices of it kept all of it alive.
 */
const SCRATCH = Buffer.allocUnsafeSlow(64 * 1024);
/** The same memory. */
const LITTLE = SCRATCH.subarray(0, 16 * 1024);

/**
 * Reads a socket into memory that is already there. A socket that emits 'data' allocates 64 KB for each read, shrinks it,
 * wraps it and passes it through the queue of a Readable: 2.3 microseconds more for a small read than this (measured with
 * an echo server, docs/performance.md). Node has this for sockets that it dials (`onread` of `net.connect`), not for accepted ones, so it is
 * switched on through the properties that `onread` sets; where they are not what we know, 'data' it is.
 */
export class SocketReader {
  readonly #socket: Socket;
  #onBytes: ((bytes: Buffer) => void) | undefined;

  /**
   * From now on all bytes of the socket go to `onBytes`, as with 'data', but they are only lent: the next read of any connection
   * overwrites them, so what is needed after `onBytes` has returned must be copied. Pause, resume, end, error and
   * close stay the socket's.
   * @param little read 16 KB at a time instead of 64
   */
  constructor(socket: Socket, onBytes: (bytes: Buffer) => void, little = false) {
    this.#socket = socket;
    this.#onBytes = onBytes;
    if (!useBuffer(socket, little ? LITTLE : SCRATCH, this.#filled)) socket.on('data', onBytes);
    else if (socket.readableLength > 0) this.#tellBuffered();
  }

  /** Whoever had the socket before may have left bytes in it. Told before an 'end' that reading them may bring. */
  #tellBuffered(): void {
    let left: Buffer | null = null;
    process.nextTick(() => {
      if (left !== null) this.#onBytes?.(left);
    });
    left = this.#socket.read() as Buffer | null;
  }

  readonly #filled = (length: number): boolean => {
    const bytes = SCRATCH.subarray(0, length);
    const receiver = this.#onBytes;
    if (receiver === undefined) return this.#socket.push(Buffer.from(bytes));
    tell(receiver, bytes);
    return !this.#socket.isPaused(); // false stops the reading: a resume() that a pause() followed has started it all the same
  };

  /** Gives the socket back as an ordinary stream, for the next reader. */
  release(): void {
    if (this.#onBytes !== undefined) this.#socket.off('data', this.#onBytes);
    this.#onBytes = undefined;
  }
}

type Filled = (length: number) => boolean;

/** What `onread` of Node's net.Socket sets (lib/net.js, since 12.10). */
function useBuffer(socket: Socket, memory: Buffer, filled: Filled): boolean {
  const inner = socket as unknown as Record<symbol, unknown> & {
    readonly _handle?: { useUserBuffer?: (buffer: Buffer) => void } | null;
  };
  const symbols = Object.getOwnPropertySymbols(socket);
  const [buffer, callback] = ['kBuffer', 'kBufferCb'].map((name) =>
    symbols.find((symbol) => symbol.description === name),
  );
  const handle = inner._handle;
  if (buffer === undefined || callback === undefined) return false;
  if (typeof handle?.useUserBuffer !== 'function') return false;
  const already = inner[buffer] !== null; // a socket that was taken back from a tunnel
  if (!already) {
    inner[buffer] = memory;
    handle.useUserBuffer(memory);
  }
  inner[callback] = filled;
  return true;
}
