import type { ProxyError } from './error.ts';
import type { Destination } from './destination.ts';
import type { RequestHead, ServerStream, StreamEvents } from './codec/stream.ts';
import type { ReasonCode } from '../mesh/reasons.ts';
import type { TrafficSeries } from '../mesh/traffic.ts';

/** One step of the data path: passes the exchange on, or ends it with `refuse`. */
export type Handler<E> = (exchange: E) => void;

/** Made once per configuration; all parsing and sorting happens then, nothing of it per request. */
export type Filter<E> = (next: Handler<E>) => Handler<E>;

/** Stacks filters in the order in which an exchange meets them. */
export function stack<E>(filters: readonly Filter<E>[], last: Handler<E>): Handler<E> {
  return filters.reduceRight((next, filter) => filter(next), last);
}

/** Who is at the other end of the downstream connection. */
export interface Peer {
  /** From the TLS handshake and nowhere else; undefined = not meshed. */
  readonly identity: string | undefined;
  /** UID of the pod that its certificate was issued to, from the same place; undefined = it does not say. */
  readonly pod: string | undefined;
  /** When the peer's certificate chain expires; Infinity without one. */
  readonly notAfter: number;
  /** `10.0.0.7:40312` */
  readonly address: string;
  /** Both ends of the connection as the dialling side knows them (`connectionName`), before any redirection. */
  readonly connection: string;
  /** What all its connections have under way here; undefined without an identity, for those cannot be told apart. */
  readonly load: PeerLoad | undefined;
}

/** What one peer has under way, whichever connections it comes by. */
export interface PeerLoad {
  /** Exchanges that are not finished. */
  running: number;
}

/** Told once when an exchange is over. */
export type Finished = (exchange: Exchange) => void;

/**
 * One request of an app, or one raw TCP connection (`kind` tcp, a CONNECT stream). What a filter finds out, it writes
 * here. Not an attempt: an exchange may try several endpoints before anything is sent.
 */
export class Exchange {
  readonly kind: 'http' | 'tcp';
  readonly head: RequestHead;
  readonly stream: ServerStream;
  readonly peer: Peer;
  readonly startedMs: number;
  /** Where it is meant to go; filled from the connection, the hop's headers or an absolute-form target. */
  destination: Destination | undefined = undefined;
  /** Counters that this exchange adds to. */
  series: TrafficSeries | undefined = undefined;
  /** Final status that went to the downstream; 0 = none. */
  status = 0;
  /** Why Weft refused it or gave it up. */
  error: ProxyError | undefined = undefined;
  /** From trailers or head of a gRPC response; undefined = no gRPC, or none seen. */
  grpcStatus: string | undefined = undefined;
  /** The endpoint that got it, `10.0.0.9:8080`. */
  endpoint: string | undefined = undefined;
  /** The rule that let it in, or what the audit mode would have refused it for. */
  grantedBy: string | undefined = undefined;
  audited: ReasonCode | undefined = undefined;
  /** Where a raw TCP connection was counted as opened. */
  countedIn: TrafficSeries | undefined = undefined;
  bytesSent = 0;
  bytesReceived = 0;
  onFinished: Finished | undefined = undefined;
  /** Among those that run (`Roster`). */
  place = -1;
  #finished = false;

  constructor(kind: 'http' | 'tcp', head: RequestHead, stream: ServerStream, peer: Peer, startedMs: number) {
    this.kind = kind;
    this.head = head;
    this.stream = stream;
    this.peer = peer;
    this.startedMs = startedMs;
  }

  get finished(): boolean {
    return this.#finished;
  }

  /** Whether bytes of any protocol flow, so that it lives as long as a connection: raw TCP, WebSocket, CONNECT. */
  get isTunnel(): boolean {
    return this.kind === 'tcp' || this.head.protocol !== undefined || this.head.method === 'CONNECT';
  }

  /** A connection for it was found: raw TCP counts as open from here on. */
  opened(): void {
    if (this.kind !== 'tcp' || this.series === undefined) return;
    this.countedIn = this.series;
    this.series.tcpOpened++;
    this.series.tcpOpen++;
  }

  /** Must be called exactly when the exchange is over; later calls do nothing. */
  finish(error: ProxyError | undefined): void {
    if (this.#finished) return;
    this.#finished = true;
    this.error ??= error;
    this.onFinished?.(this);
  }

  /** Ends a running exchange from within: upstream and downstream see a reset. */
  abort(error: ProxyError): void {
    if (this.#finished) return;
    this.error ??= error;
    this.stream.events.onError(error);
    this.stream.reset(error);
    this.finish(error);
  }

  /**
   * Stops the downstream while somebody else is waited for; `join` or a refusal sets it going again.
   * @param waiting told when nothing is waited for any more because the downstream has gone
   */
  hold(waiting?: Waiting): void {
    this.stream.events = new Holding(this, waiting);
    this.stream.pause();
  }
}

/** Waits for something on behalf of an exchange. */
export interface Waiting {
  onGone(): void;
}

/** Only hears that the downstream has gone: while a stream is paused nothing else happens on it. */
class Holding implements StreamEvents {
  readonly #exchange: Exchange;
  readonly #waiting: Waiting | undefined;

  constructor(exchange: Exchange, waiting: Waiting | undefined) {
    this.#exchange = exchange;
    this.#waiting = waiting;
  }

  onData(): void {}
  onEnd(): void {}
  onWritable(): void {}

  onError(error: ProxyError): void {
    if (this.#exchange.finished) return;
    this.#exchange.finish(error);
    this.#waiting?.onGone();
  }
}
