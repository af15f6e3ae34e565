import type { Clock } from '../../base/clock.ts';
import type { Roster } from '../../base/roster.ts';
import type { ReasonCode } from '../../mesh/reasons.ts';
import type { TrafficSeries } from '../../mesh/traffic.ts';
import type { Exchange, Filter } from '../exchange.ts';
import { recordFinished, type TrafficBook } from '../traffic-book.ts';
import type { InboundExchange } from './inbound.ts';
import type { OutboundExchange } from './outbound.ts';

/** One line of the access log: what became of one exchange. */
export interface AccessEntry {
  readonly direction: 'inbound' | 'outbound';
  readonly kind: 'http' | 'tcp';
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  readonly durationMs: number;
  readonly method: string;
  /** As it was forwarded; with query. Written by a stranger: whoever prints it escapes it. */
  readonly path: string;
  readonly authority: string;
  /** 0 for raw TCP. */
  readonly status: number;
  readonly reason: ReasonCode | undefined;
  readonly message: string | undefined;
  /** Verified identity of the caller (inbound). */
  readonly peer: string | undefined;
  readonly peerAddress: string;
  readonly destination: string | undefined;
  readonly service: string | undefined;
  readonly route: string | undefined;
  readonly backend: string | undefined;
  readonly endpoint: string | undefined;
  readonly grantedBy: string | undefined;
  readonly audited: ReasonCode | undefined;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

export interface RecordOptions {
  readonly clock: Clock;
  /** Everything that runs, for drain and for describe. */
  readonly running: Roster<Exchange>;
  /** Undefined = no access log, and then nothing is built for it. */
  readonly accessLog: ((entry: AccessEntry) => void) | undefined;
  /** Whether traffic is counted. */
  readonly metrics: boolean;
}

/** Counts every exchange of the app, refused or not. Outermost, so that nothing escapes it. */
export function recordOutbound(options: RecordOptions, unknown: TrafficSeries): Filter<OutboundExchange> {
  const { clock, running, accessLog, metrics } = options;
  return (next) => {
    function finished(exchange: Exchange): void {
      running.delete(exchange);
      const now = clock.now();
      if (metrics) recordFinished(exchange.series ?? unknown, exchange, now);
      if (accessLog !== undefined) accessLog(outboundEntry(exchange as OutboundExchange, now));
    }
    return function recordOutboundFilter(exchange) {
      running.add(exchange);
      exchange.onFinished = finished;
      next(exchange);
    };
  };
}

/** Counts every exchange for the app, refused or not, by the caller's verified identity. */
export function recordInbound(options: RecordOptions, book: TrafficBook): Filter<InboundExchange> {
  const { clock, running, accessLog, metrics } = options;
  const byPeer = new Map<string | undefined, TrafficSeries>();
  return (next) => {
    function finished(exchange: Exchange): void {
      running.delete(exchange);
      const { load } = exchange.peer;
      if (load !== undefined) load.running--;
      const now = clock.now();
      if (metrics && exchange.series !== undefined) recordFinished(exchange.series, exchange, now);
      if (accessLog !== undefined) accessLog(entry('inbound', exchange, now));
    }
    return function recordInboundFilter(exchange) {
      running.add(exchange);
      exchange.onFinished = finished;
      const { identity, load } = exchange.peer;
      if (load !== undefined) load.running++;
      let series = byPeer.get(identity);
      if (series === undefined) {
        const tls = exchange.meshed;
        series = book.series({ direction: 'inbound', peerIdentity: identity, tls, target: undefined });
        byPeer.set(identity, series);
      }
      exchange.series = series;
      next(exchange);
    };
  };
}

function outboundEntry(exchange: OutboundExchange, now: number): AccessEntry {
  const { routed, chosen } = exchange;
  return {
    ...entry('outbound', exchange, now),
    service: routed?.name,
    route: chosen?.route,
    backend: chosen?.backend.service,
  };
}

function entry(direction: AccessEntry['direction'], exchange: Exchange, now: number): AccessEntry {
  const { kind, head, startedMs, error, peer, destination } = exchange;
  return {
    direction,
    kind,
    startedMs,
    durationMs: now - startedMs,
    method: head.method,
    path: head.path,
    authority: head.authority,
    status: kind === 'tcp' ? 0 : exchange.status,
    reason: error?.code,
    message: error?.message,
    peer: peer.identity,
    peerAddress: peer.address,
    destination: destination === undefined ? undefined : `${destination.host}:${destination.port}`,
    service: undefined,
    route: undefined,
    backend: undefined,
    endpoint: exchange.endpoint,
    grantedBy: exchange.grantedBy,
    audited: exchange.audited,
    bytesSent: exchange.bytesSent,
    bytesReceived: exchange.bytesReceived,
  };
}
