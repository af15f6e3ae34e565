import type { Socket } from 'node:net';
import type { Http2Settings } from './http2-settings.ts';
import type { CodecLimits, RequestHandler, ServerConnection } from './stream.ts';
import type { TimerWheel } from './timer-wheel.ts';

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
}

/** Serves HTTP/2 on an accepted socket (plain or TLS with ALPN h2) that nobody else reads. Takes the socket over. */
export function http2Server(socket: Socket, options: Http2ServerOptions): ServerConnection {
  throw new Error(`not built yet ${socket.remotePort} ${options.limits.maxHeaders}`);
}
