import { endpointsKey, type Endpoint, type EndpointsResource } from '../mesh/resources.ts';
import type { EndpointSlice, Service, ServicePort } from '../spec/kubernetes.ts';
import type { PodFacts } from './pod.ts';

/** The endpoints behind one port of a Service. */
export interface CompiledEndpoints {
  readonly resource: EndpointsResource;
  /** Whether a pod among them says that the port's bytes are opaque. */
  readonly opaque: boolean;
}

/** `namespace/name` of every pod that the slices name, in the order of the slices. */
export function podsOf(slices: readonly EndpointSlice[]): string[] {
  const pods: string[] = [];
  for (const slice of slices) {
    for (const { pod } of slice.endpoints) if (pod !== undefined) pods.push(`${slice.metadata.namespace}/${pod}`);
  }
  return pods;
}

/**
 * Ready endpoints of a port. One whose pod is not known yet is left out: dialled in plain text it would pass the mesh
 * by, and only the pod says which identity to expect.
 */
export function compileEndpoints(
  service: Service,
  port: ServicePort,
  slices: readonly EndpointSlice[],
  pods: ReadonlyMap<string, PodFacts>,
): CompiledEndpoints {
  const { namespace, name } = service.metadata;
  const found = new Map<string, Endpoint>();
  let opaque = false;
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4' && slice.addressType !== 'IPv6') continue;
    const target = slice.ports.find((p) => p.name === port.name && p.protocol === 'TCP')?.port;
    if (target === undefined) continue;
    for (const endpoint of slice.endpoints) {
      if (!endpoint.ready) continue;
      const pod = endpoint.pod === undefined ? undefined : pods.get(`${slice.metadata.namespace}/${endpoint.pod}`);
      if (endpoint.pod !== undefined && pod === undefined) continue;
      opaque ||= pod?.opaquePorts.includes(target) ?? false;
      for (const address of endpoint.addresses) found.set(`${address} ${target}`, toEndpoint(address, target, pod));
    }
  }
  const key = endpointsKey(namespace, name, port.port);
  return { resource: { type: 'endpoints', key, endpoints: [...found.values()].sort(byAddress) }, opaque };
}

function toEndpoint(address: string, port: number, pod: PodFacts | undefined): Endpoint {
  return {
    address,
    port,
    ...(pod?.workload === undefined ? {} : { identity: pod.workload.identity }),
    ...(pod === undefined ? {} : { labels: pod.labels }),
  };
}

function byAddress(a: Endpoint, b: Endpoint): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return a.port - b.port;
}
