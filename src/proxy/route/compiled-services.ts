import type { Random } from '../../base/random.ts';
import type { Endpoint, EndpointsResource, PortProtocol, ServiceResource } from '../../mesh/resources.ts';
import type { LiveEndpoint } from '../balance/live-endpoint.ts';
import { p2c, type Balancer } from '../balance/p2c.ts';
import type { EndpointRegistry } from '../balance/registry.ts';
import { formatDestination } from '../destination.ts';
import type { TrafficBook } from '../traffic-book.ts';
import { directPort, routedPort, type RoutedPort } from './router.ts';

export interface CompiledServicesOptions {
  readonly registry: EndpointRegistry;
  readonly random: Random;
  readonly book: TrafficBook;
}

/** A Service as it is called: its ports by number, and by `10.96.0.7:80`. */
export interface CompiledService {
  readonly ports: ReadonlyMap<number, RoutedPort>;
  readonly addresses: readonly (readonly [string, RoutedPort])[];
}

interface Compiled extends CompiledService {
  /** What its routes lead to, by the key of the endpoints. */
  readonly balancers: ReadonlyMap<string, Balancer>;
}

/**
 * Services and balancers of the resources that are in use. A configuration differs little from the one before, and a
 * resource that has not changed is the same object in both: it is not compiled again.
 */
export class CompiledServices {
  readonly #options: CompiledServicesOptions;
  readonly #balancers = new WeakMap<EndpointsResource, Balancer>();
  readonly #services = new WeakMap<ServiceResource, Compiled>();

  constructor(options: CompiledServicesOptions) {
    this.#options = options;
  }

  /** Notes its endpoints as part of the configuration that is being built. */
  balancer(resource: EndpointsResource): Balancer {
    const { registry, random } = this.#options;
    const live = resource.endpoints.map((endpoint) => {
      const known = registry.get(endpoint);
      known.endpoint = endpoint;
      return known;
    });
    const known = this.#balancers.get(resource);
    if (known !== undefined && sameEndpoints(known.endpoints, live)) return known;
    const balancer = p2c(live, random);
    this.#balancers.set(resource, balancer);
    return balancer;
  }

  /**
   * @param balancerOf of the key of endpoints
   * @throws PatternError for a pattern that is none
   */
  service(service: ServiceResource, balancerOf: (endpoints: string) => Balancer): CompiledService {
    const known = this.#services.get(service);
    if (known !== undefined && isCurrent(known, balancerOf)) return known;
    const compiled = this.#compile(service, balancerOf);
    this.#services.set(service, compiled);
    return compiled;
  }

  /** A port with one endpoint that is called directly, by its address. @param endpoints the key that its traffic is counted by */
  direct(endpoint: Endpoint, endpoints: string, protocol: PortProtocol): RoutedPort {
    const { registry, random, book } = this.#options;
    const port = directPort(endpoints, protocol);
    const only = p2c([registry.find(endpoint)], random);
    return routedPort(port.owner, port, { book, balancer: () => only });
  }

  #compile(service: ServiceResource, balancerOf: (endpoints: string) => Balancer): Compiled {
    const balancers = new Map<string, Balancer>();
    const balancer = (endpoints: string) => {
      const found = balancerOf(endpoints);
      balancers.set(endpoints, found);
      return found;
    };
    const router = { book: this.#options.book, balancer };
    const ports = new Map(service.ports.map((port) => [port.number, routedPort(service, port, router)]));
    const addresses = service.addresses.flatMap((host) =>
      Array.from(ports, ([port, routed]) => [formatDestination({ host, port }), routed] as const),
    );
    return { ports, addresses, balancers };
  }
}

function isCurrent({ balancers }: Compiled, balancerOf: (endpoints: string) => Balancer): boolean {
  for (const [endpoints, balancer] of balancers) if (balancerOf(endpoints) !== balancer) return false;
  return true;
}

function sameEndpoints(a: readonly LiveEndpoint[], b: readonly LiveEndpoint[]): boolean {
  return a.length === b.length && a.every((endpoint, i) => endpoint === b[i]);
}
