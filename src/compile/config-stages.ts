import type { Mesh, MeshWorkload } from '../mesh/mesh.ts';
import {
  podKey,
  type EndpointsResource,
  type PodResource,
  type ProxyConfig,
  type Resource,
  type ServiceResource,
} from '../mesh/resources.ts';
import type { Access } from './access-stages.ts';
import { groupBy } from './group-by.ts';
import { LayeredMap } from './layered-map.ts';
import type { ObjectFacts } from './object-stages.ts';
import type { CompiledService } from './service.ts';
import type { ReachedServices } from './service-stages.ts';
import { Cell, Stage } from './stage.ts';

const NO_RESOURCES: ReadonlyMap<string, Resource> = new Map();

/**
 * Last steps: what each proxy gets. A configuration is three layers read as one: the proxy's own two resources, its
 * namespace's Services with their short names, and everything else, which all proxies share.
 */
export class ConfigStages {
  readonly #services = new Stage<ServiceResource>();
  readonly #endpoints = new Stage<EndpointsResource>();
  readonly #pods = new Stage<PodResource>();
  readonly #shared = new Cell<ReadonlyMap<string, Resource>>();
  readonly #local = new Stage<ReadonlyMap<string, Resource>>();
  readonly #workloads = new Stage<MeshWorkload>();
  readonly #proxies = new Stage<ProxyConfig>();

  update(
    { pods }: ObjectFacts,
    reached: ReachedServices,
    { inbound }: Access,
  ): { readonly mesh: Mesh; readonly proxies: ReadonlyMap<string, ProxyConfig> } {
    const services = this.#services.update([reached.services], (emit) => {
      for (const { shared } of reached.services.values()) emit(shared.key, [shared], () => shared);
    });
    const endpoints = this.#endpoints.update([reached.endpoints], (emit) => {
      for (const { resource } of reached.endpoints.values()) emit(resource.key, [resource], () => resource);
    });
    const workloads = this.#workloads.update([pods, inbound], (emit) => {
      for (const [key, own] of inbound) {
        const workload = pods.get(key)?.workload;
        if (workload !== undefined) emit(key, [workload, own], () => ({ workload, inbound: own }));
      }
    });
    const called = this.#updatePods(pods);
    const shared = this.#shared.update(
      [services, endpoints, called],
      () => new Map<string, Resource>([...services, ...endpoints, ...called]),
    );
    const local = this.#updateLocal(reached.services);
    const proxies = this.#proxies.update([workloads, local, shared], (emit) => {
      for (const [key, each] of workloads) {
        const namespace = local.get(each.workload.labels.namespace) ?? NO_RESOURCES;
        emit(key, [each, namespace, shared], () => new LayeredMap([own(each), namespace, shared]));
      }
    });
    return { mesh: { services, endpoints, workloads }, proxies };
  }

  #updatePods(pods: ObjectFacts['pods']) {
    return this.#pods.update([pods], (emit) => {
      for (const facts of pods.values()) {
        const { workload, labels, addresses } = facts;
        if (workload === undefined || addresses.length === 0) continue;
        const key = podKey(labels.namespace, labels.pod);
        emit(key, [facts], () => ({ type: 'pod', key, addresses, identity: workload.identity, labels }));
      }
    });
  }

  #updateLocal(services: ReadonlyMap<string, CompiledService>) {
    return this.#local.update([services], (emit) => {
      for (const [namespace, group] of groupBy(services, ({ local }) => local.namespace)) {
        const resources = group.map(({ local }) => local);
        emit(namespace, resources, () => new Map(resources.map((resource) => [resource.key, resource])));
      }
    });
  }
}

function own({ workload, inbound }: MeshWorkload): ReadonlyMap<string, Resource> {
  return new Map<string, Resource>([
    [workload.key, workload],
    [inbound.key, inbound],
  ]);
}
