import { emptySeries } from '../mesh/series-sum.ts';
import { LATENCY_BOUNDS_MS, type TrafficLabels, type TrafficSeries } from '../mesh/traffic.ts';
import type { Exchange } from './exchange.ts';

/** Series whose pod is gone and that did not move between two looks this far apart are forgotten. */
const FORGET_MS = 600_000;

interface Entry {
  readonly series: TrafficSeries;
  /** Value of its counters when it was last seen to move. */
  seen: number;
  movedAt: number;
}

/** All traffic series of the proxy, one per distinct set of labels. */
export class TrafficBook {
  readonly #entries = new Map<string, Entry>();

  /** The series of these labels; made, at zero, when it is new. Callers keep it, so this is not on the hot path. */
  series(labels: TrafficLabels): TrafficSeries {
    const key = labelKey(labels);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { series: emptySeries(labels), seen: 0, movedAt: 0 };
      this.#entries.set(key, entry);
    }
    return entry.series;
  }

  *[Symbol.iterator](): Iterator<TrafficSeries> {
    for (const { series } of this.#entries.values()) yield series;
  }

  /**
   * Forgets series of endpoints that are gone and silent, so that a year of rollouts does not fill the memory.
   * @param isLive whether a pod is still among the endpoints
   */
  sweep(now: number, isLive: (namespace: string, pod: string) => boolean): void {
    for (const [key, entry] of this.#entries) {
      const { series } = entry;
      const moved = series.requests + series.tcpOpened + series.tcpClosed;
      if (moved !== entry.seen || series.tcpOpen > 0 || entry.movedAt === 0) {
        entry.seen = moved;
        entry.movedAt = now;
        continue;
      }
      const workload = series.labels.target?.workload;
      const gone = workload !== undefined && !isLive(workload.namespace, workload.pod);
      if (gone && now - entry.movedAt >= FORGET_MS) this.#entries.delete(key);
    }
  }
}

function labelKey({ direction, peerIdentity, tls, target }: TrafficLabels): string {
  const head = `${direction}|${peerIdentity ?? ''}|${tls}`;
  if (target === undefined) return head;
  const { namespace, service, port, backend, workload } = target;
  return `${head}|${namespace}|${service}|${port}|${backend}|${workload?.namespace ?? ''}|${workload?.pod ?? ''}`;
}

/** Adds a finished exchange to its series (`smi.md` M6, M7). */
export function recordFinished(series: TrafficSeries, exchange: Exchange, now: number): void {
  series.bytesRead += exchange.bytesReceived;
  series.bytesWritten += exchange.bytesSent;
  if (exchange.error !== undefined && exchange.error.code !== 'DOWNSTREAM_RESET') {
    count(series.refused, exchange.error.code);
  }
  if (exchange.audited !== undefined) count(series.audited, exchange.audited);
  const { countedIn } = exchange;
  if (countedIn !== undefined) {
    countedIn.tcpOpen--;
    countedIn.tcpClosed++;
  }
  if (exchange.kind === 'tcp') return;
  series.requests++;
  const status = exchange.status === 0 ? (exchange.error?.status ?? 502) : exchange.status;
  count(series.statuses, status);
  if (isSuccess(exchange, status)) {
    series.successes++;
  } else {
    series.failures++;
    count(series.failedStatuses, status);
  }
  if (exchange.isTunnel || isRefusal(exchange)) return;
  observe(series, now - exchange.startedMs);
}

/** 1xx to 4xx are successes, gRPC goes by its own status, what was lost or refused is a failure. */
function isSuccess(exchange: Exchange, status: number): boolean {
  if (exchange.error !== undefined) return false;
  if (exchange.grpcStatus !== undefined) return exchange.grpcStatus === '0';
  return status < 500;
}

function isRefusal(exchange: Exchange): boolean {
  return exchange.error?.code === 'ACCESS_DENIED' || exchange.error?.code === 'NO_IDENTITY';
}

function observe(series: TrafficSeries, ms: number): void {
  let i = 0;
  while (i < LATENCY_BOUNDS_MS.length && ms > LATENCY_BOUNDS_MS[i]!) i++;
  series.latency[i]! += 1;
  series.latencySumMs += ms;
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
