import type { Socket } from 'node:net';
import type {
  ClientConnection,
  ClientStream,
  ClientStreamEvents,
  RequestHead,
  ResponseHead,
  ServerStream,
  StreamEvents,
} from './codec/stream.ts';
import { ProxyError } from './error.ts';

/**
 * A raw TCP connection as a stream: its bytes are the data, so that TCP takes the same way through routing, policy and
 * tunnels as HTTP does. Back-pressure is the socket's own; one read (64 KB) and one socket buffer are all that is held.
 */
class TcpStream {
  events: StreamEvents = DEAF;
  readonly #socket: Socket;
  readonly #lost: 'DOWNSTREAM_RESET' | 'UPSTREAM_RESET';
  #readEnded = false;
  #endTold = false;
  #first: Buffer | undefined;
  #writeEnded = false;
  #over = false;
  #paused = false;
  #cause: Error | undefined;

  constructor(socket: Socket, lost: 'DOWNSTREAM_RESET' | 'UPSTREAM_RESET') {
    this.#socket = socket;
    this.#lost = lost;
    socket.on('error', (error) => (this.#cause = error));
    socket.on('close', () => this.#onClose());
  }

  /** Begins to read; `first` are bytes that were read already. */
  listen(first: Buffer | undefined): void {
    const socket = this.#socket;
    socket.on('drain', () => {
      if (!this.#over) this.events.onWritable();
    });
    socket.on('end', () => this.#onEnd());
    if (socket.readableEnded) {
      this.#first = first; // the peer's end came while the protocol was detected: all that it said is here
      return void process.nextTick(() => this.#onEnd());
    }
    if (first !== undefined && first.length > 0) socket.unshift(first);
    socket.on('data', (chunk: Buffer) => {
      if (!this.#over) this.events.onData(chunk);
    });
    if (!this.#paused && !this.#over) socket.resume(); // detection has left it paused
  }

  /** A paused socket still tells its end when nothing is left to read; a paused stream does not. */
  #onEnd(): void {
    this.#readEnded = true;
    if (this.#over || this.#paused || this.#endTold) return;
    this.#endTold = true;
    if (this.#first !== undefined && this.#first.length > 0) this.events.onData(this.#first);
    if (!this.#over) this.events.onEnd(undefined);
  }

  sendData(chunk: Buffer): boolean {
    return this.#over || this.#socket.write(chunk);
  }

  sendEnd(): void {
    if (this.#over) return;
    this.#writeEnded = true;
    this.#socket.end();
  }

  /** RST, not FIN: the peer must not take a refusal for an orderly end. */
  reset(_error?: ProxyError): void {
    this.#over = true;
    this.#socket.resetAndDestroy();
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#readEnded) process.nextTick(() => this.#onEnd());
    else if (!this.#socket.destroyed) this.#socket.resume();
  }

  #onClose(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#readEnded && this.#writeEnded && this.#cause === undefined) return;
    this.events.onError(new ProxyError(this.#lost, 'the TCP connection was lost', { cause: this.#cause }));
  }
}

/** An accepted TCP connection. A head that is no 2xx resets it. */
class TcpServerStream extends TcpStream implements ServerStream {
  sendInformational(): void {}

  sendHead(head: ResponseHead): void {
    if (head.status < 200 || head.status > 299) this.reset();
  }

  takeSocket(): undefined {}
}

/** Head that stands for a raw TCP connection. */
export function tcpHead(authority: string): RequestHead {
  return {
    method: 'CONNECT',
    path: '',
    authority,
    scheme: 'http',
    headers: [],
    version: '1.1',
    protocol: undefined,
    destination: undefined,
    contentLength: -1,
  };
}

/**
 * Hands an accepted connection to `handler` as a CONNECT stream, then begins to read it.
 * @param first bytes that were read while the protocol was detected
 */
export function serveTcp(socket: Socket, first: Buffer | undefined, handler: (stream: ServerStream) => void): void {
  const stream = new TcpServerStream(socket, 'DOWNSTREAM_RESET');
  handler(stream);
  stream.listen(first);
}

/** A dialled TCP connection: room for exactly one stream. */
export class TcpConnection implements ClientConnection {
  onChange: () => void = nothing;
  readonly #socket: Socket;
  #opened = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', nothing); // 'close' follows
    socket.once('close', () => this.onChange());
  }

  capacity(): number {
    return this.#opened || this.#socket.destroyed ? 0 : 1;
  }

  get active(): number {
    return this.#opened && !this.#socket.destroyed ? 1 : 0;
  }

  get gone(): boolean {
    return this.#opened || this.#socket.destroyed;
  }

  /** The head stays here; it is answered with 200, because the connection is there. */
  open(_head: RequestHead, endStream: boolean, events: ClientStreamEvents): ClientStream {
    this.#opened = true;
    const stream = new TcpStream(this.#socket, 'UPSTREAM_RESET') as TcpStream & { events: ClientStreamEvents };
    stream.events = events;
    process.nextTick(() => {
      if (!this.#socket.destroyed) stream.events.onHead({ status: 200, headers: [], contentLength: -1 });
      stream.listen(undefined);
    });
    if (endStream) stream.sendEnd();
    return stream;
  }

  drain(): void {
    if (!this.#opened) this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

function nothing(): void {}

const DEAF: StreamEvents = { onData: nothing, onEnd: nothing, onError: nothing, onWritable: nothing };
