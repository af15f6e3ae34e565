import { HUB_VERSIONS } from '../spec/convert.ts';
import type { SnapshotKind } from '../spec/read.ts';

/** A kind that is watched, and where it is. */
export interface WatchedKind {
  readonly kind: SnapshotKind;
  readonly apiVersion: string;
  readonly plural: string;
}

const PLURALS: Readonly<Record<SnapshotKind, string>> = {
  Namespace: 'namespaces',
  ServiceAccount: 'serviceaccounts',
  Service: 'services',
  EndpointSlice: 'endpointslices',
  Pod: 'pods',
  ReplicaSet: 'replicasets',
  Job: 'jobs',
  TrafficTarget: 'traffictargets',
  IdentityBinding: 'identitybindings',
  HTTPRouteGroup: 'httproutegroups',
  TCPRoute: 'tcproutes',
  UDPRoute: 'udproutes',
  TrafficSplit: 'trafficsplits',
};

const CLUSTER_VERSIONS: Readonly<Partial<Record<SnapshotKind, string>>> = {
  EndpointSlice: 'discovery.k8s.io/v1',
  ReplicaSet: 'apps/v1',
  Job: 'batch/v1',
};

/** Every kind of a Snapshot, SMI kinds in their hub version. */
export function watchedKinds(): WatchedKind[] {
  return (Object.keys(PLURALS) as SnapshotKind[]).map(watchedKind);
}

export function watchedKind(kind: SnapshotKind): WatchedKind {
  const smi = HUB_VERSIONS.get(kind);
  const apiVersion = smi === undefined ? (CLUSTER_VERSIONS[kind] ?? 'v1') : `${smi.group}/${smi.hub}`;
  return { kind, apiVersion, plural: PLURALS[kind] };
}

/** `/api/v1/pods`, `/apis/split.smi-spec.io/v1alpha4/trafficsplits`; of one namespace, and of one object, if given. */
export function pathOf({ apiVersion, plural }: Omit<WatchedKind, 'kind'>, namespace?: string, name?: string): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const within =
    namespace === undefined || namespace === '' ? root : `${root}/namespaces/${encodeURIComponent(namespace)}`;
  return name === undefined ? `${within}/${plural}` : `${within}/${plural}/${encodeURIComponent(name)}`;
}
