import type { Socket } from 'node:net';
import { Http1ClientConnection } from './http1-client-connection.ts';
import type { Http1Memo } from './http1-memo.ts';
import type { ClientConnection, CodecLimits } from './stream.ts';
import type { TimerWheel } from './timer-wheel.ts';

export interface Http1ClientOptions {
  readonly limits: CodecLimits;
  readonly timers: TimerWheel;
  /** Shared by connections with the same limits; default: one of its own. */
  readonly memo?: Http1Memo;
}

/**
 * Speaks HTTP/1.1 as a client on a connected socket that nobody else reads: one request at a time, no pipelining. Takes the
 * socket over, including its errors. An answer that breaks RFC 9112, or bytes that no request asked for, end the connection.
 *
 * The pool should let idle connections go before the server does (Node's default is 5 s): a request that meets a server's
 * FIN fails with UPSTREAM_RESET, and only the pool knows whether it may be sent again.
 */
export function http1Client(socket: Socket, options: Http1ClientOptions): ClientConnection {
  return new Http1ClientConnection(socket, options);
}
