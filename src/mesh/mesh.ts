import type { EndpointsResource, InboundResource, ServiceResource, WorkloadResource } from './resources.ts';

/** The whole mesh as it was decided, for whoever looks at it from above: the admin page, `weft stat`, explain. */
export interface Mesh {
  /** By resource key; host names as other namespaces see them. */
  readonly services: ReadonlyMap<string, ServiceResource>;
  readonly endpoints: ReadonlyMap<string, EndpointsResource>;
  /** By `namespace/pod`: who is in the mesh, and what may enter there. */
  readonly workloads: ReadonlyMap<string, MeshWorkload>;
}

export interface MeshWorkload {
  readonly workload: WorkloadResource;
  readonly inbound: InboundResource;
}
