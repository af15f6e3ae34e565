/**
 * TrafficMetrics of metrics.smi-spec.io, as clients of its two versions expect it (`smi.md` 1.5). It is no custom resource:
 * an aggregated API server makes these objects when they are asked for. The versions are served side by side and never
 * converted: what v1alpha2 adds (the side, the backend) tells apart items that v1alpha1 cannot tell apart.
 */
export type MetricsVersion = 'v1alpha1' | 'v1alpha2';

export interface ObjectReference {
  readonly kind: string;
  /** Absent for namespaces. */
  readonly namespace?: string;
  /** Absent in lists, which are about every object of the kind. */
  readonly name?: string;
}

/** One peer of a resource. `from`: it calls the resource; `to`: the resource calls it. */
export interface Edge {
  readonly direction: 'from' | 'to';
  /** Whose sidecar has measured. */
  readonly side: 'client' | 'server';
  readonly resource: ObjectReference;
}

/** One backend of a TrafficSplit. */
export interface BackendShare {
  readonly apex: string;
  readonly name: string;
  readonly weight: number;
}

export interface Metric {
  readonly name: string;
  /** Absent for counts. */
  readonly unit?: string;
  /** A Kubernetes quantity. */
  readonly value: string;
}

export interface TrafficMetrics {
  readonly kind: 'TrafficMetrics';
  readonly apiVersion: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly selfLink: string;
    /** RFC 3339; like `timestamp`, the time of the question. */
    readonly creationTimestamp: string;
  };
  readonly timestamp: string;
  /** A Go duration: clients divide the counts by it. */
  readonly window: string;
  readonly resource: ObjectReference;
  readonly edge: {
    readonly direction: 'from' | 'to';
    /** From v1alpha2 on. */
    readonly side?: 'client' | 'server';
    /** Null for the traffic of all peers together. */
    readonly resource: ObjectReference | null;
  };
  /** From v1alpha2 on; null but for TrafficSplits. */
  readonly backend?: BackendShare | null;
  readonly metrics: readonly Metric[];
}

export interface TrafficMetricsList {
  readonly kind: 'TrafficMetricsList';
  readonly apiVersion: string;
  readonly metadata: { readonly selfLink: string };
  /** Without name, or the object whose edges these are. */
  readonly resource: ObjectReference;
  /** The selector that was asked with. */
  readonly selector?: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly items: readonly TrafficMetrics[];
}
