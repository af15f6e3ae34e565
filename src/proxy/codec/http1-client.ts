import type { Socket } from 'node:net';
import type { ClientConnection, CodecLimits } from './stream.ts';
import type { TimerWheel } from './timer-wheel.ts';

export interface Http1ClientOptions {
  readonly limits: CodecLimits;
  readonly timers: TimerWheel;
}

/**
 * Speaks HTTP/1.1 as a client on a connected socket that nobody else reads: one request at a time, no pipelining. Takes the
 * socket over, including its errors. An answer that breaks RFC 9112, or bytes that no request asked for, end the connection.
 */
export function http1Client(socket: Socket, options: Http1ClientOptions): ClientConnection {
  throw new Error(`not built yet ${socket.remotePort} ${options.limits.maxHeaders}`);
}
