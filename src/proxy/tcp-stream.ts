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
import { OutBuffer } from './codec/out-buffer.ts';
import { SocketReader } from './codec/socket-reader.ts';
import { ProxyError } from './error.ts';

/**
 * What may wait to be written before the other side has to pause: what one turn of the event loop brings in bulk, so that
 * it leaves with one system call.
 */
const HIGH_WATER_BYTES = 256 * 1024;

/**
 * A raw TCP connection as a stream: its bytes are the data, so that TCP takes the same way through routing, policy and
 * tunnels as HTTP does. What one turn of the event loop brings is written at once. Held are one read (64 KB), what waits
 * below the mark, and one socket buffer.
 */
class TcpStream {
  events: StreamEvents = DEAF;
  readonly #socket: Socket;
  readonly #lost: 'DOWNSTREAM_RESET' | 'UPSTREAM_RESET';
  readonly #out: OutBuffer;
  #readEnded = false;
  #endTold = false;
  /** Was read before somebody listened, or while they could not. */
  #first: Buffer | undefined;
  #writeEnded = false;
  #over = false;
  #paused = false;
  #blocked = false;
  #cause: Error | undefined;

  constructor(socket: Socket, lost: 'DOWNSTREAM_RESET' | 'UPSTREAM_RESET') {
    this.#socket = socket;
    this.#lost = lost;
    this.#out = new OutBuffer(socket, () => this.#unblock(), true);
    socket.on('error', (error) => (this.#cause = error));
    socket.on('close', () => this.#onClose());
  }

  /** Begins to read; `first` are bytes that were read already. */
  listen(first: Buffer | undefined): void {
    const socket = this.#socket;
    if (first !== undefined && first.length > 0) this.#first = first;
    socket.on('end', () => this.#onEnd());
    // The peer's end may have come while the protocol was detected: then all that it said is here
    if (socket.readableEnded) return void process.nextTick(() => this.#onEnd());
    new SocketReader(socket, this.#onData);
    if (this.#first === undefined) this.#flow();
    else process.nextTick(() => this.#flow());
  }

  readonly #onData = (bytes: Buffer): void => {
    if (this.#over) return;
    if (this.#paused || this.#first !== undefined) {
      this.#first = this.#first === undefined ? Buffer.from(bytes) : Buffer.concat([this.#first, bytes]);
    } else this.events.onData(bytes);
  };

  /** What was read comes first, then the socket; detection has left it paused. */
  #flow(): void {
    if (this.#over || this.#paused) return;
    this.#tellFirst();
    if (this.#over || this.#paused) return;
    if (this.#readEnded) this.#onEnd();
    else if (!this.#socket.destroyed) this.#socket.resume();
  }

  #tellFirst(): void {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) this.events.onData(first);
  }

  /** A paused socket still tells its end when nothing is left to read; a paused stream does not. */
  #onEnd(): void {
    this.#readEnded = true;
    if (this.#over || this.#paused || this.#endTold) return;
    this.#endTold = true;
    this.#tellFirst();
    if (!this.#over) this.events.onEnd(undefined);
  }

  sendData(chunk: Buffer): boolean {
    if (this.#over) return true;
    this.#out.push(chunk);
    if (this.#out.waiting <= HIGH_WATER_BYTES) return true;
    this.#blocked = true;
    return false;
  }

  #unblock(): void {
    if (!this.#blocked || this.#over || this.#out.waiting > HIGH_WATER_BYTES) return;
    this.#blocked = false;
    this.events.onWritable();
  }

  sendEnd(): void {
    if (this.#over) return;
    this.#writeEnded = true;
    this.#out.flush();
    this.#socket.end();
  }

  /** RST, not FIN: the peer must not take a refusal for an orderly end. */
  reset(_error?: ProxyError): void {
    this.#over = true;
    this.#out.drop();
    this.#socket.resetAndDestroy();
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#readEnded || this.#first !== undefined) process.nextTick(() => this.#flow());
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
