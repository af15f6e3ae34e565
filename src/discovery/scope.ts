import type { Watch } from '../base/watch.ts';
import {
  serviceKey,
  type ProxyConfig,
  type Resource,
  type ServiceResource,
  type WorkloadRef,
} from '../mesh/resources.ts';
import type { LookupQuery } from './session.ts';

export interface ScopeOptions {
  /** Everything that each proxy could get, by `namespace/pod`. */
  readonly configs: Watch<ReadonlyMap<string, ProxyConfig>>;
  /**
   * With at most this many services in the mesh, a proxy gets all of them: it costs little, and no first request waits
   * for a lookup. Beyond, it gets those of its own namespace and what it has asked for.
   */
  readonly everythingUpTo: number;
}

/** Decides which services a proxy receives: a change of one it never calls must not wake it. */
export class Scope {
  readonly #options: ScopeOptions;
  /** Pod -> keys of services that it has asked for, in this life or before. */
  readonly #called = new Map<string, Set<string>>();
  readonly #scoped = new Map<
    string,
    { readonly full: ProxyConfig; readonly called: number; readonly config: ProxyConfig }
  >();

  constructor(options: ScopeOptions) {
    this.#options = options;
    options.configs.subscribe(() => this.#forget());
  }

  /** What a proxy should have; undefined while its pod is not known. */
  wanted(workload: WorkloadRef): ProxyConfig | undefined {
    const pod = `${workload.namespace}/${workload.pod}`;
    const full = this.#options.configs.current()?.get(pod);
    if (full === undefined) return undefined;
    const called = this.#called.get(pod) ?? new Set<string>();
    const known = this.#scoped.get(pod);
    if (known?.full === full && known.called === called.size) return known.config;
    const config = cut(full, workload.namespace, called, this.#options.everythingUpTo);
    this.#scoped.set(pod, { full, called: called.size, config });
    return config;
  }

  /** Adds the service with that name or address to what the proxy gets; false when there is none. */
  lookup(workload: WorkloadRef, query: LookupQuery): boolean {
    const pod = `${workload.namespace}/${workload.pod}`;
    const full = this.#options.configs.current()?.get(pod);
    const key = full && find(full, query);
    if (key === undefined) return false;
    this.adopt(workload, [key]);
    return true;
  }

  /** What a proxy holds when it connects it has asked for before, of this replica or of another. */
  adopt(workload: WorkloadRef, keys: Iterable<string>): void {
    const pod = `${workload.namespace}/${workload.pod}`;
    const called = this.#called.get(pod) ?? new Set<string>();
    for (const key of keys) if (key.startsWith('service/') && called.size < MAX_CALLED) called.add(key);
    if (called.size > 0) this.#called.set(pod, called);
  }

  #forget(): void {
    const configs = this.#options.configs.current();
    for (const pod of this.#scoped.keys()) if (configs?.has(pod) !== true) this.#scoped.delete(pod);
    for (const pod of this.#called.keys()) if (configs?.has(pod) !== true) this.#called.delete(pod);
  }
}

/** More services than this are called by no app; a peer that names more is not believed. */
const MAX_CALLED = 5000;

function cut(full: ProxyConfig, namespace: string, called: ReadonlySet<string>, everythingUpTo: number): ProxyConfig {
  const services: ServiceResource[] = [];
  const own: Resource[] = [];
  for (const resource of full.values()) {
    if (resource.type === 'service') services.push(resource);
    else if (resource.type !== 'endpoints') own.push(resource);
  }
  if (services.length <= everythingUpTo) return full;
  const config = new Map(own.map((resource) => [resource.key, resource]));
  for (const service of services) {
    if (service.namespace !== namespace && !called.has(service.key)) continue;
    config.set(service.key, service);
    for (const key of endpointsOf(service)) {
      const endpoints = full.get(key);
      if (endpoints !== undefined) config.set(key, endpoints);
    }
  }
  return config;
}

function endpointsOf(service: ServiceResource): string[] {
  return service.ports.flatMap(({ routes }) => routes.flatMap(({ backends }) => backends.map((b) => b.endpoints)));
}

/** By host name, by cluster IP, or by the address of an endpoint (headless Services). */
function find(full: ProxyConfig, { name, address }: LookupQuery): string | undefined {
  const host = name?.toLowerCase().replace(/\.$/, '');
  let byEndpoint: string | undefined;
  for (const resource of full.values()) {
    if (resource.type === 'service') {
      if (host !== undefined && resource.hostnames.includes(host)) return resource.key;
      if (address !== undefined && resource.addresses.includes(address)) return resource.key;
    } else if (resource.type === 'endpoints' && address !== undefined && byEndpoint === undefined) {
      if (!resource.endpoints.some((endpoint) => endpoint.address === address)) continue;
      const [, namespace = '', service = ''] = resource.key.split('/');
      byEndpoint = serviceKey(namespace, service);
    }
  }
  return byEndpoint !== undefined && full.has(byEndpoint) ? byEndpoint : undefined;
}
