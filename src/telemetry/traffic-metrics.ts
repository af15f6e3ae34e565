import type { Registry } from 'prom-client';
import type { WorkloadLabels } from '../mesh/resources.ts';
import { LATENCY_BOUNDS_MS, type TrafficSeries } from '../mesh/traffic.ts';
import { copiedMetric, type Labels, type Sample } from './copied-metric.ts';
import { addSeries, emptySeries } from '../mesh/series-sum.ts';

export interface TrafficSource {
  /** The workload that the proxy stands beside; undefined before its first configuration. */
  workload(): WorkloadLabels | undefined;
  traffic(): Iterable<TrafficSeries>;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: (series: TrafficSeries, labels: Labels) => Iterable<Sample>;
}

/** Counted per calling identity too: whose calls are refused is what one wants to know of them. */
const REFUSALS: readonly Family[] = [
  {
    name: 'weft_refused_total',
    help: 'Requests and connections that this proxy refused, by reason.',
    type: 'counter',
    samples: (s, labels) => [...s.refused].map(([reason, value]) => ({ labels: { ...labels, reason }, value })),
  },
  {
    name: 'weft_audit_total',
    help: 'What the audit mode let through and deny would refuse, by reason.',
    type: 'counter',
    samples: (s, labels) => [...s.audited].map(([reason, value]) => ({ labels: { ...labels, reason }, value })),
  },
];

const TRAFFIC: readonly Family[] = [
  {
    name: 'request_total',
    help: 'HTTP requests.',
    type: 'counter',
    samples: (s, labels) => [{ labels, value: s.requests }],
  },
  {
    name: 'response_total',
    help: 'HTTP responses; failures are 5xx, failed gRPC calls, refused and lost ones.',
    type: 'counter',
    samples: responseSamples,
  },
  {
    name: 'response_latency_ms',
    help: 'Milliseconds from the head of a request to the end of its response.',
    type: 'histogram',
    samples: latencySamples,
  },
  {
    name: 'tcp_open_total',
    help: 'Opened connections.',
    type: 'counter',
    samples: (s, labels) => [{ labels, value: s.tcpOpened }],
  },
  {
    name: 'tcp_close_total',
    help: 'Closed connections.',
    type: 'counter',
    samples: (s, labels) => [{ labels, value: s.tcpClosed }],
  },
  {
    name: 'tcp_open_connections',
    help: 'Connections open now.',
    type: 'gauge',
    samples: (s, labels) => [{ labels, value: s.tcpOpen }],
  },
  {
    name: 'tcp_read_bytes_total',
    help: 'Bytes read from the peer.',
    type: 'counter',
    samples: (s, labels) => [{ labels, value: s.bytesRead }],
  },
  {
    name: 'tcp_write_bytes_total',
    help: 'Bytes written to the peer.',
    type: 'counter',
    samples: (s, labels) => [{ labels, value: s.bytesWritten }],
  },
];

/**
 * Exposes a proxy's traffic counters under Linkerd's metric names, which Flagger, smi-metrics and existing dashboards
 * read, and Weft's own beside them. Nothing is counted twice: each family is copied from the series when it is scraped.
 */
export function registerTrafficMetrics(registry: Registry, source: TrafficSource): void {
  const merged = once(() => merge(source, false));
  const byCaller = once(() => merge(source, true));
  const register = ({ name, help, type, samples }: Family, entries: () => Entries) => {
    const all = () => entries().flatMap(([labels, series]) => [...samples(series, labels)]);
    registry.registerMetric(copiedMetric(name, help, type, all));
  };
  for (const family of TRAFFIC) register(family, merged);
  for (const family of REFUSALS) register(family, byCaller);
}

/** One scrape asks every family in the same turn: they share one walk over the series. */
function once<T>(compute: () => T): () => T {
  let value: { readonly now: T } | undefined;
  return () => {
    if (value === undefined) {
      value = { now: compute() };
      queueMicrotask(() => (value = undefined));
    }
    return value.now;
  };
}

type Entries = readonly (readonly [labels: Labels, series: TrafficSeries])[];

/** What a client that has not called yet will be counted in, so that the first rate() has two samples. */
const INBOUND_FROM_THE_START = [true, false].map((tls) =>
  emptySeries({ direction: 'inbound', peerIdentity: undefined, tls, target: undefined }),
);

/** One entry per distinct set of exposed labels, since Prometheus refuses duplicates. */
function merge({ workload, traffic }: TrafficSource, byCaller: boolean): Entries {
  const own = workload();
  if (own === undefined) return [];
  const byKey = new Map<string, readonly [Labels, TrafficSeries]>();
  for (const series of [...INBOUND_FROM_THE_START, ...traffic()]) {
    const labels = labelsOf(series, own, byCaller);
    const key = JSON.stringify(labels);
    let entry = byKey.get(key);
    if (entry === undefined) byKey.set(key, (entry = [labels, emptySeries(series.labels)]));
    addSeries(entry[1], series);
  }
  return [...byKey.values()];
}

/**
 * Inbound traffic is not told apart by caller, but where `byCaller` says so: a series that begins with its first request
 * has no sample before it, and its first `rate()` would miss the first interval of every new caller.
 */
function labelsOf({ labels }: TrafficSeries, own: WorkloadLabels, byCaller: boolean): Labels {
  const { direction, peerIdentity, tls, target } = labels;
  const out: Record<string, string> = {
    direction,
    tls: String(tls),
    namespace: own.namespace,
    serviceaccount: own.serviceAccount,
    [own.ownerKind]: own.owner,
    pod: own.pod,
  };
  if (peerIdentity !== undefined && direction === 'outbound') out['server_id'] = peerIdentity;
  if (peerIdentity !== undefined && direction === 'inbound' && byCaller) out['client_id'] = peerIdentity;
  if (target === undefined) return out;
  const { workload } = target;
  out['dst_namespace'] = workload?.namespace ?? target.namespace;
  if (target.service !== '') {
    out['authority'] = `${target.service}.${target.namespace}:${target.port}`;
    out['dst_service'] = target.service;
    out['dst_backend'] = target.backend;
  }
  if (workload === undefined) return out;
  out['dst_serviceaccount'] = workload.serviceAccount;
  out[`dst_${workload.ownerKind}`] = workload.owner;
  out['dst_pod'] = workload.pod;
  return out;
}

/** By classification and status; one of each kind is there from the start, at 0. */
function* responseSamples(series: TrafficSeries, labels: Labels): Iterable<Sample> {
  const sample = (classification: string, status: number, value: number) => {
    return { labels: { ...labels, classification, status_code: String(status) }, value };
  };
  const failed = (status: number) => series.failedStatuses.get(status) ?? 0;
  if (!series.statuses.has(200)) yield sample('success', 200, 0);
  if (failed(503) === 0) yield sample('failure', 503, 0);
  for (const [status, count] of series.statuses) {
    const failures = failed(status);
    if (failures > 0) yield sample('failure', status, failures);
    if (count > failures || status === 200) yield sample('success', status, count - failures);
  }
}

/** Buckets are cumulative on the wire (Prometheus text format). */
function* latencySamples(series: TrafficSeries, labels: Labels): Iterable<Sample> {
  let count = 0;
  for (const [i, n] of series.latency.entries()) {
    count += n;
    const bound = LATENCY_BOUNDS_MS[i];
    const le = bound === undefined ? '+Inf' : String(bound);
    yield { metricName: 'response_latency_ms_bucket', labels: { ...labels, le }, value: count };
  }
  yield { metricName: 'response_latency_ms_sum', labels, value: series.latencySumMs };
  yield { metricName: 'response_latency_ms_count', labels, value: count };
}
