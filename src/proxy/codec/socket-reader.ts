import type { Socket } from 'node:net';

/**
 * What the kernel (or TLS) writes into when a connection has little to say. One for all connections of the event loop:
 * nothing in it outlives the callback that it was filled for.
 */
const SCRATCH = Buffer.allocUnsafeSlow(64 * 1024);
const SLAB_BYTES = 64 * 1024;
/** A read of this size is worth memory of its own: no copy. */
const BULK_BYTES = 8 * 1024;
/** Less room than one TLS record in a slab: take a new one. */
const MIN_ROOM = 16 * 1024;

/**
 * Reads a socket into memory that is already there. A socket that emits 'data' allocates 64 KB for each read, shrinks it,
 * wraps it and passes it through the queue of a Readable: 2.3 microseconds more for a small read than this (measured with
 * an echo server, docs/performance.md). Node has this for sockets that it dials (`onread` of `net.connect`), not for accepted ones, so it is
 * switched on through the properties that `onread` sets; where they are not what we know, 'data' it is.
 */
export class SocketReader {
  readonly #socket: Socket;
  #onBytes: ((bytes: Buffer) => void) | undefined;
  #next: Buffer | undefined = undefined;

  /**
   * From now on all bytes of the socket go to `onBytes`, as with 'data'; each piece is the receiver's own. Pause, resume, end,
   * error and close stay the socket's.
   */
  constructor(socket: Socket, onBytes: (bytes: Buffer) => void) {
    this.#socket = socket;
    this.#onBytes = onBytes;
    if (!useBuffer(socket, this.#filled, this.#supply)) socket.on('data', onBytes);
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

  readonly #filled = (length: number, buffer: Buffer): boolean => {
    let bytes: Buffer;
    if (buffer === SCRATCH) {
      bytes = Buffer.allocUnsafe(length);
      SCRATCH.copy(bytes, 0, 0, length);
      if (length >= BULK_BYTES) this.#next = Buffer.allocUnsafeSlow(SLAB_BYTES);
    } else {
      bytes = buffer.subarray(0, length);
      if (length < BULK_BYTES) this.#next = SCRATCH;
      else if (buffer.length - length >= MIN_ROOM) this.#next = buffer.subarray(length);
      else this.#next = Buffer.allocUnsafeSlow(SLAB_BYTES);
    }
    const receiver = this.#onBytes;
    if (receiver === undefined) return this.#socket.push(bytes);
    receiver(bytes);
    return !this.#socket.isPaused(); // false stops the reading: a resume() that a pause() followed has started it all the same
  };

  /** Where the next read goes; undefined: where the last one went. */
  readonly #supply = (): Buffer | undefined => {
    const next = this.#next;
    this.#next = undefined;
    return next;
  };

  /** Gives the socket back as an ordinary stream, for the next reader. */
  release(): void {
    if (this.#onBytes !== undefined) this.#socket.off('data', this.#onBytes);
    this.#onBytes = undefined;
  }
}

type Filled = (length: number, buffer: Buffer) => boolean;
type Supply = () => Buffer | undefined;

/** What `onread` of Node's net.Socket sets (lib/net.js, since 12.10). */
function useBuffer(socket: Socket, filled: Filled, supply: Supply): boolean {
  const inner = socket as unknown as Record<symbol, unknown> & {
    readonly _handle?: { useUserBuffer?: (buffer: Buffer) => void } | null;
  };
  const symbols = Object.getOwnPropertySymbols(socket);
  const [buffer, callback, generator] = ['kBuffer', 'kBufferCb', 'kBufferGen'].map((name) =>
    symbols.find((symbol) => symbol.description === name),
  );
  const handle = inner._handle;
  if (buffer === undefined || callback === undefined || generator === undefined) return false;
  if (typeof handle?.useUserBuffer !== 'function') return false;
  const already = inner[buffer] !== null; // a socket that was taken back from a tunnel
  if (!already) {
    inner[buffer] = SCRATCH;
    handle.useUserBuffer(SCRATCH);
  }
  inner[callback] = filled;
  inner[generator] = supply;
  return true;
}
