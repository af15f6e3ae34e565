import { REASONS, type ReasonCode } from '../../mesh/reasons.ts';
import { join, type JoinObserver } from '../codec/join.ts';
import type { ClientConnection, Headers, RequestHead, ResponseHead } from '../codec/stream.ts';
import { ProxyError } from '../error.ts';
import type { Exchange, Waiting } from '../exchange.ts';
import { header, strip, type HeaderTest } from '../headers.ts';
import type { Pool, Waiter } from '../pool/pool.ts';
import { isGrpc, refuseWith } from '../refuse.ts';

/** How one attempt to reach an endpoint ends. */
export interface AttemptEvents {
  /** The head as the upstream shall see it; asked when a connection is there. */
  upstreamHead(): RequestHead;
  /** A connection is there and the exchange runs on it. */
  onStarted(): void;
  /** Nothing was sent: another endpoint may be tried. */
  onNoConnection(error: ProxyError): void;
  /** The exchange is over; not called after onNoConnection. */
  onOver(): void;
}

/**
 * One try at one endpoint: takes a connection from the pool, and when there is one, joins the exchange to a stream on it.
 * While it waits, the downstream is held. From the moment of joining there is no way back.
 */
export class Attempt implements Waiter, Waiting, JoinObserver {
  readonly #exchange: Exchange;
  readonly #events: AttemptEvents;
  /** Fields that must not pass from this upstream to the downstream. */
  readonly #stripped: HeaderTest;

  constructor(exchange: Exchange, events: AttemptEvents, stripped: HeaderTest) {
    this.#exchange = exchange;
    this.#events = events;
    this.#stripped = stripped;
  }

  start(pool: Pool): void {
    this.#pool = pool;
    this.#waiting = true;
    pool.take(this);
    if (this.#waiting) this.#exchange.hold(this);
  }

  #waiting = false;
  #pool: Pool | undefined = undefined;
  #staleSeen = 0;

  get cancelled(): boolean {
    return this.#exchange.finished;
  }

  onGone(): void {
    if (this.#waiting) this.#pool!.forsaken();
  }

  onConnection(connection: ClientConnection): void {
    this.#waiting = false;
    const exchange = this.#exchange;
    if (this.#staleSeen === 0) this.#pool!.retries.earn();
    this.#events.onStarted();
    join(exchange.stream, connection, this.#events.upstreamHead(), this);
  }

  onNoConnection(error: ProxyError): void {
    this.#waiting = false;
    this.#events.onNoConnection(error);
  }

  onHead(head: ResponseHead): void {
    const exchange = this.#exchange;
    exchange.status = head.status;
    strip(head, this.#stripped);
    if (isGrpc(head.headers)) exchange.grpcStatus = header(head.headers, 'grpc-status');
  }

  onTrailers(trailers: Headers): void {
    const status = header(trailers, 'grpc-status');
    if (status !== undefined) this.#exchange.grpcStatus = status;
  }

  onSent(bytes: number): void {
    this.#exchange.bytesSent += bytes;
  }

  onReceived(bytes: number): void {
    this.#exchange.bytesReceived += bytes;
  }

  /** Sends the request once more: to the same address where only the connection was at fault, elsewhere when nobody there has seen it. */
  onRefused(error: ProxyError): boolean {
    const unseen = REASONS[error.code].retryable;
    const here = error.stale && this.#staleSeen < MAX_STALE;
    if (!here && !unseen) return false; // the server may have seen it
    const leftBehind = unseen && error.stale;
    if (!this.#pool!.retries.spend(leftBehind)) return false;
    this.#exchange.hold();
    if (here) {
      this.#staleSeen++;
      this.start(this.#pool!);
    } else this.#events.onNoConnection(error);
    return true;
  }

  onDone(error: ProxyError | undefined): void {
    if (error !== undefined && this.#exchange.status === 0) this.#exchange.status = error.status;
    this.#events.onOver();
    this.#exchange.finish(error);
  }
}

/** A server that closes idle connections often closes several at once. */
const MAX_STALE = 3;

/** Codes of an upstream's refusal that mean that this endpoint, not this request, is at fault. */
const ENDPOINT_AT_FAULT: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'CONNECT_FAILED',
  'CONNECT_TIMEOUT',
  'IDENTITY_MISMATCH',
]);

export function blamesEndpoint(error: ProxyError): boolean {
  return ENDPOINT_AT_FAULT.has(error.code);
}

/** Gives up an exchange for which no connection could be had. */
export function giveUp(exchange: Exchange, error: ProxyError | undefined): void {
  refuseWith(exchange, error ?? new ProxyError('NO_ENDPOINTS', 'no endpoint is ready'));
}
