import { connect, type ClientHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { ProxyError } from '../error.ts';
import { Http2ClientStream } from './http2-client-stream.ts';
import { defaultHttp2Settings, sessionOptions, type Http2Settings } from './http2-settings.ts';
import type { ClientConnection, ClientStream, ClientStreamEvents, CodecLimits, RequestHead } from './stream.ts';
import type { TimerWheel, WheelTimer } from './timer-wheel.ts';

export interface Http2ClientOptions {
  readonly limits: CodecLimits;
  readonly timers: TimerWheel;
  /** Defaults: `defaultHttp2Settings`. */
  readonly settings?: Partial<Http2Settings>;
}

/**
 * Speaks HTTP/2 as a client on a connected socket (plain, or TLS with ALPN h2). Requests may be opened at once, before the
 * peer's SETTINGS have come; extended CONNECT waits for them inside of the codec.
 */
export function http2Client(socket: Socket, options: Http2ClientOptions): ClientConnection {
  return new Http2ClientConnection(socket, options);
}

/** Assumed until the peer's SETTINGS say otherwise. */
const STREAMS_BEFORE_SETTINGS = 100;

class Http2ClientConnection implements ClientConnection {
  onChange: () => void = () => {};
  active = 0;
  readonly #session: ClientHttp2Session;
  readonly #timer: WheelTimer;
  #maxStreams = STREAMS_BEFORE_SETTINGS;
  #extended: 'unknown' | 'yes' | 'no' = 'unknown';
  /** Extended CONNECTs that wait for the peer's SETTINGS. */
  #waiting: (() => void)[] = [];
  #gone = false;

  constructor(socket: Socket, options: Http2ClientOptions) {
    const settings = { ...defaultHttp2Settings, ...options.settings };
    socket.on('error', () => {}); // the session hears of it as well, and its streams
    socket.allowHalfOpen = false; // HTTP/2 knows no half-open connection: without this a FIN would go unnoticed
    const session = connect('http://peer', {
      ...sessionOptions(settings, options.limits),
      peerMaxConcurrentStreams: STREAMS_BEFORE_SETTINGS,
      createConnection: () => socket,
    });
    this.#session = session;
    session.on('connect', () => session.setLocalWindowSize(settings.connectionWindowBytes));
    session.on('error', () => session.destroy());
    session.on('goaway', () => this.#leave());
    session.on('close', () => {
      this.#timer.dispose();
      this.#leave();
      socket.destroy();
    });
    session.on('remoteSettings', (remote) => {
      this.#timer.clear();
      this.#maxStreams = remote.maxConcurrentStreams ?? Infinity;
      this.#extended = remote.enableConnectProtocol === true ? 'yes' : 'no';
      this.#release();
      this.onChange();
    });
    // A server that never says SETTINGS speaks something else.
    this.#timer = options.timers.timer(() => session.destroy());
    this.#timer.set(options.limits.headTimeoutMs);
  }

  get gone(): boolean {
    return this.#gone;
  }

  capacity(): number {
    return this.#gone ? 0 : Math.max(0, this.#maxStreams - this.active);
  }

  open(head: RequestHead, endStream: boolean, events: ClientStreamEvents): ClientStream {
    const stream = new Http2ClientStream(head, events, () => {
      this.active--;
      this.onChange();
    });
    const ready = this.capacity() > 0;
    this.active++;
    if (!ready) stream.fail(new ProxyError('CONNECT_FAILED', 'the connection takes no more requests'));
    else if (head.protocol === undefined) stream.start(this.#session, endStream);
    else if (this.#extended === 'unknown') this.#waiting.push(() => this.#startExtended(stream));
    else this.#startExtended(stream);
    return stream;
  }

  drain(): void {
    this.#leave();
    this.#session.close();
  }

  destroy(error?: Error): void {
    this.#session.destroy(error);
  }

  #startExtended(stream: Http2ClientStream): void {
    if (this.#extended === 'yes' && !this.#gone) stream.start(this.#session, false);
    else stream.fail(new ProxyError('UPSTREAM_PROTOCOL', 'the server does not know extended CONNECT (RFC 8441)'));
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const start of waiting) start();
  }

  #leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#release();
    this.onChange();
  }
}
