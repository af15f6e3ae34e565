import type { Credentials } from '../../mesh/credentials.ts';
import type { Resource } from '../../mesh/resources.ts';
import type { TrafficSeries } from '../../mesh/traffic.ts';
import type { Destination } from '../destination.ts';
import type { ProxyOptions, ProxyState } from '../options.ts';

// What a sidecar's main thread and its workers say to each other; everything is plain data that can be cloned.

/** What a worker is born with. */
export interface WorkerSetup extends Pick<
  ProxyOptions,
  'listeners' | 'appAddress' | 'podAddresses' | 'tunnelPort' | 'forbidden' | 'metrics' | 'reservedPorts'
> {
  /** The same in every worker: what passes one of them must not come back through another. */
  readonly instance: string;
  /** Whether a control plane can be asked about unknown destinations. */
  readonly lookUp: boolean;
}

export type ToWorker =
  /** What changed; resources that did not keep their identity in the worker too. */
  | { readonly type: 'config'; readonly set: readonly Resource[]; readonly removed: readonly string[] }
  | { readonly type: 'credentials'; readonly credentials: Credentials }
  /** The answer to a `lookUp`, if there is one, has gone out as configuration. */
  | { readonly type: 'lookedUp'; readonly question: number }
  | { readonly type: 'report' }
  /** Drain and end. */
  | { readonly type: 'stop' };

export type FromWorker =
  | { readonly type: 'ready'; readonly ready: boolean }
  | { readonly type: 'lookUp'; readonly question: number; readonly destination: Destination }
  | WorkerReport;

export interface WorkerReport {
  readonly type: 'report';
  readonly state: ProxyState;
  readonly series: readonly TrafficSeries[];
}
