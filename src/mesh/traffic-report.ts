import type { WorkloadLabels } from './resources.ts';
import type { TrafficLabels, TrafficSeries } from './traffic.ts';

/** The traffic counters of one proxy at one moment, as JSON: what its admin listener answers at `/traffic`. */
export interface TrafficReport {
  /** Undefined until the proxy has its first configuration. */
  readonly workload?: WorkloadLabels;
  readonly series: readonly SeriesReport[];
}

export interface SeriesReport {
  readonly labels: TrafficLabels;
  readonly requests: number;
  readonly successes: number;
  readonly failures: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly failedStatuses: Readonly<Record<string, number>>;
  /** Per bound of LATENCY_BOUNDS_MS, and +Inf; not cumulative. */
  readonly latency: readonly number[];
  readonly latencySumMs: number;
  readonly tcpOpened: number;
  readonly tcpClosed: number;
  readonly tcpOpen: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly audited: Readonly<Record<string, number>>;
}

/** Copies live counters into plain JSON. */
export function trafficReport(workload: WorkloadLabels | undefined, series: Iterable<TrafficSeries>): TrafficReport {
  return {
    ...(workload === undefined ? {} : { workload }),
    series: Array.from(series, (s) => ({
      ...s,
      statuses: Object.fromEntries(s.statuses),
      failedStatuses: Object.fromEntries(s.failedStatuses),
      latency: [...s.latency],
      refused: Object.fromEntries(s.refused),
      audited: Object.fromEntries(s.audited),
    })),
  };
}
