import { present } from '../json.ts';
import { formatGoDuration } from './duration.ts';
import type {
  BackendShare,
  Edge,
  Metric,
  MetricsVersion,
  ObjectReference,
  TrafficMetrics,
  TrafficMetricsList,
} from './shapes.ts';

/** What was counted in the window. */
export interface Measured {
  readonly success: number;
  /** Answers 5xx, broken exchanges, and what policy denied (`smi.md` M6, M7). */
  readonly failure: number;
  /** Quantiles in milliseconds; undefined or NaN where nothing was measured (`smi.md` M10). */
  readonly p50Ms?: number;
  readonly p90Ms?: number;
  readonly p99Ms?: number;
}

export interface Question {
  readonly version: MetricsVersion;
  /** Plural of the resource, as in the path that was asked for. */
  readonly plural: string;
  readonly nowMs: number;
  readonly windowMs: number;
}

export interface Subject {
  readonly resource: ObjectReference & { readonly name: string };
  /** One peer; absent for all of them together. */
  readonly edge?: Edge;
  /** For a TrafficSplit, the backend that this item is about; v1alpha2 only. */
  readonly backend?: BackendShare;
}

const GROUP = 'metrics.smi-spec.io';

/** One item: what `resource` did, with one peer or with all. */
export function trafficMetrics(question: Question, { resource, edge, backend }: Subject, measured: Measured) {
  const { version, nowMs, windowMs } = question;
  const time = new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z');
  const newer = version === 'v1alpha2';
  const metrics: TrafficMetrics = {
    kind: 'TrafficMetrics',
    apiVersion: `${GROUP}/${version}`,
    metadata: {
      name: resource.name,
      ...(resource.namespace === undefined ? {} : { namespace: resource.namespace }),
      selfLink: selfLink(question, resource, edge !== undefined),
      creationTimestamp: time,
    },
    timestamp: time,
    window: formatGoDuration(windowMs),
    resource,
    edge: {
      direction: edge?.direction ?? 'from',
      ...(newer ? { side: edge?.side ?? 'server' } : {}),
      resource: edge?.resource ?? null,
    },
    ...(newer ? { backend: backend ?? null } : {}),
    metrics: metricsOf(measured),
  };
  return metrics;
}

/** Items about every object of a kind, or about every edge of one (then `resource` has its name). */
export function trafficMetricsList(
  question: Question,
  resource: ObjectReference,
  items: readonly TrafficMetrics[],
  matchLabels?: Readonly<Record<string, string>>,
): TrafficMetricsList {
  return present({
    kind: 'TrafficMetricsList' as const,
    apiVersion: `${GROUP}/${question.version}`,
    metadata: { selfLink: selfLink(question, resource, resource.name !== undefined) },
    resource,
    selector: matchLabels === undefined ? undefined : { matchLabels },
    items,
  });
}

/** In this order, by which one client finds them (`clients.md` 7.1). */
function metricsOf({ success, failure, p50Ms, p90Ms, p99Ms }: Measured): Metric[] {
  const latency = (name: string, value = 0): Metric => ({ name, unit: 'ms', value: formatQuantity(value) });
  return [
    latency('p99_response_latency', p99Ms),
    latency('p90_response_latency', p90Ms),
    latency('p50_response_latency', p50Ms),
    { name: 'success_count', value: formatQuantity(success) },
    { name: 'failure_count', value: formatQuantity(failure) },
  ];
}

function selfLink({ version, plural }: Question, { namespace, name }: ObjectReference, edges: boolean): string {
  const root = `/apis/${GROUP}/${version}`;
  const within = namespace === undefined ? root : `${root}/namespaces/${namespace}`;
  return `${within}/${plural}${name === undefined ? '' : `/${name}`}${edges ? '/edges' : ''}`;
}

/** A quantity of whole or thousandth units: 294 is `294`, 296.875 is `296875m`. What is no number is 0. */
export function formatQuantity(value: number): string {
  if (!Number.isFinite(value) || value <= 0) return '0';
  const milli = Math.min(Math.round(value * 1000), Number.MAX_SAFE_INTEGER);
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`;
}
