import type { ReasonCode } from './reasons.ts';
import type { WorkloadLabels } from './resources.ts';

/**
 * Counters of one kind of traffic at one proxy: plain numbers that the data path increments and the exposition copies.
 * Series exist from the moment their labels are known and start at 0. Label values come from bounded sets only.
 */
export interface TrafficSeries {
  readonly labels: TrafficLabels;
  /** HTTP requests that were routed (or refused). */
  requests: number;
  /** Final responses by status class and classification (`smi.md` M6: 5xx, gRPC status and lost ones are failures). */
  successes: number;
  failures: number;
  /** Final responses by status code, `200` -> count; few distinct ones. */
  readonly statuses: Map<number, number>;
  /** How many of `statuses` were failures: a refusal is one with its 403, a failed gRPC call with its 200. */
  readonly failedStatuses: Map<number, number>;
  /** Observations of milliseconds from request head to end of response, one slot per bound of LATENCY_BOUNDS_MS and +Inf. */
  readonly latency: Float64Array;
  latencySumMs: number;
  /** Raw TCP, or the bytes of tunnels. */
  tcpOpened: number;
  tcpClosed: number;
  tcpOpen: number;
  bytesRead: number;
  bytesWritten: number;
  /** Refusals of this proxy by reason. Denied requests are failures but not in `latency` (M7). */
  readonly refused: Map<ReasonCode, number>;
  /** Would-be refusals of the audit mode. */
  readonly audited: Map<ReasonCode, number>;
}

export interface TrafficLabels {
  readonly direction: 'inbound' | 'outbound';
  /** Verified peer: the server's identity outbound, the client's inbound; undefined = not meshed. */
  readonly peerIdentity: string | undefined;
  readonly tls: boolean;
  /** Outbound only: whom the request was for. */
  readonly target: TrafficTargetLabels | undefined;
}

export interface TrafficTargetLabels {
  /**
   * The Service that the app called, and the backend that a split chose (the same without a split). Both empty, and the
   * port 0, for a pod that was called by its address on a port of no Service.
   */
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  readonly backend: string;
  /** The endpoint's workload, where it is a pod. */
  readonly workload: WorkloadLabels | undefined;
}

/** Linkerd's bucket bounds, so that existing dashboards and Flagger's queries work unchanged. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100, 200, 300, 400, 500, 1000, 2000, 3000, 4000, 5000, 10000, 20000, 30000, 40000,
  50000,
];
