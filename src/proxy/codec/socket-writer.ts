import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { getSystemErrorName } from 'node:util';

/** What Node's own net.Socket writes with (lib/internal/stream_base_commons.js). */
interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  readonly streamBaseState: Int32Array;
  readonly kLastWriteWasAsync: number;
}

interface WriteRequest {
  handle: StreamHandle | undefined;
  oncomplete: (this: WriteRequest, status: number) => void;
  writer: SocketWriter;
  /** Kept alive until the kernel has them. */
  parts: readonly Buffer[] | undefined;
}

interface StreamHandle {
  writeBuffer(request: WriteRequest, bytes: Buffer): number;
  writev(request: WriteRequest, parts: readonly Buffer[], allBuffers: true): number;
}

const BINDING = findBinding();

/**
 * Writes to a socket. For a plain one whose queue is empty that is one call of the kernel: the queue of a Writable, with its
 * state, callbacks and ticks, costs more than it on a small message (docs/performance.md). Where Node's parts are not what
 * we know, or something waits already, it is `socket.write`.
 */
export class SocketWriter {
  readonly #socket: Socket;
  readonly #onRoom: () => void;
  readonly #encrypted: boolean;
  /** One that is not under way. */
  #idle: WriteRequest | undefined = undefined;
  /** Bytes that the kernel did not take at once. */
  #pending = 0;

  /** @param onRoom called when the socket has written what it could not write at once */
  constructor(socket: Socket, onRoom: () => void) {
    this.#socket = socket;
    this.#onRoom = onRoom;
    this.#encrypted = socket instanceof TLSSocket;
    socket.on('drain', onRoom);
  }

  /** Lets go of the socket, for whoever has it next. */
  release(): void {
    this.#socket.off('drain', this.#onRoom);
  }

  /** Bytes that were given to the socket and are not with the kernel; their memory is still read. */
  get unsent(): number {
    return this.#pending + this.#socket.writableLength;
  }

  /** Writes the parts one after the other. They must not change while there is something `unsent`; the list may. */
  write(parts: readonly Buffer[]): void {
    const socket = this.#socket;
    // When it is not writable any more, its error or close event tells who has to know
    if (!socket.writable || parts.length === 0 || this.#writeNow(parts)) return;
    // TLS would copy what comes corked into one piece; for the kernel that is one call instead of several
    const corked = parts.length > 1 && !this.#encrypted;
    if (corked) socket.cork();
    for (let i = 0; i < parts.length; i++) socket.write(parts[i]!);
    if (corked) socket.uncork();
  }

  /** @returns false when nothing was written, because the socket's queue or its state wants to be asked */
  #writeNow(parts: readonly Buffer[]): boolean {
    const socket = this.#socket;
    if (BINDING === undefined || this.#encrypted || socket.connecting || socket.writableLength > 0) return false;
    const { _handle: handle } = socket as { _handle?: StreamHandle | null };
    if (handle === undefined || handle === null) return false;
    const request = this.#idle ?? this.#request();
    request.handle = handle;
    const one = parts.length === 1;
    const failed = one ? handle.writeBuffer(request, parts[0]!) : handle.writev(request, parts, true);
    if (failed !== 0) return false; // and again, so that the socket finds its error itself
    if (BINDING.streamBaseState[BINDING.kLastWriteWasAsync] === 0) this.#idle = request;
    else this.#wait(request, parts);
    return true;
  }

  #request(): WriteRequest {
    const request = new BINDING!.WriteWrap();
    request.writer = this;
    request.oncomplete = onComplete;
    return request;
  }

  #wait(request: WriteRequest, parts: readonly Buffer[]): void {
    this.#idle = undefined;
    request.parts = parts.slice();
    for (let i = 0; i < parts.length; i++) this.#pending += parts[i]!.length;
  }

  completed(request: WriteRequest, status: number): void {
    for (const part of request.parts ?? []) this.#pending -= part.length;
    request.parts = undefined;
    this.#idle = request;
    if (status < 0 && !this.#socket.destroyed) this.#socket.destroy(writeError(status));
    this.#onRoom();
  }
}

function onComplete(this: WriteRequest, status: number): void {
  this.writer.completed(this, status);
}

function writeError(status: number): Error {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`write ${code}`), { errno: status, code, syscall: 'write' });
}

function findBinding(): StreamBinding | undefined {
  try {
    const { binding } = process as unknown as { binding?: (name: string) => Partial<StreamBinding> };
    const { WriteWrap, streamBaseState, kLastWriteWasAsync } = binding?.('stream_wrap') ?? {};
    if (WriteWrap === undefined || streamBaseState === undefined || kLastWriteWasAsync === undefined) return undefined;
    return { WriteWrap, streamBaseState, kLastWriteWasAsync };
  } catch {
    return undefined;
  }
}
