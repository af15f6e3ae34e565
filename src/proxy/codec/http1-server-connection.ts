import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ReasonCode } from '../../mesh/reasons.ts';
import { ProxyError } from '../error.ts';
import { requestAgain } from './again.ts';
import { BodyReader, CHUNKED, UNTIL_CLOSE } from './body-reader.ts';
import { BodyWriter } from './body-writer.ts';
import type { ChunkSink } from './chunked.ts';
import { HeldBytes } from './held-bytes.ts';
import { Http1Buffer } from './http1-buffer.ts';
import { encodeInformational, encodeResponse, encodeSwitch } from './http1-encode.ts';
import { Http1Memo, type ParsedRequest } from './http1-memo.ts';
import { RequestReader } from './http1-request-reader.ts';
import type { Http1ServerOptions } from './http1-server.ts';
import { Http1ServerStream } from './http1-server-stream.ts';
import { refusalBody, refusalHead } from './refuse.ts';
import { SocketReader } from './socket-reader.ts';
import type {
  CodecLimits,
  Headers,
  RequestHandler,
  RequestHead,
  ResponseHead,
  ServerConnection,
  TakenSocket,
} from './stream.ts';
import type { WheelTimer } from './timer-wheel.ts';
import { missingAccept } from './websocket-key.ts';

/** What the bytes that come next are. */
type Input =
  | 'head'
  | 'body'
  | 'wait' // request is complete, or its tunnel not yet agreed: bytes are held until the response is over
  | 'tunnel'
  | 'discard' // the response is over before its request: what is left of the body is read and dropped
  | 'closing'; // we said what we had to say and wait for the peer to close

/** Left-over request bodies up to here are read so that the connection lives; beyond, closing is cheaper. */
const MAX_DISCARD = 64 * 1024;
/** How long a client that has half-closed may wait for more: most have gone altogether, `nc -N` has not. */
const HALF_CLOSED_MS = 5_000;
/** So that the peer reads our last words before a reset would destroy them (RFC 9112 9.6). */
const LINGER_MS = 2_000;

/**
 * One accepted HTTP/1 connection: reads a request, hands it out as a stream, writes its response, goes on to the next.
 * Pipelined requests wait in `#held`, at most one read of the socket, which is paused meanwhile.
 */
export class Http1ServerConnection implements ServerConnection, ChunkSink {
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #reader: SocketReader;
  readonly #handler: RequestHandler;
  readonly #limits: CodecLimits;
  readonly #onRefused: ((error: ProxyError) => void) | undefined;
  readonly #timer: WheelTimer;
  readonly #out: Http1Buffer;
  readonly #highWater: number;
  readonly #memo: Http1Memo;
  readonly #requests: RequestReader;
  readonly #body = new BodyReader();
  readonly #answer: BodyWriter;
  #resolveClosed: () => void = () => {};

  #input: Input = 'head';
  /** Bytes read and not yet taken. */
  readonly #held: HeldBytes;
  #discarded = 0;
  #processing = false;
  #socketPaused = false;
  #peerEnded = false;
  #draining = false;
  #gone = false;

  // The exchange that is running.
  #stream: Http1ServerStream | undefined = undefined;
  #head: RequestHead | undefined = undefined;
  #paused = false;
  /** The stream has heard `onEnd`. */
  #endTold = true;
  #headSent = false;
  #bodiless = false;
  #mayPersist = true;
  #expects = false;
  #outEnded = false;
  #blocked = false;

  constructor(socket: Socket, options: Http1ServerOptions) {
    const { limits, scheme = 'http', explicitProxy = false } = options;
    this.#socket = socket;
    this.#handler = options.handler;
    this.#limits = limits;
    this.#onRefused = options.onRefused;
    this.#memo = options.memo ?? new Http1Memo();
    this.#requests = new RequestReader({ limits, scheme, explicitProxy }, this.#memo);
    this.#timer = options.timers.timer(() => this.#onTimeout());
    this.#out = new Http1Buffer(socket, this.#onDrain);
    this.#answer = new BodyWriter(this.#out);
    // Below the socket's own mark there would be no `drain` event to wait for.
    this.#highWater = Math.max(limits.highWaterBytes, socket.writableHighWaterMark);
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    socket.allowHalfOpen = true; // an ended request still gets its answer, and tunnels half-close
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError).on('close', this.#onClose);
    this.#timer.set(limits.headTimeoutMs);
    this.#held = new HeldBytes(options.firstBytes);
    if (this.#held.length > 0) process.nextTick(() => this.#process());
    this.#reader = new SocketReader(socket, this.#onData);
    socket.resume(); // whoever detected the protocol may have paused it
  }

  drain(): void {
    this.#draining = true;
    if (this.#input === 'head' && this.#held.length === 0) this.#endGently();
  }

  destroy(error?: Error): void {
    this.#socket.destroy(error);
  }

  /** Streams of exchanges that are over have no say any more. */
  isCurrent(stream: Http1ServerStream): boolean {
    return this.#stream === stream;
  }

  // ---- what the socket says

  readonly #onData = (bytes: Buffer): void => {
    if (this.#gone || this.#input === 'closing') return;
    this.#held.add(bytes);
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
    this.#watch();
    this.#stream?.events.onWritable();
  };

  readonly #onError = (error: Error): void => {
    this.#fail(new ProxyError('DOWNSTREAM_RESET', 'the connection to the client broke', { cause: error }));
  };

  readonly #onClose = (): void => {
    this.#fail(new ProxyError('DOWNSTREAM_RESET', 'the client closed the connection'));
    this.#resolveClosed();
  };

  #onTimeout(): void {
    if (this.#stream !== undefined) {
      this.#fail(new ProxyError('DOWNSTREAM_RESET', 'the client neither sends nor reads'));
    } else if (this.#input !== 'head') {
      this.#socket.destroy();
    } else if (this.#held.length > 0) {
      this.#refuse('REQUEST_TIMEOUT', `no complete head within ${this.#limits.headTimeoutMs} ms`);
    } else this.#endGently();
  }

  // ---- reading

  /** Takes from what is held as far as the state allows. A loop, not recursion, goes on to a pipelined request. */
  #process(): void {
    if (this.#processing) return;
    this.#processing = true;
    while (this.#step());
    this.#processing = false;
    if (this.#gone) return;
    if (this.#peerEnded) this.#ended();
    this.#out.flush();
    this.#pauseSocket();
  }

  /** @returns whether there may be more to take */
  #step(): boolean {
    if (this.#held.length === 0 || this.#gone) return false;
    switch (this.#input) {
      case 'head':
        return this.#readHead();
      case 'body':
        return !this.#paused && this.#readBody();
      case 'discard':
        return this.#readBody();
      case 'tunnel':
        if (!this.#paused) this.#stream?.events.onData(this.#held.takeAll());
        return false;
      case 'closing':
        this.#held.clear();
        return false;
      case 'wait':
        return false;
    }
  }

  #readHead(): boolean {
    const { begun } = this.#requests;
    const parsed = this.#requests.read(this.#held);
    if (parsed !== undefined) {
      const { head } = parsed;
      this.#begin(head.recurring === true ? requestAgain(head) : head, parsed);
      return true;
    }
    const { refusal } = this.#requests;
    if (refusal !== undefined) this.#refuse(refusal.code, refusal.message);
    else if (!begun) this.#timer.set(this.#limits.headTimeoutMs); // from the first byte, not from the last
    return false;
  }

  #begin(head: RequestHead, { mayPersist, expects }: ParsedRequest): void {
    const tunnel = head.protocol !== undefined || head.method === 'CONNECT';
    const stream = new Http1ServerStream(this);
    this.#stream = stream;
    this.#head = head;
    this.#paused = this.#headSent = this.#bodiless = this.#outEnded = this.#blocked = false;
    this.#endTold = false;
    this.#mayPersist = mayPersist;
    this.#expects = expects;
    this.#body.start(head.contentLength);
    this.#input = tunnel || this.#body.done ? 'wait' : 'body';
    this.#watch();
    this.#handler(head, stream);
    if (!tunnel && this.#stream === stream) this.#tellEnd();
  }

  #readBody(): boolean {
    const stream = this.#stream;
    const held = this.#held.bytes;
    const taken = this.#body.read(held, this);
    if (this.#gone || this.#input === 'closing') return false; // the handler did that
    this.#held.drop(taken);
    if (this.#body.error !== undefined) {
      this.#refuse('BAD_REQUEST', this.#body.error);
      return false;
    }
    if (this.#input === 'discard') this.#checkDiscarded(taken);
    else if (this.#stream === stream) {
      if (this.#body.done) this.#input = 'wait';
      this.#watch();
      this.#tellEnd();
    }
    return taken > 0;
  }

  /** A piece of the body; the exchange may have ended while the piece before was handled. */
  onChunk(piece: Buffer): boolean {
    if (this.#input !== 'body') return this.#input === 'discard';
    if (this.#body.done) this.#input = 'wait';
    this.#stream?.events.onData(piece);
    return this.#input === 'body' && !this.#paused;
  }

  /** Not while paused: `pause` is exact. */
  #tellEnd(): void {
    if (this.#endTold || this.#paused || !this.#body.done) return;
    this.#endTold = true;
    this.#stream?.events.onEnd(this.#body.trailers);
  }

  #checkDiscarded(taken: number): void {
    this.#discarded += taken;
    if (this.#body.done) this.#next();
    else if (this.#discarded > MAX_DISCARD) this.#endGently();
  }

  /** The peer sends no more. Called after each step of progress until that means something. */
  #ended(): void {
    switch (this.#input) {
      case 'closing':
        return; // our side has ended; Node makes an error with a stack of a second end
      case 'head':
      case 'discard':
        this.#endGently();
        return;
      case 'body':
        if (this.#held.length > 0) return; // paused; it may be complete yet
        return this.#fail(new ProxyError('DOWNSTREAM_RESET', 'the client closed in the middle of its request'));
      case 'wait':
        return this.#watch();
      case 'tunnel':
        if (this.#endTold || this.#paused || this.#held.length > 0) return;
        this.#endTold = true;
        this.#stream?.events.onEnd(undefined);
        if (this.#outEnded) this.#forget();
        return;
    }
  }

  /** Stops reading while nobody wants the bytes; but not merely because a response is due: a lost client must show. */
  #pauseSocket(): void {
    const stuck = this.#held.length > 0 && this.#input !== 'head' && this.#input !== 'closing';
    const wanted = stuck || (this.#paused && (this.#input === 'body' || this.#input === 'tunnel'));
    if (wanted === this.#socketPaused) return;
    this.#socketPaused = wanted;
    if (wanted) this.#socket.pause();
    else this.#socket.resume();
  }

  /** The clock runs only while the peer owes us something, or may have gone. */
  #watch(): void {
    if (this.#input === 'tunnel') this.#timer.clear();
    else if (this.#blocked || (this.#input === 'body' && !this.#paused)) this.#timer.set(this.#limits.stallTimeoutMs);
    else if (this.#peerEnded) this.#timer.set(HALF_CLOSED_MS);
    else this.#timer.clear();
  }

  // ---- what the stream says; only the current one gets here

  sendInformational(head: ResponseHead): void {
    if (this.#headSent || this.#head?.version === '1.0' || head.status === 101) return;
    this.#out.push(encodeInformational(head));
  }

  sendHead(head: ResponseHead): void {
    if (this.#headSent) return;
    try {
      this.#headSent = true;
      this.#encodeHead(head, this.#head!);
    } catch (error) {
      this.#headSent = false; // nothing of it was written
      this.#refuse('INTERNAL', `the response head cannot be sent: ${(error as Error).message}`);
    }
  }

  #encodeHead(head: ResponseHead, request: RequestHead): void {
    const wantsTunnel = request.protocol !== undefined || request.method === 'CONNECT';
    if (wantsTunnel && head.status < 300) return this.#openTunnel(head, request);
    // A refused tunnel: the client may have sent its bytes already, and nobody can tell them from a request.
    if (wantsTunnel || this.#draining) this.#mayPersist = false;
    this.#bodiless = request.method === 'HEAD' || head.status === 204 || head.status === 304;
    const unknown = request.version === '1.0' ? UNTIL_CLOSE : CHUNKED;
    const length = this.#bodiless ? 0 : head.contentLength === CHUNKED ? unknown : head.contentLength;
    if (length === UNTIL_CLOSE) this.#mayPersist = false;
    const persistence = !this.#mayPersist ? 'close' : request.version === '1.0' ? 'keep-alive' : 'default';
    const said = this.#bodiless ? undefined : length;
    this.#out.push(
      head.recurring === true ? this.#memo.response(head, said, persistence) : encodeResponse(head, said, persistence),
    );
    this.#answer.start(length);
  }

  #openTunnel(head: ResponseHead, request: RequestHead): void {
    if (request.protocol === undefined) this.#out.push(encodeResponse(head, UNTIL_CLOSE, 'default'));
    else this.#out.push(encodeSwitch(head, request.protocol, missingAccept(request.headers, head.headers)));
    this.#answer.start(UNTIL_CLOSE);
    this.#mayPersist = false;
    this.#input = 'tunnel';
    this.#watch();
    process.nextTick(() => this.#process()); // bytes that came behind the request
  }

  sendData(chunk: Buffer): boolean {
    if (!this.#headSent || this.#bodiless) return true;
    if (!this.#answer.data(chunk)) {
      this.reset();
      return true;
    }
    if (this.#out.fits(this.#highWater)) {
      if (this.#peerEnded) this.#watch();
      return true;
    }
    this.#blocked = true;
    this.#watch();
    return false;
  }

  sendEnd(trailers: Headers | undefined): void {
    if (!this.#headSent || !this.#answer.end(trailers)) return this.reset();
    if (this.#input === 'tunnel') {
      this.#outEnded = true;
      this.#out.flush();
      this.#socket.end();
      if (this.#endTold) this.#forget();
      return;
    }
    this.#forget();
    if (!this.#mayPersist || this.#draining) this.#endGently();
    else if (this.#body.done) this.#next();
    // A client that waits for 100 Continue may or may not send its body after a final answer: not to be guessed.
    else if (this.#expects || this.#body.left > MAX_DISCARD) this.#endGently();
    else {
      this.#input = 'discard';
      this.#discarded = 0;
      this.#timer.set(this.#limits.headTimeoutMs);
    }
    this.#process();
  }

  #next(): void {
    this.#input = 'head';
    const { headTimeoutMs, idleTimeoutMs } = this.#limits;
    this.#timer.set(this.#held.length > 0 ? headTimeoutMs : idleTimeoutMs);
  }

  #forget(): void {
    this.#stream = undefined;
    this.#head = undefined;
    this.#paused = false;
    this.#blocked = false;
  }

  pause(): void {
    this.#paused = true;
    this.#watch();
    if (!this.#processing) this.#pauseSocket();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#watch();
    process.nextTick(() => {
      if (this.#gone || this.#paused) return;
      const head = this.#head; // a tunnel that is not agreed yet has no end either
      if (head?.protocol === undefined && head?.method !== 'CONNECT') this.#tellEnd();
      this.#process();
    });
  }

  reset(): void {
    this.#forget();
    this.#gone = true;
    this.#timer.dispose();
    this.#out.drop();
    if (this.#socket instanceof TLSSocket) this.#socket.destroy();
    else this.#socket.resetAndDestroy(); // a FIN would look like the end of a body that is read until close
  }

  takeSocket(): TakenSocket | undefined {
    if (this.#input !== 'tunnel' || this.#head?.method !== 'CONNECT') return undefined;
    const socket = this.#socket;
    this.#out.flush();
    this.#forget();
    this.#gone = true;
    this.#timer.dispose();
    this.#reader.release();
    this.#out.release();
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onError).off('close', this.#onClose);
    socket.pause();
    this.#resolveClosed();
    return { socket, firstBytes: Buffer.from(this.#held.takeAll()) };
  }

  // ---- ends

  /** Answers a request that breaks the protocol, as far as an answer is still possible, and closes. */
  #refuse(code: ReasonCode, message: string): void {
    const error = new ProxyError(code, message);
    const stream = this.#stream;
    const answered = stream !== undefined && this.#headSent;
    const headOnly = this.#head?.method === 'HEAD';
    this.#forget();
    this.#onRefused?.(error);
    stream?.events.onError(error);
    if (answered) return this.reset();
    const body = refusalBody(error);
    this.#out.push(encodeResponse(refusalHead(code, body.length), body.length, 'close'));
    if (!headOnly) this.#out.push(body);
    this.#endGently();
  }

  /** The connection is of no more use: tells the exchange, if one is running. */
  #fail(error: ProxyError): void {
    this.#gone = true;
    this.#timer.dispose();
    const stream = this.#stream;
    this.#forget();
    this.#socket.destroy();
    stream?.events.onError(error);
  }

  /** Sends what is queued, ends our side and gives the peer time to read it. */
  #endGently(): void {
    this.#held.clear();
    this.#out.flush();
    this.#socket.end();
    if (this.#input !== 'closing') this.#timer.set(LINGER_MS);
    this.#input = 'closing';
  }
}
