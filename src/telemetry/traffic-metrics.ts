import type { Metric, Registry } from 'prom-client';
import type { WorkloadLabels } from '../mesh/resources.ts';
import { LATENCY_BOUNDS_MS, type TrafficSeries } from '../mesh/traffic.ts';

export interface TrafficSource {
  /** The workload that the proxy stands beside; undefined before its first configuration. */
  workload(): WorkloadLabels | undefined;
  traffic(): Iterable<TrafficSeries>;
}

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly metricName?: string;
  readonly value: number;
  readonly labels: Labels;
}

/**
 * Exposes a proxy's traffic counters under Linkerd's metric names, which Flagger, smi-metrics and existing dashboards
 * read, and Weft's own beside them. Nothing is counted twice: each family is copied from the series when it is scraped.
 */
export function registerTrafficMetrics(registry: Registry, source: TrafficSource): void {
  const family = (
    name: string,
    help: string,
    type: 'counter' | 'gauge' | 'histogram',
    samples: (s: TrafficSeries, labels: Labels) => Iterable<Sample>,
  ) =>
    registry.registerMetric(
      copied(name, help, type, () => {
        const own = source.workload();
        if (own === undefined) return [];
        return [...merged(source.traffic(), own)].flatMap(([labels, series]) => [...samples(series, labels)]);
      }),
    );

  family('request_total', 'HTTP requests.', 'counter', (s, labels) => [{ labels, value: s.requests }]);
  family(
    'response_total',
    'HTTP responses; failures are 5xx, failed gRPC calls, refused and lost ones.',
    'counter',
    (s, labels) => [
      { labels: { ...labels, classification: 'success' }, value: s.successes },
      { labels: { ...labels, classification: 'failure' }, value: s.failures },
    ],
  );
  family(
    'response_latency_ms',
    'Milliseconds from the head of a request to the end of its response.',
    'histogram',
    latencySamples,
  );
  family('weft_response_status_total', 'HTTP responses by status code.', 'counter', (s, labels) =>
    [...s.statuses].map(([status, value]) => ({ labels: { ...labels, status_code: String(status) }, value })),
  );
  family('weft_refused_total', 'Requests and connections that this proxy refused, by reason.', 'counter', (s, labels) =>
    [...s.refused].map(([reason, value]) => ({ labels: { ...labels, reason }, value })),
  );
  family(
    'weft_audit_total',
    'What the audit mode let through and deny would refuse, by reason.',
    'counter',
    (s, labels) => [...s.audited].map(([reason, value]) => ({ labels: { ...labels, reason }, value })),
  );
  family('tcp_open_total', 'Opened connections.', 'counter', (s, labels) => [{ labels, value: s.tcpOpened }]);
  family('tcp_close_total', 'Closed connections.', 'counter', (s, labels) => [{ labels, value: s.tcpClosed }]);
  family('tcp_open_connections', 'Connections open now.', 'gauge', (s, labels) => [{ labels, value: s.tcpOpen }]);
  family('tcp_read_bytes_total', 'Bytes read from the peer.', 'counter', (s, labels) => [
    { labels, value: s.bytesRead },
  ]);
  family('tcp_write_bytes_total', 'Bytes written to the peer.', 'counter', (s, labels) => [
    { labels, value: s.bytesWritten },
  ]);
}

/** Buckets are cumulative on the wire (Prometheus text format). */
function* latencySamples(series: TrafficSeries, labels: Labels): Iterable<Sample> {
  let count = 0;
  for (const [i, n] of series.latency.entries()) {
    count += n;
    const le = LATENCY_BOUNDS_MS[i];
    yield {
      metricName: 'response_latency_ms_bucket',
      labels: { ...labels, le: le === undefined ? '+Inf' : String(le) },
      value: count,
    };
  }
  yield { metricName: 'response_latency_ms_sum', labels, value: series.latencySumMs };
  yield { metricName: 'response_latency_ms_count', labels, value: count };
}

/**
 * One entry per distinct set of exposed labels: endpoints of one workload become one. The inbound face exists from the
 * start, at 0, so that the first rate() has two samples (`clients.md` M14).
 */
function merged(all: Iterable<TrafficSeries>, own: WorkloadLabels): Map<Labels, TrafficSeries> {
  const byKey = new Map<string, readonly [Labels, TrafficSeries]>();
  const start: TrafficSeries = empty({ direction: 'inbound', peerIdentity: undefined, tls: true, target: undefined });
  for (const series of [start, ...all]) {
    const labels = labelsOf(series, own);
    const key = JSON.stringify(labels);
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, [labels, copy(series)]);
    else add(known[1], series);
  }
  return new Map(byKey.values());
}

function labelsOf({ labels: { direction, peerIdentity, tls, target } }: TrafficSeries, own: WorkloadLabels): Labels {
  const out: Record<string, string> = {
    direction,
    tls: String(tls),
    namespace: own.namespace,
    pod: own.pod,
    [own.ownerKind]: own.owner,
  };
  if (peerIdentity !== undefined) out[direction === 'inbound' ? 'client_id' : 'server_id'] = peerIdentity;
  if (target === undefined) return out;
  const { workload } = target;
  out['authority'] = `${target.service}.${target.namespace}:${target.port}`;
  out['dst_namespace'] = workload?.namespace ?? target.namespace;
  out['dst_service'] = target.service;
  out['dst_backend'] = target.backend;
  if (workload === undefined) return out;
  out[`dst_${workload.ownerKind}`] = workload.owner;
  out['dst_serviceaccount'] = workload.serviceAccount;
  out['dst_pod'] = workload.pod;
  return out;
}

function empty(labels: TrafficSeries['labels']): TrafficSeries {
  return {
    labels,
    requests: 0,
    successes: 0,
    failures: 0,
    statuses: new Map(),
    latency: new Float64Array(LATENCY_BOUNDS_MS.length + 1),
    latencySumMs: 0,
    tcpOpened: 0,
    tcpClosed: 0,
    tcpOpen: 0,
    bytesRead: 0,
    bytesWritten: 0,
    refused: new Map(),
    audited: new Map(),
  };
}

function copy(series: TrafficSeries): TrafficSeries {
  const out = empty(series.labels);
  add(out, series);
  return out;
}

function add(sum: TrafficSeries, more: TrafficSeries): void {
  sum.requests += more.requests;
  sum.successes += more.successes;
  sum.failures += more.failures;
  sum.latencySumMs += more.latencySumMs;
  sum.tcpOpened += more.tcpOpened;
  sum.tcpClosed += more.tcpClosed;
  sum.tcpOpen += more.tcpOpen;
  sum.bytesRead += more.bytesRead;
  sum.bytesWritten += more.bytesWritten;
  more.latency.forEach((n, i) => (sum.latency[i] = (sum.latency[i] ?? 0) + n));
  for (const name of ['statuses', 'refused', 'audited'] as const) {
    const into = sum[name] as Map<unknown, number>;
    for (const [key, n] of more[name]) into.set(key, (into.get(key) ?? 0) + n);
  }
}

/** A metric of prom-client whose values are copied when they are asked for, instead of counted twice. */
function copied(name: string, help: string, type: string, samples: () => Sample[]): Metric {
  const metric = {
    name,
    help,
    type,
    aggregator: 'sum',
    get: () => Promise.resolve({ name, help, type, aggregator: 'sum', values: samples() }),
    reset() {},
  };
  return metric as unknown as Metric;
}
