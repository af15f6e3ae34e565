import type { DiscoveryServer } from '../discovery/server.ts';
import type { Mesh } from '../mesh/mesh.ts';
import { serviceKey } from '../mesh/resources.ts';
import type { SmiObject } from '../spec/read.ts';

/** How far an object has got: live on `live` of the `of` sidecars that it concerns. */
export interface Progress {
  readonly live: number;
  readonly of: number;
}

/**
 * Says how far a TrafficSplit or TrafficTarget has got. Undefined for other kinds, which take effect only through these,
 * and for what concerns no sidecar.
 */
export function progressOf(
  mesh: Mesh,
  discovery: Pick<DiscoveryServer, 'progress'>,
): (object: SmiObject) => Progress | undefined {
  const pods = podsByTarget(mesh);
  return (object) => {
    const { namespace, name } = object.metadata;
    const progress =
      object.kind === 'TrafficSplit' && object.spec !== undefined
        ? discovery.progress(serviceKey(namespace, object.spec.service))
        : object.kind === 'TrafficTarget'
          ? discovery.progress('inbound', pods.get(`TrafficTarget ${namespace}/${name}`) ?? [])
          : undefined;
    return progress === undefined || progress.of === 0 ? undefined : progress;
  };
}

/** Name of an access rule -> the pods whose inbound policy has it. */
function podsByTarget(mesh: Mesh): ReadonlyMap<string, readonly string[]> {
  const pods = new Map<string, string[]>();
  for (const [pod, { inbound }] of mesh.workloads) {
    for (const name of new Set(inbound.rules.map((rule) => rule.name))) {
      const known = pods.get(name);
      if (known === undefined) pods.set(name, [pod]);
      else known.push(pod);
    }
  }
  return pods;
}
