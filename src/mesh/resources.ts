/**
 * What was decided, as the proxies see it. Plain JSON data: it travels on the discovery stream and lies on disks as it
 * is. Resources are keyed; versions are content hashes (`base/content-hash.ts`), equal on every replica.
 */
export type Resource = WorkloadResource | InboundResource | ServiceResource | EndpointsResource | PodResource;

/** The resources of one proxy, by key. Unchanged resources keep their identity from one compile to the next. */
export type ProxyConfig = ReadonlyMap<string, Resource>;

/** Names the pod that a proxy stands beside. */
export interface WorkloadRef {
  readonly namespace: string;
  readonly pod: string;
}

/** Who the proxy is. Key: `workload`. */
export interface WorkloadResource {
  readonly type: 'workload';
  readonly key: 'workload';
  readonly trustDomain: string;
  /** `spiffe://<trust domain>/ns/<namespace>/sa/<service account>` */
  readonly identity: string;
  readonly labels: WorkloadLabels;
  /** Ports whose bytes are never looked at when the app dials them and no Service says otherwise. */
  readonly opaquePorts: readonly number[];
}

/** Bounded label values for metrics and logs: who a workload is. `deployment` is the name of the top owner. */
export interface WorkloadLabels {
  readonly namespace: string;
  readonly pod: string;
  readonly serviceAccount: string;
  /** Kind of the owner in lower case: `deployment`, `job`, `statefulset`, `daemonset`, `replicaset` or `pod`. */
  readonly ownerKind: string;
  readonly owner: string;
}

export type PolicyMode = 'deny' | 'permissive' | 'audit';

/** What may enter the pod. Key: `inbound`. */
export interface InboundResource {
  readonly type: 'inbound';
  readonly key: 'inbound';
  readonly mode: PolicyMode;
  /** Container ports that the pod serves TCP on, as far as its spec and its Services tell. */
  readonly ports: readonly InboundPort[];
  /** Grants: a request is allowed when any rule allows it; no rule, no access (`smi.md` A12: a union, no order). */
  readonly rules: readonly AccessRule[];
  /** What may be called without an identity in every mode: the pod's own probes (`smi.md` A15). */
  readonly probes: readonly InboundProbe[];
}

export interface InboundPort {
  readonly number: number;
  readonly protocol: PortProtocol;
}

/** `detect`: look at the first bytes; `tcp`: opaque, never look. */
export type PortProtocol = 'detect' | 'http1' | 'http2' | 'tcp';

export interface InboundProbe {
  readonly type: 'http' | 'tcp' | 'grpc';
  readonly port: number;
  /** HTTP only: exact path, GET. */
  readonly path?: string;
}

/** One grant. The peer must be among `principals` or `pods`, and all other conditions that are present must hold; `ports` and `http` are ORed inside. */
export interface AccessRule {
  /** The object that grants it, for explain, logs and metrics: `TrafficTarget shop/web-to-cart`. */
  readonly name: string;
  /** SPIFFE IDs of allowed peers. Empty: nobody by that. */
  readonly principals: readonly string[];
  /**
   * UIDs of pods that are allowed besides, whoever they run as (`smi.md` A20): what the peer's certificate says, which the
   * authority has from the token that the pod proved itself with.
   */
  readonly pods?: readonly string[];
  /** Container ports; absent = every port; empty = no port. */
  readonly ports?: readonly number[];
  /** Present: HTTP only, one of these must match (raw TCP is not granted). Absent: any bytes. Empty: nothing. */
  readonly http?: readonly HttpMatch[];
}

/** One entry of an HTTPRouteGroup: path AND method AND every header (`smi.md` 2.2, H1-H14). */
export interface HttpMatch {
  /** `group/entry`, for explain. */
  readonly name: string;
  /** Matched as `^(?:re)` on the normalised path without query (H1, H2). Absent = any. */
  readonly pathRegex?: string;
  /** Exact tokens; absent = any. Never empty, never `*` (compile resolves both to absent, H8, H9). */
  readonly methods?: readonly string[];
  /** (lower-cased name, full-match regex), all must match (H4, H5). `host` is the authority (H7). */
  readonly headers?: readonly (readonly [name: string, regex: string])[];
}

/** How a Service is reached and routed. Key: `service/<namespace>/<name>`. */
export interface ServiceResource {
  readonly type: 'service';
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** Cluster IPs. Empty for headless Services, whose traffic is found by endpoint address or by host name. */
  readonly addresses: readonly string[];
  /** Lower case, no trailing dot. Short names appear only for proxies of the same namespace. */
  readonly hostnames: readonly string[];
  readonly ports: readonly ServicePort[];
}

export interface ServicePort {
  readonly number: number;
  readonly protocol: PortProtocol;
  /** First route whose match holds wins; the last one has no matches. Raw TCP uses the first with `tcp`. */
  readonly routes: readonly Route[];
}

export interface Route {
  /** `TrafficSplit shop/checkout`, or `Service shop/checkout` for plain routing: explain, logs, metrics. */
  readonly name: string;
  /** ORed; absent = every request. */
  readonly matches?: readonly HttpMatch[];
  /** Whether raw TCP connections use it (never a route with matches, `smi.md` S15). */
  readonly tcp: boolean;
  /** Chosen by weight once per request. Empty or all zero: refused with SPLIT_WITHOUT_BACKEND (`smi.md` S8). */
  readonly backends: readonly Backend[];
  /** Ordered; empty today. Retries, timeouts, mirroring will be entries here. */
  readonly policies: readonly RoutePolicy[];
}

export interface RoutePolicy {
  readonly type: string;
}

export interface Backend {
  readonly namespace: string;
  /** Name of the backend Service: the metrics' `dst_service` and the split's share. */
  readonly service: string;
  readonly port: number;
  /** Non-negative integer. A backend without ready endpoints loses its share to the others at run time (S9). */
  readonly weight: number;
  /** Key of an EndpointsResource. */
  readonly endpoints: string;
}

/** The endpoints behind one port of one Service. Key: `endpoints/<namespace>/<service>/<port>`. */
export interface EndpointsResource {
  readonly type: 'endpoints';
  readonly key: string;
  readonly endpoints: readonly Endpoint[];
}

/** Ready endpoints only; sorted by address and port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** SPIFFE ID that the tunnel's far end must present. Absent: not meshed, dialled in plain text. */
  readonly identity?: string;
  /** Absent for endpoints that are no pod. */
  readonly labels?: WorkloadLabels;
}

/**
 * A pod with a sidecar, whoever stands in front of it: what is called by its address, on whatever port, goes through its
 * tunnel. Key: `pod/<namespace>/<name>`.
 */
export interface PodResource {
  readonly type: 'pod';
  readonly key: string;
  readonly addresses: readonly string[];
  /** SPIFFE ID that the tunnel's far end must present. */
  readonly identity: string;
  readonly labels: WorkloadLabels;
}

export function serviceKey(namespace: string, name: string): string {
  return `service/${namespace}/${name}`;
}

export function endpointsKey(namespace: string, service: string, port: number): string {
  return `endpoints/${namespace}/${service}/${port}`;
}

export function podKey(namespace: string, name: string): string {
  return `pod/${namespace}/${name}`;
}
