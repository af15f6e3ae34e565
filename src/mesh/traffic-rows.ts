import type { WorkloadLabels } from './resources.ts';
import { parseSpiffeId } from './spiffe.ts';
import { LATENCY_BOUNDS_MS } from './traffic.ts';
import type { SeriesReport, TrafficReport } from './traffic-report.ts';

/** What one workload asked of one Service during an interval: a line of the live table. */
export interface TrafficRow {
  /** `shop/web` */
  readonly source: string;
  /** `shop/catalog`; `(unknown)` for destinations that are no Service of the mesh. */
  readonly destination: string;
  /** Requests per second, or opened connections per second for raw TCP. */
  readonly perSecond: number;
  readonly unit: 'requests' | 'connections';
  /** 0 to 1; undefined when nothing was answered. */
  readonly successRate: number | undefined;
  /** Upper bound of the histogram's bucket, interpolated inside it. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** Fraction of the traffic by backend Service; empty for raw refusals. */
  readonly shares: readonly { readonly backend: string; readonly fraction: number }[];
  /** What was answered with a refusal of a sidecar, and why. */
  readonly refusals: readonly { readonly reason: string; readonly perSecond: number }[];
}

/** Sums of one (source, destination) pair over an interval. */
interface Sums {
  readonly source: string;
  readonly destination: string;
  requests: number;
  successes: number;
  failures: number;
  connections: number;
  readonly latency: number[];
  readonly backends: Map<string, number>;
  readonly refused: Map<string, number>;
}

/** Refusals by the sidecar of a called workload, which the caller's own sidecar saw as plain answers. */
interface Denial {
  /** SPIFFE ID of the caller; undefined for one outside the mesh. */
  readonly peer: string | undefined;
  /** `namespace/pod` that refused, and its workload. */
  readonly pod: string;
  readonly workload: WorkloadLabels;
  readonly reason: string;
  readonly count: number;
}

/** What a caller's service account sent to one pod, by the pair that it belongs to. */
type Calls = Map<string, { readonly sums: Sums; count: number }[]>;

/**
 * Rates between two looks at the same proxies.
 * @param before reports by proxy, from the earlier look; a proxy that is missing there counts from zero
 * @param seconds between the looks
 */
export function trafficRows(
  before: ReadonlyMap<string, TrafficReport>,
  after: ReadonlyMap<string, TrafficReport>,
  seconds: number,
): TrafficRow[] {
  const pairs = new Map<string, Sums>();
  const calls: Calls = new Map();
  const denials: Denial[] = [];
  for (const [proxy, { workload, series: all }] of after) {
    if (workload === undefined) continue;
    const source = `${workload.namespace}/${workload.owner}`;
    const looked = new Map((before.get(proxy)?.series ?? []).map((s) => [JSON.stringify(s.labels), s]));
    for (const series of all) {
      const earlier = sane(series, looked.get(JSON.stringify(series.labels)));
      if (series.labels.direction === 'inbound') {
        denials.push(...denialsOf(series, earlier, workload));
        continue;
      }
      const sums = sumsOf(pairs, source, destinationOf(series));
      add(sums, series, earlier);
      noteCalls(calls, workload, series, earlier, sums);
    }
  }
  for (const denial of denials) attribute(denial, calls, pairs);
  return [...pairs.values()].filter((s) => s.requests + s.connections > 0).map((s) => rowOf(s, seconds));
}

/** A proxy that has restarted in between counts from zero. */
function sane(now: SeriesReport, earlier: SeriesReport | undefined): SeriesReport | undefined {
  const restarted = earlier !== undefined && (now.requests < earlier.requests || now.tcpOpened < earlier.tcpOpened);
  return restarted ? undefined : earlier;
}

function destinationOf({ labels: { target } }: SeriesReport): string {
  if (target === undefined) return '(unknown)';
  return `${target.namespace}/${target.service === '' ? `pod ${target.workload?.pod ?? ''}` : target.service}`;
}

function denialsOf(now: SeriesReport, earlier: SeriesReport | undefined, workload: WorkloadLabels): Denial[] {
  const shared = { peer: now.labels.peerIdentity, pod: `${workload.namespace}/${workload.pod}`, workload };
  return Object.entries(now.refused)
    .map(([reason, n]) => ({ ...shared, reason, count: n - (earlier?.refused[reason] ?? 0) }))
    .filter(({ count }) => count > 0);
}

function noteCalls(
  calls: Calls,
  caller: WorkloadLabels,
  now: SeriesReport,
  earlier: SeriesReport | undefined,
  sums: Sums,
): void {
  const callee = now.labels.target?.workload;
  const count = now.requests + now.tcpOpened - (earlier?.requests ?? 0) - (earlier?.tcpOpened ?? 0);
  if (callee === undefined || count <= 0) return;
  const key = `${caller.namespace}/${caller.serviceAccount} ${callee.namespace}/${callee.pod}`;
  calls.set(key, [...(calls.get(key) ?? []), { sums, count }]);
}

/** Gives a refusal to the pairs whose calls it can have been, in the proportion of their calls to that pod. */
function attribute(denial: Denial, calls: Calls, pairs: Map<string, Sums>): void {
  const { reason, count, workload } = denial;
  const peer = denial.peer === undefined ? undefined : parseSpiffeId(denial.peer);
  const caller = peer === undefined ? '(unmeshed)' : `${peer.namespace}/${peer.serviceAccount}`;
  const found = calls.get(`${caller} ${denial.pod}`) ?? [];
  const total = found.reduce((sum, { count: n }) => sum + n, 0);
  for (const { sums, count: n } of found) deny(sums, reason, (count * n) / total);
  if (found.length > 0) return;
  const sums = sumsOf(pairs, caller, `${workload.namespace}/${workload.owner}`);
  sums.requests += count;
  sums.successes += count; // moved to the failures at once
  deny(sums, reason, count);
}

function deny(sums: Sums, reason: string, count: number): void {
  const answered = Math.min(count, sums.successes); // raw connections have no answers
  sums.successes -= answered;
  sums.failures += answered;
  sums.refused.set(reason, (sums.refused.get(reason) ?? 0) + count);
}

function sumsOf(pairs: Map<string, Sums>, source: string, destination: string): Sums {
  const key = `${source} ${destination}`;
  let sums = pairs.get(key);
  if (sums === undefined) {
    sums = {
      source,
      destination,
      requests: 0,
      successes: 0,
      failures: 0,
      connections: 0,
      latency: [],
      backends: new Map(),
      refused: new Map(),
    };
    pairs.set(key, sums);
  }
  return sums;
}

function add(sums: Sums, now: SeriesReport, earlier: SeriesReport | undefined): void {
  const requests = now.requests - (earlier?.requests ?? 0);
  const connections = now.tcpOpened - (earlier?.tcpOpened ?? 0);
  sums.requests += requests;
  sums.connections += connections;
  sums.successes += now.successes - (earlier?.successes ?? 0);
  sums.failures += now.failures - (earlier?.failures ?? 0);
  now.latency.forEach((n, i) => (sums.latency[i] = (sums.latency[i] ?? 0) + n - (earlier?.latency[i] ?? 0)));
  const backend = now.labels.target?.backend ?? '';
  if (backend !== '' && requests + connections > 0)
    sums.backends.set(backend, (sums.backends.get(backend) ?? 0) + requests + connections);
  for (const [reason, n] of Object.entries(now.refused)) {
    const more = n - (earlier?.refused[reason] ?? 0);
    if (more > 0) sums.refused.set(reason, (sums.refused.get(reason) ?? 0) + more);
  }
}

function rowOf(sums: Sums, seconds: number): TrafficRow {
  const raw = sums.requests === 0;
  const answered = sums.successes + sums.failures;
  const split = [...sums.backends.values()].reduce((a, b) => a + b, 0);
  return {
    source: sums.source,
    destination: sums.destination,
    perSecond: (raw ? sums.connections : sums.requests) / seconds,
    unit: raw ? 'connections' : 'requests',
    successRate: raw || answered === 0 ? undefined : sums.successes / answered,
    p50Ms: quantile(sums.latency, 0.5),
    p99Ms: quantile(sums.latency, 0.99),
    shares: [...sums.backends].map(([backend, n]) => ({ backend, fraction: n / split })),
    refusals: [...sums.refused].map(([reason, n]) => ({ reason, perSecond: n / seconds })),
  };
}

/** Quantile of a histogram by linear interpolation inside the bucket, as PromQL's histogram_quantile does it. */
export function quantile(counts: readonly number[], q: number): number | undefined {
  const total = counts.reduce((a, b) => a + b, 0);
  if (total <= 0) return undefined;
  let below = 0;
  for (const [i, n] of counts.entries()) {
    if (n > 0 && below + n >= q * total) {
      const low = i === 0 ? 0 : (LATENCY_BOUNDS_MS[i - 1] ?? 0);
      const high = LATENCY_BOUNDS_MS[i] ?? low;
      return low + ((high - low) * (q * total - below)) / n;
    }
    below += n;
  }
  return LATENCY_BOUNDS_MS.at(-1);
}
