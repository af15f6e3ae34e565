import { ADMIN_PORT, INBOUND_PORT, OUTBOUND_PORT, TUNNEL_PORT } from '../../mesh/ports.ts';
import {
  endpointsKey,
  type Endpoint,
  type EndpointsResource,
  type PodResource,
  type PortProtocol,
  type ProxyConfig,
  type ServiceResource,
} from '../../mesh/resources.ts';
import type { LiveEndpoint } from '../balance/live-endpoint.ts';
import type { Balancer } from '../balance/p2c.ts';
import type { EndpointRegistry } from '../balance/registry.ts';
import { formatDestination, type Destination } from '../destination.ts';
import type { CompiledService, CompiledServices } from './compiled-services.ts';
import type { RoutedPort } from './router.ts';

/**
 * What a destination turned out to be. `noSuchPort`: the address or name is a Service's, but not on that port; letting
 * that pass as unknown would only time out at a virtual address.
 */
export type Found = RoutedPort | 'unknown' | 'noSuchPort';

/** Finds the Service behind an address or a name, in one version of the configuration. */
export interface Directory {
  /**
   * By address first: cluster IP, then pod address (called directly, or through a headless Service that Host names). A
   * pod is known on every port, be it behind a Service or not.
   */
  byAddress(destination: Destination, authority: string | undefined): Found;
  /** By host name, where the app named its destination (explicit proxying). */
  byName(destination: Destination): Found;
  readonly services: number;
}

export interface DirectoryOptions {
  /** Both outlive the directory. */
  readonly registry: EndpointRegistry;
  readonly compiled: CompiledServices;
}

/** Compiles the outbound half of a configuration. @throws PatternError when a route cannot be compiled */
export function buildDirectory(config: ProxyConfig, options: DirectoryOptions): Directory {
  return new CompiledDirectory(config, options);
}

class CompiledDirectory implements Directory {
  readonly services: number;
  /** `10.96.0.7:80` */
  readonly #addresses = new Map<string, RoutedPort>();
  /** Cluster IPs, whatever the port. */
  readonly #clusterIps = new Set<string>();
  readonly #hosts = new Map<string, NamedService>();
  /** `10.0.0.9:8080`, of pods. */
  readonly #endpoints = new Map<string, DirectEndpoint>();
  /** Meshed pods by address, for the ports that no Service has. */
  readonly #pods = new Map<string, CalledPod>();
  readonly #podPorts = new Map<string, RoutedPort>();
  readonly #opaque: readonly number[];
  readonly #options: DirectoryOptions;
  readonly #balancers = new Map<string, Balancer>();
  /** What the maps above are filled with when somebody looks: a sidecar that few call gets more configurations than requests. */
  #unfilled: Parts | undefined;

  constructor(config: ProxyConfig, options: DirectoryOptions) {
    this.#options = options;
    const services: ServiceResource[] = [];
    const endpoints: EndpointsResource[] = [];
    const pods: PodResource[] = [];
    let opaque: readonly number[] = [];
    for (const resource of config.values()) {
      if (resource.type === 'service') services.push(resource);
      else if (resource.type === 'endpoints') endpoints.push(resource);
      else if (resource.type === 'pod') pods.push(resource);
      else if (resource.type === 'workload') opaque = resource.opaquePorts;
    }
    this.#opaque = opaque;
    this.services = services.length;
    for (const resource of endpoints) this.#balancers.set(resource.key, options.compiled.balancer(resource));
    for (const pod of pods) options.registry.addPod(pod);
    const compile = (service: ServiceResource) => {
      return { service, compiled: options.compiled.service(service, (key) => this.#balancer(key)) };
    };
    this.#unfilled = { services: services.map(compile), endpoints, pods };
  }

  #balancer(endpoints: string): Balancer {
    return this.#balancers.get(endpoints) ?? NOBODY;
  }

  #fill({ services, endpoints, pods }: Parts): void {
    this.#unfilled = undefined;
    const protocols = new Map<string, PortProtocol>();
    services.sort((a, b) => (a.service.key < b.service.key ? -1 : 1)); // whose address or name it is must not depend on the order
    for (const { service, compiled } of services) {
      this.#addService(service, compiled);
      for (const port of service.ports) {
        protocols.set(endpointsKey(service.namespace, service.name, port.number), port.protocol);
      }
    }
    for (const resource of endpoints) this.#addEndpoints(resource, protocols.get(resource.key));
    for (const pod of pods) for (const address of pod.addresses) this.#pods.set(address, pod);
  }

  #addService(service: ServiceResource, { ports, addresses }: CompiledService): void {
    const own = (port: number) => this.#balancer(endpointsKey(service.namespace, service.name, port)).endpoints;
    for (const address of service.addresses) this.#clusterIps.add(address);
    for (const [key, port] of addresses) if (!this.#addresses.has(key)) this.#addresses.set(key, port);
    const named: NamedService = { headless: service.addresses.length === 0, ports, own };
    for (const host of service.hostnames) if (!this.#hosts.has(host)) this.#hosts.set(host, named);
  }

  /** What an endpoint speaks when it is called directly is what its Service says; without one, opaque ports count. */
  #addEndpoints(resource: EndpointsResource, stated: PortProtocol | undefined): void {
    for (const endpoint of resource.endpoints) {
      const protocol = stated ?? this.#protocol(endpoint.port);
      const key = formatDestination({ host: endpoint.address, port: endpoint.port });
      if (!this.#endpoints.has(key)) this.#endpoints.set(key, { resource, endpoint, protocol, routed: undefined });
      const { address, identity, labels } = endpoint;
      if (identity !== undefined && labels !== undefined) this.#pods.set(address, { identity, labels });
    }
  }

  /** Of a port that no Service says anything about. */
  #protocol(port: number): PortProtocol {
    return this.#opaque.includes(port) ? 'tcp' : 'detect';
  }

  byAddress(destination: Destination, authority: string | undefined): Found {
    if (this.#unfilled !== undefined) this.#fill(this.#unfilled);
    const key = formatDestination(destination);
    const service = this.#addresses.get(key);
    if (service !== undefined) return service;
    if (this.#clusterIps.has(destination.host)) return 'noSuchPort';
    const direct = this.#endpoints.get(key);
    if (direct === undefined) return this.#podPort(destination, key) ?? 'unknown';
    return this.#headless(authority, direct.endpoint) ?? this.#direct(direct);
  }

  /** Host may name a headless Service, whose address is that of its pods, but only one that this pod is part of. */
  #headless(authority: string | undefined, endpoint: Endpoint): RoutedPort | undefined {
    if (authority === undefined) return undefined;
    const named = this.#hosts.get(hostOf(authority));
    if (named === undefined || !named.headless) return undefined;
    const same = (e: LiveEndpoint) => e.endpoint.address === endpoint.address && e.endpoint.port === endpoint.port;
    for (const [number, port] of named.ports) if (named.own(number).some(same)) return port;
    return undefined;
  }

  #direct(found: DirectEndpoint): RoutedPort {
    const { resource, endpoint, protocol } = found;
    found.routed ??= this.#options.compiled.direct(endpoint, resource.key, protocol);
    return found.routed;
  }

  /** A pod called on a port that no Service leads to: through its tunnel, so that it sees who calls (`smi.md` A9). */
  #podPort({ host: address, port }: Destination, key: string): RoutedPort | undefined {
    const pod = this.#pods.get(address);
    if (pod === undefined || SIDECAR_PORTS.has(port)) return undefined;
    let routed = this.#podPorts.get(key);
    if (routed === undefined) {
      const { identity, labels } = pod;
      const ofNoService = endpointsKey(labels.namespace, '', 0); // one series per pod, however many ports are tried
      const endpoint = { address, port, identity, labels };
      routed = this.#options.compiled.direct(endpoint, ofNoService, this.#protocol(port));
      if (this.#podPorts.size >= MAX_POD_PORTS) this.#podPorts.clear();
      this.#podPorts.set(key, routed);
    }
    return routed;
  }

  byName(destination: Destination): Found {
    if (this.#unfilled !== undefined) this.#fill(this.#unfilled);
    const named = this.#hosts.get(destination.host);
    if (named === undefined) return 'unknown';
    const port = named.ports.get(destination.port);
    if (port !== undefined) return port;
    if (!named.headless) return 'noSuchPort';
    // The name of a headless Service leads to pods, which are called on their own port
    for (const [number, other] of named.ports) {
      if (named.own(number).some((e) => e.endpoint.port === destination.port)) return other;
    }
    return 'noSuchPort';
  }
}

interface Parts {
  readonly services: { readonly service: ServiceResource; readonly compiled: CompiledService }[];
  readonly endpoints: readonly EndpointsResource[];
  readonly pods: readonly PodResource[];
}

type CalledPod = Pick<PodResource, 'identity' | 'labels'>;

/** Behind a tunnel there is only the app; whoever reads a sidecar's metrics calls it in plain. */
const SIDECAR_PORTS: ReadonlySet<number> = new Set([OUTBOUND_PORT, INBOUND_PORT, TUNNEL_PORT, ADMIN_PORT]);

/** An app that tries more ports of pods than this scans, and pays for it with compiling them again. */
const MAX_POD_PORTS = 1024;

interface NamedService {
  readonly headless: boolean;
  readonly ports: ReadonlyMap<number, RoutedPort>;
  /** The pods behind a port of the Service itself, wherever a split sends its traffic. */
  readonly own: (port: number) => readonly LiveEndpoint[];
}

interface DirectEndpoint {
  readonly resource: EndpointsResource;
  readonly endpoint: Endpoint;
  readonly protocol: PortProtocol;
  /** Compiled when somebody calls it. */
  routed: RoutedPort | undefined;
}

const NOBODY: Balancer = { endpoints: [], pick: () => undefined };

/** Host of an authority without port, lower case, no trailing dot. */
function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(':');
  const host = colon > authority.lastIndexOf(']') ? authority.slice(0, colon) : authority;
  const lower = host.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}
