import type { Diagnostic } from '../base/diagnostic.ts';
import type { EndpointSlice, Namespace, Pod, Service, ServiceAccount, WorkloadOwner } from './kubernetes.ts';
import type { ObjectMeta } from './meta.ts';
import type { SmiObject } from './read.ts';
import type { HTTPRouteGroup, IdentityBinding, TCPRoute, TrafficSplit, TrafficTarget, UDPRoute } from './smi.ts';

/**
 * Everything that was asked, at one moment. Immutable: a change makes a new Snapshot that shares every unchanged object
 * and every unchanged map with the old one, so that identity comparison finds what changed.
 * Keys are `namespace/name`; for Namespaces the name.
 */
export interface Snapshot {
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly serviceAccounts: ReadonlyMap<string, ServiceAccount>;
  readonly services: ReadonlyMap<string, Service>;
  readonly endpointSlices: ReadonlyMap<string, EndpointSlice>;
  readonly pods: ReadonlyMap<string, Pod>;
  /** Key `kind/namespace/name`. */
  readonly workloadOwners: ReadonlyMap<string, WorkloadOwner>;
  readonly trafficTargets: ReadonlyMap<string, TrafficTarget>;
  readonly identityBindings: ReadonlyMap<string, IdentityBinding>;
  readonly httpRouteGroups: ReadonlyMap<string, HTTPRouteGroup>;
  readonly tcpRoutes: ReadonlyMap<string, TCPRoute>;
  readonly udpRoutes: ReadonlyMap<string, UDPRoute>;
  readonly trafficSplits: ReadonlyMap<string, TrafficSplit>;
  /** SMI objects that cannot be read (they came in before Weft): they are in no map and grant nothing. Key `kind/namespace/name`. */
  readonly unreadable: ReadonlyMap<string, UnreadableObject>;
  /** What was found while reading. Errors: why an object is in no map. Warnings: fields without effect of one that is. */
  readonly remarks: readonly Diagnostic[];
}

/** What is known of an SMI object that is there and has no meaning. */
export interface UnreadableObject {
  readonly kind: SmiObject['kind'];
  readonly metadata: ObjectMeta;
  readonly unreadable: true;
}

export const emptySnapshot: Snapshot = {
  namespaces: new Map(),
  serviceAccounts: new Map(),
  services: new Map(),
  endpointSlices: new Map(),
  pods: new Map(),
  workloadOwners: new Map(),
  trafficTargets: new Map(),
  identityBindings: new Map(),
  httpRouteGroups: new Map(),
  tcpRoutes: new Map(),
  udpRoutes: new Map(),
  trafficSplits: new Map(),
  unreadable: new Map(),
  remarks: [],
};
