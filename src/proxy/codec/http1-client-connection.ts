import type { Socket } from 'node:net';
import { ProxyError } from '../error.ts';
import { responseAgain } from './again.ts';
import { BodyReader, CHUNKED, UNTIL_CLOSE } from './body-reader.ts';
import { BodyWriter } from './body-writer.ts';
import { bytesWaiting, MUCH_WAITS } from './byte-queue.ts';
import type { ChunkSink } from './chunked.ts';
import { HeldBytes } from './held-bytes.ts';
import { Http1Buffer } from './http1-buffer.ts';
import type { Http1ClientOptions } from './http1-client.ts';
import { Http1ClientStream } from './http1-client-stream.ts';
import { encodeRequest } from './http1-encode.ts';
import { Http1Memo } from './http1-memo.ts';
import type { AskedFor } from './http1-response.ts';
import { ResponseReader } from './http1-response-reader.ts';
import { SocketReader } from './socket-reader.ts';
import type {
  ClientConnection,
  ClientStream,
  ClientStreamEvents,
  CodecLimits,
  Headers,
  RequestHead,
  ResponseHead,
} from './stream.ts';
import type { WheelTimer } from './timer-wheel.ts';
import { fieldValue, removeAccept, websocketAccept, websocketKey } from './websocket-key.ts';

/** What the bytes that come next are. */
type Input =
  | 'idle' // nothing was asked: any byte is poison
  | 'head'
  | 'body'
  | 'done' // the response is over, its end not yet told because the stream is paused
  | 'tunnel';

/** RFC 9110 9.2.2. A server that has closed an idle connection has seen nothing of them, and if it has, it does no harm. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
/** Interim answers to one request; more is a server that never answers. */
const MAX_INFORMATIONAL = 16;

/** One dialled HTTP/1 connection. Never pipelines; is gone as soon as anything about an answer is in doubt. */
export class Http1ClientConnection implements ClientConnection, ChunkSink, AskedFor {
  onChange: () => void = () => {};
  gone = false;
  active = 0;
  /** Of the running request, for the framing of its response. */
  headRequest = false;
  tunnel: string | undefined = undefined;

  readonly #socket: Socket;
  readonly #limits: CodecLimits;
  readonly #timer: WheelTimer;
  readonly #out: Http1Buffer;
  readonly #highWater: number;
  readonly #memo: Http1Memo;
  readonly #responses: ResponseReader;
  readonly #body = new BodyReader();
  readonly #request: BodyWriter;

  #input: Input = 'idle';
  readonly #held = new HeldBytes();
  #processing = false;
  #socketPaused = false;
  #peerEnded = false;
  #draining = false;

  // The exchange that is running.
  #stream: Http1ClientStream | undefined = undefined;
  #paused = false;
  #requestDone = true;
  #blocked = false;
  #informational = 0;
  /** How the body of the response is delimited, and whether the connection may carry another request behind it. */
  #length = 0;
  #persistent = true;
  /** A request that may be sent twice (RFC 9110 9.2.2), on a connection that has served before, unanswered so far. */
  #staleIfLost = false;
  #served = false;
  #ownKey: string | undefined = undefined;
  /** Bytes for a tunnel that is not agreed yet. */
  #early: Buffer[] = [];

  constructor(socket: Socket, options: Http1ClientOptions) {
    this.#socket = socket;
    this.#limits = options.limits;
    this.#memo = options.memo ?? new Http1Memo();
    this.#responses = new ResponseReader(options.limits, this.#memo);
    this.#timer = options.timers.timer(() => this.#fail('the server does not read'));
    this.#out = new Http1Buffer(socket, this.#onDrain);
    this.#request = new BodyWriter(this.#out);
    this.#highWater = Math.max(options.limits.highWaterBytes, socket.writableHighWaterMark);
    socket.allowHalfOpen = true; // tunnels half-close
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError).on('close', this.#onClose);
    // What one read brings waits as a whole when nobody takes it. Always little costs an answer of 64 KB a fifth of its time
    new SocketReader(socket, this.#onData, bytesWaiting() > MUCH_WAITS);
    socket.resume();
  }

  capacity(): number {
    return this.#stream === undefined && !this.gone && !this.#draining ? 1 : 0;
  }

  open(head: RequestHead, endStream: boolean, events: ClientStreamEvents): ClientStream {
    const stream = new Http1ClientStream(this, events);
    if (this.capacity() === 0) {
      failLater(stream, new ProxyError('INTERNAL', 'the connection has no room for a request'));
      return stream;
    }
    const wantsTunnel = head.protocol !== undefined || head.method === 'CONNECT';
    const length = wantsTunnel ? UNTIL_CLOSE : endStream ? 0 : head.contentLength;
    let text: string | Buffer;
    try {
      this.#ownKey = head.protocol !== undefined && lacksKey(head.headers) ? websocketKey() : undefined;
      const said = lengthToSay(head, length);
      if (head.recurring === true && !wantsTunnel) text = this.#memo.request(head, said);
      else text = encodeRequest(head, said, this.#ownKey);
    } catch (error) {
      failLater(stream, new ProxyError('INTERNAL', `the request cannot be sent: ${(error as Error).message}`));
      return stream;
    }
    this.headRequest = head.method === 'HEAD';
    this.tunnel = head.protocol ?? (head.method === 'CONNECT' ? 'CONNECT' : undefined);
    this.#begin(stream, length);
    this.#staleIfLost = this.#served && length === 0 && IDEMPOTENT.has(head.method);
    this.#served = true;
    this.#out.push(text);
    if (this.#requestDone || wantsTunnel) this.#out.flush();
    return stream;
  }

  drain(): void {
    this.#draining = true;
    if (this.#stream === undefined) this.#close();
  }

  destroy(error?: Error): void {
    this.#socket.destroy(error);
  }

  /** Streams of exchanges that are over have no say any more. */
  isCurrent(stream: Http1ClientStream): boolean {
    return this.#stream === stream;
  }

  #begin(stream: Http1ClientStream, length: number): void {
    this.#stream = stream;
    this.active = 1;
    this.#input = 'head';
    this.#paused = this.#blocked = false;
    this.#informational = 0;
    this.#request.start(length);
    this.#requestDone = length === 0;
  }

  // ---- what the socket says

  readonly #onData = (bytes: Buffer): void => {
    if (this.#input === 'idle' || this.#input === 'done')
      return this.#fail('the server sent bytes that no request asked for');
    this.#held.add(bytes);
    this.#staleIfLost = false;
    this.#process();
    this.#held.keep();
  };

  readonly #onEnd = (): void => {
    this.#peerEnded = true;
    this.#process();
  };

  readonly #onDrain = (): void => {
    if (!this.#blocked || this.#out.waiting > this.#highWater) return;
    this.#blocked = false;
    this.#timer.clear();
    this.#stream?.events.onWritable();
  };

  readonly #onError = (error: Error): void => this.#fail('the connection to the server broke', 'UPSTREAM_RESET', error);

  readonly #onClose = (): void => this.#fail('the server closed the connection');

  // ---- reading

  #process(): void {
    if (this.#processing) return;
    this.#processing = true;
    while (this.#step());
    this.#processing = false;
    if (this.gone) return;
    if (this.#peerEnded) this.#ended();
    this.#pauseSocket();
  }

  #step(): boolean {
    if (this.#held.length === 0 || this.gone) return false;
    switch (this.#input) {
      case 'head':
        return this.#readHead();
      case 'body':
        return !this.#paused && this.#readBody();
      case 'tunnel':
        if (!this.#paused) this.#stream?.events.onData(this.#held.takeAll());
        return false;
      case 'idle': // bytes behind the response: whoever is next must not get them
      case 'done':
        this.#fail('the server sent more than one response to a request');
        return false;
    }
  }

  #readHead(): boolean {
    const parsed = this.#responses.read(this.#held, this);
    if (parsed === undefined) {
      const { error } = this.#responses;
      return error !== undefined && this.#protocolError(error);
    }
    const { head } = parsed;
    this.#length = parsed.length;
    this.#persistent = parsed.persistent;
    return head.recurring === true ? this.#begun(responseAgain(head)) : this.#headRead(head);
  }

  #headRead(head: ResponseHead): boolean {
    if (head.status === 101 || (this.tunnel === 'CONNECT' && head.status >= 200 && head.status < 300))
      return this.#switch(head);
    if (head.status < 200) return this.#interim(head);
    return this.#begun(head);
  }

  #interim(head: ResponseHead): boolean {
    if (++this.#informational > MAX_INFORMATIONAL) return this.#protocolError('too many interim responses');
    this.#stream?.events.onInformational(head);
    return true;
  }

  #begun(head: ResponseHead): boolean {
    this.#body.start(this.#length);
    this.#input = this.#body.done ? 'done' : 'body';
    this.#stream?.events.onHead(head);
    this.#tellEnd();
    return true;
  }

  /** 101, or 2xx to CONNECT. Above the codec both framings' tunnels begin with 200. */
  #switch(head: ResponseHead): boolean {
    if (this.#ownKey !== undefined) {
      if (fieldValue(head.headers, 'sec-websocket-accept') !== websocketAccept(this.#ownKey)) {
        return this.#protocolError('101 response with a wrong sec-websocket-accept');
      }
      removeAccept(head.headers);
    }
    head.status = 200;
    head.contentLength = CHUNKED;
    this.#input = 'tunnel';
    this.#body.start(UNTIL_CLOSE);
    this.#stream?.events.onHead(head);
    if (this.#input !== 'tunnel') return false;
    for (const bytes of this.#early) this.#request.data(bytes);
    this.#early = [];
    if (this.#requestDone) this.#endTunnelOut();
    else if (this.#blocked) this.#unblock();
    return true;
  }

  #unblock(): void {
    this.#blocked = false;
    this.#stream?.events.onWritable();
  }

  #readBody(): boolean {
    const held = this.#held.bytes;
    const taken = this.#body.read(held, this);
    if (this.gone || this.#input === 'idle') return false; // whoever heard the piece has ended the exchange
    this.#held.drop(taken);
    if (this.#body.error !== undefined) return this.#protocolError(this.#body.error);
    if (this.#body.done) this.#input = 'done';
    this.#tellEnd();
    return taken > 0;
  }

  /** A piece of the body. */
  onChunk(piece: Buffer): boolean {
    this.#stream?.events.onData(piece);
    return this.#input === 'body' && !this.#paused;
  }

  /** Not while paused: `pause` is exact. */
  #tellEnd(): void {
    if (this.#input !== 'done' || this.#paused || this.gone) return;
    const stream = this.#stream;
    const reusable = this.#persistent && this.#requestDone && !this.#draining && !this.#peerEnded;
    const poisoned = this.#held.length > 0;
    this.#forget();
    // An early response: RFC 9112 9.5 lets us stop sending, and then the framing of what is sent is broken.
    if (!reusable || poisoned) this.#close();
    stream?.events.onEnd(this.#body.trailers);
    this.onChange();
  }

  /** The peer sends no more. */
  #ended(): void {
    switch (this.#input) {
      case 'idle':
        this.#close();
        return this.onChange();
      case 'head':
        return this.#fail('the server closed before it answered');
      case 'body':
        if (this.#held.length > 0) return; // paused
        if (this.#length !== UNTIL_CLOSE) return this.#fail('the server closed in the middle of its response');
        this.#body.done = true;
        this.#input = 'done';
        return this.#tellEnd();
      case 'done':
        return;
      case 'tunnel':
        return this.#endTunnelIn();
    }
  }

  #endTunnelIn(): void {
    if (this.#paused || this.#held.length > 0 || this.#body.done) return;
    this.#body.done = true;
    const stream = this.#stream;
    if (this.#requestDone) this.#forget();
    stream?.events.onEnd(undefined);
  }

  #pauseSocket(): void {
    const wanted = this.#paused && this.#input !== 'idle';
    if (wanted === this.#socketPaused) return;
    this.#socketPaused = wanted;
    if (wanted) this.#socket.pause();
    else this.#socket.resume();
  }

  // ---- what the stream says; only the current one gets here

  sendData(chunk: Buffer): boolean {
    if (this.#requestDone) return true;
    if (this.tunnel !== undefined && this.#input === 'head') {
      this.#early.push(Buffer.from(chunk)); // nothing but the handshake may be sent before the answer
      this.#blocked = true;
      return false;
    }
    if (!this.#request.data(chunk)) {
      this.#fail('the request body is longer than its content-length', 'INTERNAL');
      return true;
    }
    if (this.#out.fits(this.#highWater)) return true;
    this.#blocked = true;
    if (this.tunnel === undefined) this.#timer.set(this.#limits.stallTimeoutMs);
    return false;
  }

  sendEnd(trailers: Headers | undefined): void {
    if (this.#requestDone) return;
    this.#requestDone = true;
    if (this.tunnel !== undefined) {
      if (this.#input === 'tunnel') this.#endTunnelOut();
      return;
    }
    if (!this.#request.end(trailers))
      return this.#fail('the request body is shorter than its content-length', 'INTERNAL');
    this.#out.flush();
  }

  #endTunnelOut(): void {
    this.#out.flush();
    this.#socket.end();
    if (this.#body.done) this.#forget();
  }

  pause(): void {
    this.#paused = true;
    if (!this.#processing) this.#pauseSocket();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    process.nextTick(() => {
      if (this.#paused || this.gone) return;
      this.#tellEnd();
      this.#process();
    });
  }

  reset(): void {
    this.#forget();
    this.#out.drop();
    this.#close();
    this.onChange();
  }

  // ---- ends

  #forget(): void {
    this.#stream = undefined;
    this.active = 0;
    this.#input = 'idle';
    this.#paused = this.#blocked = false;
    this.#early = [];
    this.#timer.clear();
  }

  #protocolError(message: string): false {
    this.#fail(message, 'UPSTREAM_PROTOCOL');
    return false;
  }

  #fail(
    message: string,
    code: 'UPSTREAM_RESET' | 'UPSTREAM_PROTOCOL' | 'INTERNAL' = 'UPSTREAM_RESET',
    cause?: unknown,
  ): void {
    const stream = this.#stream;
    const stale = this.#staleIfLost && code === 'UPSTREAM_RESET';
    this.#forget();
    const first = !this.gone;
    this.#close();
    stream?.events.onError(new ProxyError(code, message, { cause, stale }));
    if (first) this.onChange();
  }

  /** Nothing that we have to say or to hear is left. */
  #close(): void {
    this.gone = true;
    this.#timer.dispose();
    this.#held.clear();
    this.#socket.destroy();
  }
}

function lacksKey(headers: Headers): boolean {
  return fieldValue(headers, 'sec-websocket-key') === undefined;
}

/** A request without a body says so only when the client did: `content-length: 0` on POST and the like. */
function lengthToSay(head: RequestHead, length: number): number | undefined {
  if (length !== 0) return length;
  return fieldValue(head.headers, 'content-length') === undefined ? undefined : 0;
}

function failLater(stream: Http1ClientStream, error: ProxyError): void {
  process.nextTick(() => stream.events.onError(error));
}
