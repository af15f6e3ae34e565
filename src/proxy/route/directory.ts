import type { Random } from '../../base/random.ts';
import {
  endpointsKey,
  type Endpoint,
  type EndpointsResource,
  type PortProtocol,
  type ProxyConfig,
  type ServiceResource,
} from '../../mesh/resources.ts';
import type { LiveEndpoint } from '../balance/live-endpoint.ts';
import type { EndpointRegistry } from '../balance/registry.ts';
import { p2c, type Balancer } from '../balance/p2c.ts';
import { formatDestination, type Destination } from '../destination.ts';
import type { TrafficBook } from '../traffic-book.ts';
import { directPort, routedPort, type RoutedPort, type RouterOptions } from './router.ts';

/**
 * What a destination turned out to be. `noSuchPort`: the address or name is a Service's, but not on that port; letting
 * that pass as unknown would only time out at a virtual address.
 */
export type Found = RoutedPort | 'unknown' | 'noSuchPort';

/** Finds the Service behind an address or a name, in one version of the configuration. */
export interface Directory {
  /** By address first: cluster IP, then pod address (called directly, or through a headless Service that Host names). */
  byAddress(destination: Destination, authority: string | undefined): Found;
  /** By host name, where the app named its destination (explicit proxying). */
  byName(destination: Destination): Found;
  readonly services: number;
}

export interface DirectoryOptions {
  readonly registry: EndpointRegistry;
  readonly random: Random;
  readonly book: TrafficBook;
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
  readonly #options: DirectoryOptions;

  constructor(config: ProxyConfig, options: DirectoryOptions) {
    this.#options = options;
    const balancers = new Map<string, Balancer>();
    const protocols = new Map<string, PortProtocol>();
    const resources = [...config.values()];
    const opaque = resources.find((r) => r.type === 'workload')?.opaquePorts ?? [];
    const endpoints = resources.filter((r) => r.type === 'endpoints');
    for (const resource of endpoints) {
      balancers.set(
        resource.key,
        p2c(
          resource.endpoints.map((e) => live(options.registry, e)),
          options.random,
        ),
      );
    }
    const router: RouterOptions = { book: options.book, balancer: (key) => balancers.get(key) ?? NOBODY };
    const services = resources.filter((r) => r.type === 'service').sort((a, b) => (a.key < b.key ? -1 : 1));
    this.services = services.length;
    for (const service of services) {
      this.#addService(service, router);
      for (const port of service.ports) {
        protocols.set(endpointsKey(service.namespace, service.name, port.number), port.protocol);
      }
    }
    for (const resource of endpoints) this.#addEndpoints(resource, protocols.get(resource.key), opaque);
  }

  #addService(service: ServiceResource, router: RouterOptions): void {
    const own = (port: number) => router.balancer(endpointsKey(service.namespace, service.name, port)).endpoints;
    const ports = new Map(service.ports.map((port) => [port.number, routedPort(service, port, router)]));
    for (const address of service.addresses) {
      this.#clusterIps.add(address);
      for (const [number, port] of ports) {
        const key = formatDestination({ host: address, port: number });
        if (!this.#addresses.has(key)) this.#addresses.set(key, port);
      }
    }
    const named: NamedService = { headless: service.addresses.length === 0, ports, own };
    for (const host of service.hostnames) if (!this.#hosts.has(host)) this.#hosts.set(host, named);
  }

  /** What an endpoint speaks when it is called directly is what its Service says; without one, opaque ports count. */
  #addEndpoints(resource: EndpointsResource, stated: PortProtocol | undefined, opaque: readonly number[]): void {
    for (const endpoint of resource.endpoints) {
      const protocol = stated ?? (opaque.includes(endpoint.port) ? 'tcp' : 'detect');
      const key = formatDestination({ host: endpoint.address, port: endpoint.port });
      if (!this.#endpoints.has(key)) this.#endpoints.set(key, { resource, endpoint, protocol, routed: undefined });
    }
  }

  byAddress(destination: Destination, authority: string | undefined): Found {
    const key = formatDestination(destination);
    const service = this.#addresses.get(key);
    if (service !== undefined) return service;
    if (this.#clusterIps.has(destination.host)) return 'noSuchPort';
    const direct = this.#endpoints.get(key);
    if (direct === undefined) return 'unknown';
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
    if (found.routed !== undefined) return found.routed;
    const { resource, endpoint, protocol } = found;
    const { registry, random, book } = this.#options;
    const port = directPort(resource, protocol);
    const only = p2c([registry.find(endpoint)], random);
    found.routed = routedPort(port.owner, port, { book, balancer: () => only });
    return found.routed;
  }

  byName(destination: Destination): Found {
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

function live(registry: EndpointRegistry, endpoint: Endpoint) {
  const known = registry.get(endpoint);
  known.endpoint = endpoint;
  return known;
}

/** Host of an authority without port, lower case, no trailing dot. */
function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(':');
  const host = colon > authority.lastIndexOf(']') ? authority.slice(0, colon) : authority;
  const lower = host.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}
