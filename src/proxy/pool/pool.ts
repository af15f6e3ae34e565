import type { ClientConnection } from '../codec/stream.ts';
import { ProxyError } from '../error.ts';
import type { RetryBudget } from './retry-budget.ts';

/** Somebody who wants a connection. Exactly one of the two is called, once. */
export interface Waiter {
  /** Does not want one any more, and will be told onNoConnection in due course. */
  readonly cancelled: boolean;
  /** The connection has room for one stream, which must be opened before this returns. */
  onConnection(connection: ClientConnection): void;
  /** Nothing was sent. */
  onNoConnection(error: ProxyError): void;
}

/** Source of connections to one address. */
export interface Pool {
  /** Calls the waiter, at once when a connection is there. */
  take(waiter: Waiter): void;
  /** One of the waiters that were told nothing yet is `cancelled` from now on. */
  forsaken(): void;
  /** Closes what has been idle or alive for too long. Called about once a second. */
  sweep(now: number): void;
  /** Lets running streams finish on the present connections; the next taker gets a new one. */
  renew(): void;
  /** As renew, and nobody will take from it again. */
  close(): void;
  /** Ends all connections now. */
  destroy(): void;
  /** Spent by who sends requests. */
  readonly retries: RetryBudget;
  /** Nobody may take from it any more: whoever kept it asks `Upstreams` again. */
  readonly closed: boolean;
  /** No connection, nobody waiting, nothing being dialled, no retries to remember. */
  readonly empty: boolean;
  describe(): PoolState;
}

export interface PoolState {
  readonly name: string;
  readonly kind: 'tunnel' | 'http1' | 'http2' | 'tcp';
  readonly connections: number;
  readonly active: number;
  readonly waiting: number;
  /** Connections dialled so far. */
  readonly dialled: number;
  /** Dials that failed so far. */
  readonly failed: number;
  /** Requests that were sent again, here or to another address: this one had closed the connection, or refused them unseen. */
  readonly retries: number;
  /** Those that were not, because too many had been. */
  readonly retriesRefused: number;
}

/** Opens one connection; calls back exactly once, never before it returns. */
export type Dial = (done: (result: ClientConnection | ProxyError) => void) => void;

/** What a cancelled waiter is told. */
export function cancelledError(): ProxyError {
  return new ProxyError('DOWNSTREAM_RESET', 'the caller went away before a connection was there');
}
