import type { Socket } from 'node:net';
import type { ReasonCode } from '../../mesh/reasons.ts';
import { ProxyError } from '../error.ts';
import type { FloodBudget } from './flood-budget.ts';
import { Http2Connection, type Http2Role } from './http2-connection.ts';
import { MAX_WINDOW, NO_ERROR } from './http2-frames.ts';
import { requestOf } from './http2-head.ts';
import type { Section } from './http2-section.ts';
import { defaultHttp2Settings, type Http2Settings } from './http2-settings.ts';
import { Http2ServerStream } from './http2-server-stream.ts';
import { refuse } from './refuse.ts';
import type { CodecLimits, RequestHandler, ServerConnection } from './stream.ts';
import type { TimerWheel, WheelTimer } from './timer-wheel.ts';

export interface Http2ServerOptions {
  readonly handler: RequestHandler;
  readonly limits: CodecLimits;
  readonly timers: TimerWheel;
  /** Defaults: `defaultHttp2Settings`. */
  readonly settings?: Partial<Http2Settings>;
  /** Bytes already read from the socket while its protocol was detected. */
  readonly firstBytes?: Buffer;
  /** Whether CONNECT without :protocol becomes a tunnel stream (mesh hop, explicit proxy) or 405. Default false. */
  readonly connect?: boolean;
  /** What all connections from the same place may call off together (`StreamAccount`). */
  readonly shared?: FloodBudget;
  /** Told when the peer was sent away (ENHANCE_YOUR_CALM), so that it need not be welcome at once. */
  readonly onSentAway?: () => void;
  /** Told of each request that the codec refused by itself, for logs and metrics. */
  readonly onRefused?: (error: ProxyError) => void;
}

/** Serves HTTP/2 on an accepted socket (plain or TLS with ALPN h2) that nobody else reads. Takes the socket over. */
export function http2Server(socket: Socket, options: Http2ServerOptions): ServerConnection {
  return new Http2ServerConnection(socket, options);
}

/** A peer that does not answer a PING for so long is not waited for. */
const UNHEARD_MS = 1_000;

class Http2ServerConnection implements ServerConnection, Http2Role {
  readonly server = true;
  readonly closed: Promise<void>;
  readonly #options: Http2ServerOptions;
  readonly #settings: Http2Settings;
  readonly #socket: Socket;
  readonly #timer: WheelTimer;
  readonly #unheard: WheelTimer;
  readonly #connection: Http2Connection;
  /** `told`: the peer has been told to open no more, but what it had sent before it heard is still served. */
  #draining: 'no' | 'told' | 'final' = 'no';

  constructor(socket: Socket, options: Http2ServerOptions) {
    this.#options = options;
    this.#socket = socket;
    this.#settings = { ...defaultHttp2Settings, ...options.settings };
    this.#timer = options.timers.timer(() => this.#idle());
    this.#timer.set(options.limits.headTimeoutMs);
    this.#unheard = options.timers.timer(() => this.#finalGoaway());
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    const { limits, timers, shared, firstBytes } = options;
    this.#connection = new Http2Connection(socket, this, {
      limits,
      timers,
      settings: this.#settings,
      shared,
      firstBytes,
    });
  }

  drain(): void {
    if (this.#draining !== 'no' || this.#connection.gone) return;
    // RFC 9113 6.8: one that names no limit, then, when the peer must have heard it, one that does
    this.#draining = 'told';
    this.#connection.sendGoaway(NO_ERROR, MAX_WINDOW);
    this.#connection.sendPing();
    this.#unheard.set(UNHEARD_MS);
  }

  onPong(): void {
    if (this.#draining === 'told') this.#finalGoaway();
  }

  #finalGoaway(): void {
    if (this.#draining === 'final' || this.#connection.gone) return;
    this.#draining = 'final';
    this.#connection.sendGoaway(NO_ERROR);
    this.#finishWhenEmpty();
  }

  destroy(error?: Error): void {
    this.#socket.destroy(error);
  }

  onNewStream(id: number, section: Section | undefined, end: boolean): void {
    const connection = this.#connection;
    const open = connection.streams.size;
    const full = open >= this.#settings.maxConcurrentStreams || !connection.account.mayOpen(open);
    if (full || this.#draining === 'final') return connection.refuseStream(id);
    this.#timer.clear();
    const stream = new Http2ServerStream(connection);
    connection.adaptWindows();
    connection.adopt(stream, id);
    const head = section === undefined ? 'HEAD_TOO_LARGE' : requestOf(section, end, this.#options.limits);
    if (typeof head === 'string') this.#refuse(stream, head);
    else if (head.method === 'CONNECT' && head.protocol === undefined && this.#options.connect !== true) {
      this.#refuse(stream, 'METHOD_NOT_ALLOWED');
    } else {
      stream.begin(head);
      this.#options.handler(head, stream);
    }
    if (end && connection.streams.get(id) === stream) stream.receiveEnd(undefined);
  }

  #refuse(stream: Http2ServerStream, code: ReasonCode): void {
    const error = new ProxyError(code, 'the request breaks RFC 9113');
    refuse(stream, error);
    this.#options.onRefused?.(error);
  }

  /** Requests have one head: what comes behind it are trailers. */
  expectsTrailers(): boolean {
    return true;
  }

  onHead(): boolean {
    return false;
  }

  onPeerSettings(): void {}

  onGoaway(): void {
    this.#draining = 'final';
    this.#finishWhenEmpty();
  }

  onForgotten(): void {
    if (this.#connection.streams.size > 0) return;
    this.#timer.set(this.#options.limits.idleTimeoutMs);
    this.#finishWhenEmpty();
  }

  onGone(): void {
    this.#timer.dispose();
    this.#unheard.dispose();
  }

  onSentAway(): void {
    this.#options.onSentAway?.();
  }

  #finishWhenEmpty(): void {
    if (this.#draining === 'final' && this.#connection.streams.size === 0) this.#connection.finish();
  }

  #idle(): void {
    if (this.#connection.streams.size > 0) return;
    if (this.#connection.peer.seen) this.drain();
    else this.#socket.destroy();
  }
}
