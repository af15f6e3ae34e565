import type { Socket } from 'node:net';
import type { ProxyError } from '../error.ts';
import type { Http1Memo } from './http1-memo.ts';
import { Http1ServerConnection } from './http1-server-connection.ts';
import type { CodecLimits, RequestHandler, ServerConnection } from './stream.ts';
import type { TimerWheel } from './timer-wheel.ts';

export interface Http1ServerOptions {
  readonly handler: RequestHandler;
  readonly limits: CodecLimits;
  readonly timers: TimerWheel;
  /** Bytes already read from the socket while its protocol was detected. */
  readonly firstBytes?: Buffer;
  /** The listener of an app's proxy settings: absolute-form names the destination, CONNECT is a tunnel stream. */
  readonly explicitProxy?: boolean;
  /** `https` on a TLS socket that speaks for the app; default `http`. */
  readonly scheme?: 'http' | 'https';
  /** Shared by connections with the same options but for the handler; default: one of its own. */
  readonly memo?: Http1Memo;
  /** Told of each request that the codec refused by itself, for logs and metrics. */
  readonly onRefused?: (error: ProxyError) => void;
}

/**
 * Serves HTTP/1.0 and 1.1 on an accepted socket that nobody else reads. Takes the socket over, including its errors.
 * A request that breaks RFC 9112 gets an error reply with `x-weft-reason` and the connection ends; the handler never
 * sees it, or sees `onError` when its head was fine.
 */
export function http1Server(socket: Socket, options: Http1ServerOptions): ServerConnection {
  return new Http1ServerConnection(socket, options);
}
