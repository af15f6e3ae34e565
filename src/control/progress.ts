import type { Concern, DiscoveryServer } from '../discovery/server.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { SmiObject } from '../spec/read.ts';
import type { TrafficSplit, TrafficTarget } from '../spec/smi.ts';
import type { Snapshot } from '../spec/snapshot.ts';

/** How far an object has got: live on `live` of the `of` sidecars that it concerns; 0 of 0 when it is in force nowhere. */
export interface Progress {
  readonly live: number;
  readonly of: number;
}

/** What was asked, and what was decided from it. */
export interface Decided {
  readonly snapshot: Snapshot;
  readonly mesh: Mesh;
}

/**
 * Says how far SMI objects have got. A TrafficSplit concerns who gets a Service that it routes, a TrafficTarget the pods
 * whose policy it is part of; the others take effect only through these, and concern whom these concern.
 */
export function progressOf(
  { snapshot, mesh }: Decided,
  discovery: Pick<DiscoveryServer, 'progress'>,
): (object: SmiObject) => Progress {
  const direct = new Map([...servicesBySplit(mesh), ...podsByTarget(mesh)]);
  const users = usersOf(snapshot);
  return (object) => {
    const own = nameOf(object);
    const names = direct.has(own) ? [own] : (users.get(own) ?? []);
    return discovery.progress(names.flatMap((name) => direct.get(name) ?? []));
  };
}

function nameOf({ kind, metadata }: Pick<SmiObject, 'kind' | 'metadata'>): string {
  return `${kind} ${metadata.namespace}/${metadata.name}`;
}

/** Name of a split -> the Services with a route of it. One without effect is on none. */
function servicesBySplit(mesh: Mesh): ReadonlyMap<string, readonly Concern[]> {
  const services = new Map<string, Concern[]>();
  for (const { key, ports } of mesh.services.values()) {
    const routes = new Set(ports.flatMap((port) => port.routes.map((route) => route.name)));
    for (const name of routes) file(services, name, { key });
  }
  return services;
}

/** Name of an access rule -> the pods whose inbound policy has it. */
function podsByTarget(mesh: Mesh): ReadonlyMap<string, readonly Concern[]> {
  const pods = new Map<string, string[]>();
  for (const [pod, { inbound }] of mesh.workloads) {
    for (const name of new Set(inbound.rules.map((rule) => rule.name))) file(pods, name, pod);
  }
  return new Map([...pods].map(([name, of]) => [name, [{ key: 'inbound', pods: of }]]));
}

/** Name of an object -> names of the targets and splits that refer to it. */
function usersOf({ trafficTargets, trafficSplits }: Snapshot): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>();
  for (const object of [...trafficTargets.values(), ...trafficSplits.values()]) {
    for (const { kind, name, namespace } of referencesOf(object)) {
      file(users, `${kind} ${namespace || object.metadata.namespace}/${name}`, nameOf(object));
    }
  }
  return users;
}

function referencesOf({ kind, spec }: TrafficTarget | TrafficSplit): readonly Reference[] {
  if (spec === undefined) return [];
  if (kind === 'TrafficSplit') return spec.matches ?? [];
  return [spec.destination, ...(spec.sources ?? []), ...(spec.rules ?? [])];
}

interface Reference {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

function file<T>(map: Map<string, T[]>, key: string, value: T): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else known.push(value);
}
