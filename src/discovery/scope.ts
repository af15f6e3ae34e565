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
   * for a lookup. Beyond, it gets those of its own namespace and what it has asked for. With so many pods as well, or
   * more, those of them that are called by their own address are looked up too.
   */
  readonly everythingUpTo: number;
}

/** Decides which services and pods a proxy receives: a change of one it never calls must not wake it. */
export class Scope {
  readonly #options: ScopeOptions;
  /** Pod -> keys of services and pods that it has asked for, in this life or before. */
  readonly #called = new Map<string, Set<string>>();
  readonly #scoped = new Map<
    string,
    { readonly full: ProxyConfig; readonly called: number; readonly config: ProxyConfig }
  >();

  #own: { readonly configs: unknown; readonly keys: Map<string, readonly string[] | 'everything'> } = {
    configs: undefined,
    keys: new Map(),
  };

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
    const config = this.#cut(full, workload.namespace, called);
    this.#scoped.set(pod, { full, called: called.size, config });
    return config;
  }

  /** Adds the service or pod with that name or address to what the proxy gets; false when there is none. */
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
    for (const key of keys) if (/^(?:service|pod)\//.test(key) && called.size < MAX_CALLED) called.add(key);
    if (called.size > 0) this.#called.set(pod, called);
  }

  #cut(full: ProxyConfig, namespace: string, called: ReadonlySet<string>): ProxyConfig {
    const own = this.#ownKeys(full, namespace);
    if (own === 'everything') return full;
    const config = new Map<string, Resource>();
    for (const key of [...own, ...called]) {
      const resource = full.get(key);
      if (resource === undefined) continue;
      config.set(key, resource);
      if (resource.type !== 'service') continue;
      for (const endpointsKey of endpointsOf(resource)) {
        const endpoints = full.get(endpointsKey);
        if (endpoints !== undefined) config.set(endpointsKey, endpoints);
      }
    }
    return config;
  }

  /**
   * What every proxy of a namespace gets. Looked up once per namespace and change: two thousand walks over a thousand
   * services would take longer than the change may take to arrive.
   */
  #ownKeys(full: ProxyConfig, namespace: string): readonly string[] | 'everything' {
    const configs = this.#options.configs.current();
    if (this.#own.configs !== configs) this.#own = { configs, keys: new Map() };
    let keys = this.#own.keys.get(namespace);
    if (keys === undefined) {
      keys = ownKeys(full, namespace, this.#options.everythingUpTo);
      this.#own.keys.set(namespace, keys);
    }
    return keys;
  }

  #forget(): void {
    const configs = this.#options.configs.current();
    for (const pod of this.#scoped.keys()) if (configs?.has(pod) !== true) this.#scoped.delete(pod);
    for (const pod of this.#called.keys()) if (configs?.has(pod) !== true) this.#called.delete(pod);
  }
}

/** More services and pods than this are called by no app; a peer that names more is not believed. */
const MAX_CALLED = 5000;

function ownKeys(full: ProxyConfig, namespace: string, everythingUpTo: number): readonly string[] | 'everything' {
  const resources = [...full.values()];
  const services = resources.reduce((n, { type }) => (type === 'service' ? n + 1 : n), 0);
  const pods = resources.reduce((n, { type }) => (type === 'pod' ? n + 1 : n), 0);
  if (services <= everythingUpTo && pods <= everythingUpTo) return 'everything';
  const own = (resource: Resource) => {
    if (resource.type === 'pod') return false;
    if (services <= everythingUpTo) return true;
    return resource.type === 'service' ? resource.namespace === namespace : resource.type !== 'endpoints';
  };
  return resources.filter(own).map(({ key }) => key);
}

function endpointsOf(service: ServiceResource): string[] {
  return service.ports.flatMap(({ routes }) => routes.flatMap(({ backends }) => backends.map((b) => b.endpoints)));
}

/** By host name, by cluster IP, by the address of an endpoint (headless Services), or by that of a pod behind none. */
function find(full: ProxyConfig, { name, address }: LookupQuery): string | undefined {
  const host = name?.toLowerCase().replace(/\.$/, '');
  let byEndpoint: string | undefined;
  let byPod: string | undefined;
  for (const resource of full.values()) {
    if (resource.type === 'service') {
      if (host !== undefined && resource.hostnames.includes(host)) return resource.key;
      if (address !== undefined && resource.addresses.includes(address)) return resource.key;
    } else if (resource.type === 'pod') {
      if (address !== undefined && resource.addresses.includes(address)) byPod ??= resource.key;
    } else if (resource.type === 'endpoints' && address !== undefined && byEndpoint === undefined) {
      if (!resource.endpoints.some((endpoint) => endpoint.address === address)) continue;
      const [, namespace = '', service = ''] = resource.key.split('/');
      byEndpoint = serviceKey(namespace, service);
    }
  }
  return byEndpoint !== undefined && full.has(byEndpoint) ? byEndpoint : byPod;
}
