import { service as podService } from '../fleet.ts';
import type { KubeObject } from '../kube.ts';

/** Short ways to write the objects of cases. The lab adds version and namespace; `$id-` keeps names apart. */

export interface RouteEntry {
  readonly path?: string;
  readonly methods?: readonly string[];
  /** As a map, or as a list of single-key maps: the texts know both. */
  readonly headers?: Readonly<Record<string, string>> | readonly Readonly<Record<string, string>>[];
}

export interface Rule {
  readonly kind: string;
  readonly name: string;
  readonly matches?: readonly string[];
}

export interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

export function routeGroup(name: string, entries: Readonly<Record<string, RouteEntry>>): KubeObject {
  const matches = Object.entries(entries).map(([entry, { path, methods, headers }]) => ({
    name: entry,
    ...(path === undefined ? {} : { pathRegex: path }),
    ...(methods === undefined ? {} : { methods }),
    ...(headers === undefined ? {} : { headers }),
  }));
  return {
    apiVersion: 'specs.smi-spec.io',
    kind: 'HTTPRouteGroup',
    metadata: { name: `$id-${name}` },
    spec: { matches },
  };
}

/** Every path and method. */
export const everything = routeGroup('everything', { any: { path: '.*', methods: ['*'] } });

export function tcpRoute(
  name: string,
  ports: readonly number[],
  kind: 'TCPRoute' | 'UDPRoute' = 'TCPRoute',
): KubeObject {
  return { apiVersion: 'specs.smi-spec.io', kind, metadata: { name: `$id-${name}` }, spec: { matches: { ports } } };
}

export function udpRoute(name: string, ports: readonly number[]): KubeObject {
  return tcpRoute(name, ports, 'UDPRoute');
}

/** A rule that names a route object of the case, and perhaps entries of it. */
export function rule({ kind, metadata }: KubeObject, ...matches: readonly string[]): Rule {
  return { kind, name: metadata.name, ...(matches.length === 0 ? {} : { matches }) };
}

export function account(name: string, namespace: string | undefined = '$policy'): Subject {
  return { kind: 'ServiceAccount', name, ...(namespace === undefined ? {} : { namespace }) };
}

/** A source that leaves its namespace out. */
export function bareAccount(name: string): Subject {
  return { kind: 'ServiceAccount', name };
}

export interface TargetOptions {
  readonly sources: readonly Subject[];
  readonly rules: readonly Rule[];
  readonly destination?: Subject;
}

export function target(name: string, { sources, rules, destination = account('$b') }: TargetOptions): KubeObject {
  return {
    apiVersion: 'access.smi-spec.io',
    kind: 'TrafficTarget',
    metadata: { name: `$id-${name}` },
    spec: { destination, sources, rules },
  };
}

export interface BackendWeight {
  readonly service: string;
  readonly weight: unknown;
}

/** `backends` by name of the case's own Services (`$id-` is put before) or as a list that is taken as it is. */
export function split(
  name: string,
  root: string,
  backends: Readonly<Record<string, number>> | readonly BackendWeight[],
  matches: readonly KubeObject[] = [],
): KubeObject {
  const list = Array.isArray(backends)
    ? (backends as readonly BackendWeight[])
    : Object.entries(backends).map(([service, weight]) => ({ service: `$id-${service}`, weight: weight as number }));
  return {
    apiVersion: 'split.smi-spec.io',
    kind: 'TrafficSplit',
    metadata: { name: `$id-${name}` },
    spec: {
      service: root,
      backends: list,
      ...(matches.length === 0
        ? {}
        : { matches: matches.map(({ kind, metadata }) => ({ kind, name: metadata.name })) }),
    },
  };
}

/** A Service of the case in front of pods of the fleet: `v1`, `v2`, `v3`, or those with a label. */
export function service(name: string, selects: string, ports?: Readonly<Record<number, number>>): KubeObject {
  const selector = selects.startsWith('in-') ? { [selects]: 'yes' } : { app: selects };
  const { metadata, ...rest } = podService('', `$id-${name}`, selector, ports);
  return { ...rest, metadata: { name: metadata.name } };
}

/** An object with another spec: what a case changes. */
export function withSpec(object: KubeObject, spec: Readonly<Record<string, unknown>>): KubeObject {
  return { ...object, spec: { ...(object['spec'] as Record<string, unknown>), ...spec } };
}
