import type { Diagnostic, ObjectRef } from '../base/diagnostic.ts';
import { HUB_VERSIONS } from './convert.ts';
import { keptOlder } from './conversion/kept.ts';
import { Json, type Problem } from './json.ts';
import type { EndpointSlice, Namespace, Pod, Service, ServiceAccount, WorkloadOwner } from './kubernetes.ts';
import { leftovers, olderRemarks } from './leftovers.ts';
import type { ObjectMeta } from './meta.ts';
import { readEndpointSlice, readPodSpec, readPodStatus, readServiceSpec } from './read-kubernetes.ts';
import { readMeta } from './read-meta.ts';
import {
  readHTTPRouteGroupSpec,
  readIdentityBindingSpec,
  readPortRouteSpec,
  readTrafficSplitSpec,
  readTrafficTargetSpec,
} from './read-smi.ts';
import type { HTTPRouteGroup, IdentityBinding, TCPRoute, TrafficSplit, TrafficTarget, UDPRoute } from './smi.ts';

export type SmiObject = TrafficTarget | IdentityBinding | HTTPRouteGroup | TCPRoute | UDPRoute | TrafficSplit;
export type ClusterObject = Namespace | ServiceAccount | Service | EndpointSlice | Pod | WorkloadOwner;
export type SnapshotObject = SmiObject | ClusterObject;
export type SnapshotKind = SnapshotObject['kind'];

/** What came of reading one object: the object, or the errors that say why there is none; remarks in either case. */
export interface ReadResult<T> {
  readonly object?: T;
  readonly diagnostics: readonly Diagnostic[];
}

/** What is known about an object before it is read. Items of a Kubernetes list do not say what they are. */
export interface ReadHints {
  readonly apiVersion?: string;
  readonly kind?: string;
  /** `shop.yaml:14` */
  readonly source?: string;
}

/**
 * Reads any object that a Snapshot can hold from JSON that somebody else wrote. Never throws, whatever the JSON.
 * Readers take more than validators admit; an object with a part that has no meaning is not read at all, because half a
 * policy might grant what the whole would not.
 */
export function readObject(raw: unknown, hints: ReadHints = {}): ReadResult<SnapshotObject> {
  const problems: Problem[] = [];
  const root = new Json(raw, '', problems);
  const apiVersion = root.at('apiVersion').optionalString() ?? hints.apiVersion ?? '';
  const kind = root.at('kind').optionalString() ?? hints.kind ?? '';
  const metadata = readMeta(root.at('metadata'));
  const ref = refOf(apiVersion, kind, metadata, hints.source);
  const hub = HUB_VERSIONS.get(kind);
  if (hub === undefined) return readCluster(root, ref, metadata, problems);
  const version = apiVersion.startsWith(`${hub.group}/`) ? apiVersion.slice(hub.group.length + 1) : undefined;
  const toHub = version === undefined ? undefined : hub.toHub.get(version);
  if (toHub === undefined) return { diagnostics: [unknownVersion(ref, `${hub.group}/${hub.hub}`)] };
  if (problems.length > 0) return { diagnostics: unreadable(ref, problems) };
  const at = new Json(toHub(root.value as Record<string, unknown>), '', problems);
  const object = readSmi(`${hub.group}/${hub.hub}`, kind as SmiObject['kind'], readMeta(at.at('metadata')), at);
  if (problems.length > 0) return { diagnostics: unreadable(ref, problems) };
  const older = keptOlder(object.metadata.annotations);
  return { object, diagnostics: [...leftovers(at, ref), ...olderRemarks(older, ref)] };
}

/** As `readObject`, for SMI kinds only: anything else is an error. */
export function readSmiObject(raw: unknown, hints: ReadHints = {}): ReadResult<SmiObject> {
  const result = readObject(raw, hints);
  const { object } = result;
  if (object === undefined) return { diagnostics: result.diagnostics };
  if (isSmiObject(object)) return { object, diagnostics: result.diagnostics };
  return { diagnostics: [unknownKind(refOf(object.apiVersion, object.kind, object.metadata, hints.source))] };
}

export function isSmiObject(object: SnapshotObject): object is SmiObject {
  return HUB_VERSIONS.has(object.kind);
}

function readSmi(apiVersion: string, kind: SmiObject['kind'], metadata: ObjectMeta, root: Json): SmiObject {
  const spec = root.at('spec');
  switch (kind) {
    case 'TrafficTarget': {
      const port = keptOlder(metadata.annotations)['destinationPort'];
      return withSpec(
        { apiVersion, kind, metadata },
        readTrafficTargetSpec(spec, root.beside('spec.destination.port', port)),
      );
    }
    case 'IdentityBinding':
      return withSpec({ apiVersion, kind, metadata }, readIdentityBindingSpec(spec));
    case 'HTTPRouteGroup':
      return withSpec({ apiVersion, kind, metadata }, readHTTPRouteGroupSpec(spec));
    case 'TCPRoute':
    case 'UDPRoute':
      return withSpec({ apiVersion, kind, metadata }, readPortRouteSpec(spec));
    case 'TrafficSplit':
      return withSpec({ apiVersion, kind, metadata }, readTrafficSplitSpec(spec));
  }
}

function withSpec<T extends object, S>(object: T, spec: S | undefined): T & { spec?: S } {
  return spec === undefined ? object : { ...object, spec };
}

function readCluster(root: Json, ref: ObjectRef, metadata: ObjectMeta, problems: Problem[]): ReadResult<ClusterObject> {
  const object = readClusterKind(`${ref.apiVersion}/${ref.kind}`, root, metadata);
  if (object === undefined) return { diagnostics: [unknownKind(ref)] };
  return problems.length > 0 ? { diagnostics: unreadable(ref, problems) } : { object, diagnostics: [] };
}

function readClusterKind(type: string, root: Json, metadata: ObjectMeta): ClusterObject | undefined {
  switch (type) {
    case 'v1/Namespace':
      return { apiVersion: 'v1', kind: 'Namespace', metadata };
    case 'v1/ServiceAccount':
      return { apiVersion: 'v1', kind: 'ServiceAccount', metadata };
    case 'v1/Service':
      return { apiVersion: 'v1', kind: 'Service', metadata, spec: readServiceSpec(root.at('spec')) };
    case 'v1/Pod':
      return {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata,
        spec: readPodSpec(root.at('spec')),
        status: readPodStatus(root.at('status')),
      };
    case 'discovery.k8s.io/v1/EndpointSlice':
      return { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', ...readEndpointSlice(root, metadata) };
    case 'apps/v1/ReplicaSet':
      return { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata };
    case 'batch/v1/Job':
      return { apiVersion: 'batch/v1', kind: 'Job', metadata };
    default:
      return undefined;
  }
}

function refOf(apiVersion: string, kind: string, metadata: ObjectMeta, source: string | undefined): ObjectRef {
  const { namespace, name, uid } = metadata;
  return {
    apiVersion,
    kind,
    namespace,
    name,
    ...(uid === '' ? {} : { uid }),
    ...(source === undefined ? {} : { source }),
  };
}

function unreadable(object: ObjectRef, problems: readonly Problem[]): Diagnostic[] {
  return problems.map(({ path, message }) => ({
    code: 'SMI0001',
    level: 'error',
    object,
    path,
    message: `${path === '' ? 'the object' : path} ${message}; until it is corrected the whole object counts as absent`,
    fix: `correct ${path === '' ? 'the object' : path} and apply the object again`,
  }));
}

function unknownVersion(object: ObjectRef, hub: string): Diagnostic {
  return {
    code: 'SMI0002',
    level: 'error',
    object,
    path: 'apiVersion',
    message: `${object.kind} is not known in version ${JSON.stringify(object.apiVersion)}; the object has no effect`,
    fix: `write apiVersion: ${hub}`,
  };
}

function unknownKind(object: ObjectRef): Diagnostic {
  return {
    code: 'SMI0003',
    level: 'error',
    object,
    path: 'kind',
    message: `kind ${JSON.stringify(object.kind)} of ${JSON.stringify(object.apiVersion)} has no meaning for the mesh; the object is not read`,
    fix: `use one of ${[...HUB_VERSIONS.keys()].join(', ')}, or leave the object out`,
  };
}
