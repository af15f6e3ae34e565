import type { Random } from '../../base/random.ts';
import { httpMatcher, type HttpMatcher } from '../../mesh/http-matcher.ts';
import { routablePath } from '../../mesh/path.ts';
import type { Backend, PortProtocol, Route, ServicePort } from '../../mesh/resources.ts';
import type { TrafficSeries } from '../../mesh/traffic.ts';
import { weightedPick, type NoBackend, type WeightedPick } from '../../mesh/weighted.ts';
import type { LiveEndpoint } from '../balance/live-endpoint.ts';
import type { Balancer } from '../balance/p2c.ts';
import type { RequestHead } from '../codec/stream.ts';
import type { TrafficBook } from '../traffic-book.ts';

/** One port of a Service as the app calls it: compiled, replaced as a whole with each configuration. */
export interface RoutedPort {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  /** `shop/cart/80`: what the hop's header says the request was called as. */
  readonly name: string;
  readonly protocol: PortProtocol;
  /** Chooses once per request. Undefined = no route matches, which compile does not let happen. */
  chooseHttp(head: RequestHead, random: Random): Chosen | NoBackend | undefined;
  /** Chooses once per connection, among routes without matches (`smi.md` S15). */
  chooseTcp(random: Random): Chosen | NoBackend | undefined;
  /** Counters of what was refused before a backend was chosen. */
  readonly refused: TrafficSeries;
}

/** A backend with everything that an attempt needs. */
export interface Chosen {
  readonly backend: Backend;
  readonly weight: number;
  /** Name of the route it was chosen from. */
  readonly route: string;
  readonly balancer: Balancer;
  /** Counters of traffic for one of its endpoints; `undefined` when none was found. */
  series(endpoint: LiveEndpoint | undefined): TrafficSeries;
}

export interface RouterOptions {
  readonly balancer: (endpoints: string) => Balancer;
  readonly book: TrafficBook;
}

/** Compiles the routes of one port. @throws PatternError for a pattern that is none */
export function routedPort(
  service: { readonly namespace: string; readonly name: string },
  port: ServicePort,
  options: RouterOptions,
): RoutedPort {
  const called: Called = { namespace: service.namespace, service: service.name, port: port.number };
  const routes = port.routes.map((route) => compileRoute(called, route, options));
  const tcp = routes.find((route) => route.tcp);
  return {
    ...called,
    name: `${service.namespace}/${service.name}/${port.number}`,
    protocol: port.protocol,
    refused: options.book.series(outboundLabels(called, service.name, undefined)),
    chooseHttp(head, random) {
      for (const route of routes) {
        if (route.matches !== undefined && !matches(route.matches, head)) continue;
        return route.choose(random);
      }
      return undefined;
    },
    chooseTcp(random) {
      return tcp?.choose(random);
    },
  };
}

function matches(matcher: HttpMatcher, head: RequestHead): boolean {
  return matcher(head.method, routablePath(head.path), head.authority, head.headers);
}

interface Called {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
}

interface CompiledRoute {
  readonly tcp: boolean;
  readonly matches: HttpMatcher | undefined;
  readonly choose: WeightedPick<Chosen>;
}

function compileRoute(called: Called, route: Route, { balancer, book }: RouterOptions): CompiledRoute {
  const backends = route.backends.map((backend) =>
    chosenBackend(called, route, backend, balancer(backend.endpoints), book),
  );
  if (backends.length > 1) startAtZero(backends);
  return {
    tcp: route.tcp,
    matches: route.matches === undefined ? undefined : httpMatcher(route.matches),
    choose: weightedPick(backends, (backend) => backend.balancer.endpoints.length > 0),
  };
}

/** The shares of a split are compared from its first second on, so its counters exist before its first request. */
function startAtZero(backends: readonly Chosen[]): void {
  for (const backend of backends) for (const endpoint of backend.balancer.endpoints) backend.series(endpoint);
}

function chosenBackend(called: Called, route: Route, backend: Backend, balancer: Balancer, book: TrafficBook): Chosen {
  const known = new Map<LiveEndpoint | undefined, TrafficSeries>();
  return {
    backend,
    weight: backend.weight,
    route: route.name,
    balancer,
    series(endpoint) {
      let series = known.get(endpoint);
      if (series === undefined) {
        series = book.series(outboundLabels(called, backend.service, endpoint));
        known.set(endpoint, series);
      }
      return series;
    },
  };
}

function outboundLabels(called: Called, backend: string, endpoint: LiveEndpoint | undefined): TrafficSeries['labels'] {
  const identity = endpoint?.endpoint.identity;
  return {
    direction: 'outbound',
    peerIdentity: identity,
    tls: identity !== undefined,
    target: { ...called, backend, workload: endpoint?.endpoint.labels },
  };
}

/**
 * A route to exactly one endpoint, for what an app calls by pod address: never split (`smi.md` S14).
 * @param endpoints key of the endpoints that it is one of; those of no Service have neither its name nor its port
 */
export function directPort(endpoints: string, protocol: PortProtocol): ServicePort & { readonly owner: Owner } {
  const [, namespace = '', service = '', port = '0'] = endpoints.split('/');
  const backend: Backend = { namespace, service, port: Number(port), weight: 1, endpoints };
  const route: Route = { name: `Service ${namespace}/${service}`, tcp: true, backends: [backend], policies: [] };
  return { number: Number(port), protocol, routes: [route], owner: { namespace, name: service } };
}

interface Owner {
  readonly namespace: string;
  readonly name: string;
}
