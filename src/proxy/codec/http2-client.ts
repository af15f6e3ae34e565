import type { Socket } from 'node:net';
import type { Http2Settings } from './http2-settings.ts';
import type { ClientConnection, CodecLimits } from './stream.ts';
import type { TimerWheel } from './timer-wheel.ts';

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
  throw new Error(`not built yet ${socket.remotePort} ${options.limits.maxHeaders}`);
}
