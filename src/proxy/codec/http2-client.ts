import type { Socket } from 'node:net';
import { ProxyError } from '../error.ts';
import { leftBehind } from './http2-errors.ts';
import { Http2Connection, type Http2Role } from './http2-connection.ts';
import { MAX_WINDOW, NO_ERROR } from './http2-frames.ts';
import type { Section } from './http2-section.ts';
import { defaultHttp2Settings, type Http2Settings } from './http2-settings.ts';
import { Http2ClientStream } from './http2-client-stream.ts';
import type { Http2Stream } from './http2-stream.ts';
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

class Http2ClientConnection implements ClientConnection, Http2Role {
  readonly server = false;
  onChange: () => void = () => {};
  active = 0;
  gone = false;
  readonly #socket: Socket;
  readonly #timer: WheelTimer;
  readonly #connection: Http2Connection;
  #nextId = 1;
  /** Extended CONNECTs that wait for the peer's SETTINGS. */
  #waiting: Http2ClientStream[] = [];

  constructor(socket: Socket, options: Http2ClientOptions) {
    const settings = { ...defaultHttp2Settings, ...options.settings };
    this.#socket = socket;
    // A server that never says SETTINGS speaks something else.
    this.#timer = options.timers.timer(() => socket.destroy());
    this.#timer.set(options.limits.headTimeoutMs);
    const { limits, timers } = options;
    this.#connection = new Http2Connection(socket, this, { limits, timers, settings });
  }

  capacity(): number {
    if (this.gone) return 0;
    const { peer, settings } = this.#connection;
    const max = peer.seen ? peer.maxStreams : STREAMS_BEFORE_SETTINGS;
    return Math.max(0, Math.min(max, settings.maxConcurrentStreams) - this.active); // our windows are made for so many
  }

  open(head: RequestHead, endStream: boolean, events: ClientStreamEvents): ClientStream {
    const stream = new Http2ClientStream(this.#connection, head, events);
    const room = this.capacity() > 0;
    this.active++;
    if (!room) failLater(stream, new ProxyError('CONNECT_FAILED', 'the connection takes no more requests'));
    else if (head.protocol === undefined) this.#start(stream, endStream);
    else if (!this.#connection.peer.seen) this.#waiting.push(stream);
    else this.#startExtended(stream);
    return stream;
  }

  drain(): void {
    this.#leave();
    this.#finishWhenEmpty();
  }

  destroy(error?: Error): void {
    this.#socket.destroy(error);
  }

  #start(stream: Http2ClientStream, endStream: boolean): void {
    if (stream.isOver) return;
    this.#connection.adaptWindows();
    const id = this.#nextId;
    if (!this.#connection.sendRequest(id, stream.head, endStream)) {
      return failLater(
        stream,
        new ProxyError('INTERNAL', 'the request cannot be sent: a field of its head is not valid'),
      );
    }
    this.#nextId += 2;
    this.#connection.lastOwnStream = id;
    this.#connection.adopt(stream, id);
    stream.begin(endStream);
    if (this.#nextId > MAX_WINDOW) this.#leave();
  }

  #startExtended(stream: Http2ClientStream): void {
    if (this.#connection.peer.extendedConnect && !this.gone) this.#start(stream, false);
    else failLater(stream, new ProxyError('UPSTREAM_PROTOCOL', 'the server does not know extended CONNECT (RFC 8441)'));
  }

  onNewStream(): void {}

  expectsTrailers(stream: Http2Stream): boolean {
    return (stream as Http2ClientStream).headSeen;
  }

  onHead(stream: Http2Stream, section: Section, end: boolean): boolean {
    return (stream as Http2ClientStream).receiveHead(section, end);
  }

  onPeerSettings(): void {
    this.#timer.clear();
    this.#release();
    this.onChange();
  }

  onPong(): void {}

  onGoaway(lastStream: number): void {
    this.#leave();
    // RFC 9113 6.8: what is above was not and will not be looked at
    for (const stream of this.#connection.streams.list()) {
      if (stream.id > lastStream) stream.fail(leftBehind());
    }
    this.#finishWhenEmpty();
  }

  onForgotten(): void {
    this.active--;
    this.onChange();
    this.#finishWhenEmpty();
  }

  onGone(): void {
    this.#timer.dispose();
    this.#leave();
  }

  onSentAway(): void {}

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const stream of waiting) this.#startExtended(stream);
  }

  #leave(): void {
    if (this.gone) return;
    this.gone = true;
    this.#release();
    this.onChange();
  }

  #finishWhenEmpty(): void {
    if (!this.gone || this.active > 0 || this.#connection.gone) return;
    this.#connection.sendGoaway(NO_ERROR);
    this.#connection.finish();
  }
}

function failLater(stream: Http2ClientStream, error: ProxyError): void {
  process.nextTick(() => stream.fail(error));
}
