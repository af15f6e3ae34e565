import { performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { ReasonCode } from '../../mesh/reasons.ts';
import { ProxyError } from '../error.ts';
import { requestFromFields } from './http2-head.ts';
import { Http2ServerStream } from './http2-server-stream.ts';
import { defaultHttp2Settings, sessionOptions, type Http2Settings } from './http2-settings.ts';
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
  /** Told of each request that the codec refused by itself, for logs and metrics. */
  readonly onRefused?: (error: ProxyError) => void;
}

/** Serves HTTP/2 on an accepted socket (plain or TLS with ALPN h2) that nobody else reads. Takes the socket over. */
export function http2Server(socket: Socket, options: Http2ServerOptions): ServerConnection {
  return new Http2ServerConnection(socket, options);
}

class Http2ServerConnection implements ServerConnection {
  readonly closed: Promise<void>;
  readonly #session: ServerHttp2Session;
  readonly #options: Http2ServerOptions;
  readonly #timer: WheelTimer;
  #active = 0;

  constructor(socket: Socket, options: Http2ServerOptions) {
    this.#options = options;
    const settings = { ...defaultHttp2Settings, ...options.settings };
    socket.on('error', () => {}); // the session hears of it as well, and its streams
    socket.allowHalfOpen = false; // HTTP/2 knows no half-open connection: without this a FIN would go unnoticed
    socket.pause(); // the session reads the handle; what was read before it takes from the socket's buffer
    if (options.firstBytes !== undefined && options.firstBytes.length > 0) socket.unshift(options.firstBytes);
    const session = performServerHandshake(socket, sessionOptions(settings, options.limits));
    this.#session = session;
    this.#timer = options.timers.timer(() => (this.#active === 0 ? session.close() : undefined));
    this.#timer.set(options.limits.headTimeoutMs);
    session.setLocalWindowSize(settings.connectionWindowBytes);
    session.on('stream', (stream, _headers, flags, raw) => this.#begin(stream, flags, raw));
    session.on('error', () => session.destroy());
    this.closed = new Promise((resolve) => {
      session.on('close', () => {
        this.#timer.dispose();
        socket.destroy();
        resolve();
      });
    });
  }

  drain(): void {
    this.#session.close();
  }

  destroy(error?: Error): void {
    this.#session.destroy(error);
  }

  #begin(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    this.#active++;
    this.#timer.clear();
    stream.on('close', () => {
      if (--this.#active === 0) this.#timer.set(this.#options.limits.idleTimeoutMs);
    });
    const endStream = (flags & 1) !== 0;
    const head = requestFromFields(raw, endStream, this.#options.limits);
    if (typeof head === 'string') return this.#refuse(stream, head);
    if (head.method === 'CONNECT' && head.protocol === undefined && this.#options.connect !== true) {
      return this.#refuse(stream, 'METHOD_NOT_ALLOWED');
    }
    const wrapped = new Http2ServerStream(stream, head);
    this.#options.handler(head, wrapped);
    wrapped.start();
  }

  #refuse(stream: ServerHttp2Stream, code: ReasonCode): void {
    const error = new ProxyError(code, 'the request breaks RFC 9113');
    const wrapped = new Http2ServerStream(stream, undefined);
    wrapped.start();
    refuse(wrapped, error);
    this.#options.onRefused?.(error);
  }
}
