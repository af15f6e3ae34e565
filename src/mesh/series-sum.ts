import { LATENCY_BOUNDS_MS, type TrafficLabels, type TrafficSeries } from './traffic.ts';

/** A series that has counted nothing. */
export function emptySeries(labels: TrafficLabels): TrafficSeries {
  return {
    labels,
    requests: 0,
    successes: 0,
    failures: 0,
    statuses: new Map(),
    failedStatuses: new Map(),
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

const NUMBERS = [
  'requests',
  'successes',
  'failures',
  'latencySumMs',
  'tcpOpened',
  'tcpClosed',
  'tcpOpen',
  'bytesRead',
  'bytesWritten',
] as const;
const COUNTS = ['statuses', 'failedStatuses', 'refused', 'audited'] as const;

/** Adds every count of `more` to `sum`. */
export function addSeries(sum: TrafficSeries, more: TrafficSeries): void {
  for (const name of NUMBERS) sum[name] += more[name];
  for (const [i, n] of more.latency.entries()) sum.latency[i]! += n;
  for (const name of COUNTS) {
    const into = sum[name] as Map<unknown, number>;
    for (const [key, n] of more[name]) into.set(key, (into.get(key) ?? 0) + n);
  }
}
