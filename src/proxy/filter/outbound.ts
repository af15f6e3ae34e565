import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { TrafficSeries } from '../../mesh/traffic.ts';
import type { LiveEndpoint } from '../balance/live-endpoint.ts';
import type { RequestHead, ServerStream } from '../codec/stream.ts';
import { formatDestination, type Destination } from '../destination.ts';
import type { ProxyError } from '../error.ts';
import { Exchange, type Filter, type Handler, type Peer } from '../exchange.ts';
import { header, strip, VIA_HEADER, type HeaderTest } from '../headers.ts';
import type { ProxyLimits } from '../limits.ts';
import type { OwnConnections } from '../own-connections.ts';
import type { Pool } from '../pool/pool.ts';
import type { Upstreams } from '../pool/upstreams.ts';
import { refuse } from '../refuse.ts';
import type { Directory, Found } from '../route/directory.ts';
import type { Chosen, RoutedPort } from '../route/router.ts';
import type { HopFields } from './hop-fields.ts';
import { Attempt, blamesEndpoint, giveUp, type AttemptEvents } from './forward.ts';

/** One request or connection of the app beside us. */
export class OutboundExchange extends Exchange {
  /** The Service that it is for; undefined = the mesh does not know the destination. */
  routed: RoutedPort | undefined = undefined;
  /** The backend that was chosen for it, once. */
  chosen: Chosen | undefined = undefined;
  /** Endpoints that could not be reached. */
  readonly tried: LiveEndpoint[] = [];
  /** The control plane was asked about the destination already. */
  lookedUp = false;

  constructor(
    kind: 'http' | 'tcp',
    head: RequestHead,
    stream: ServerStream,
    peer: Peer,
    startedMs: number,
    destination: Destination | undefined,
  ) {
    super(kind, head, stream, peer, startedMs);
    this.destination = destination;
  }
}

/**
 * Refuses what passed this very proxy before (suites 3.4): known by the via header of HTTP, or by a connection that this
 * proxy has dialled itself.
 * @param instance random name of this process
 * @param ownConnections names of the connections that it has open (`connectionName`)
 */
export function loopGuard(instance: string, ownConnections: OwnConnections): Filter<OutboundExchange> {
  return (next) =>
    function loopGuardFilter(exchange) {
      const via = header(exchange.head.headers, VIA_HEADER);
      const passed = via !== undefined && via.includes(instance);
      if (!passed && !ownConnections.has(exchange.peer.connection)) return next(exchange);
      refuse(exchange, 'LOOP_DETECTED', 'this has passed this sidecar before');
    };
}

/** What there is before the first configuration. */
export function notConfigured(exchange: OutboundExchange): void {
  refuse(exchange, 'NOT_CONFIGURED', 'this sidecar has no configuration yet');
}

/** Takes from the app's request what only the mesh may say. */
export function stripIdentity(isIdentity: HeaderTest): Filter<OutboundExchange> {
  return (next) =>
    function stripIdentityFilter(exchange) {
      strip(exchange.head, isIdentity);
      next(exchange);
    };
}

export interface FindServiceOptions {
  readonly directory: Directory;
  /** Asks the control plane about a destination; resolves when the answer is in the configuration. */
  readonly lookUp: ((exchange: OutboundExchange, destination: Destination) => void) | undefined;
  /** Why an address that the mesh does not know must not be dialled. */
  readonly forbidden: (address: string, port: number) => string | undefined;
}

/** Destination address first; Host only chooses among what that address is part of, so it never chooses an address. */
export function findService({ directory, lookUp, forbidden }: FindServiceOptions): Filter<OutboundExchange> {
  const known = new WeakMap<Destination, { readonly authority: string | undefined; readonly found: Found }>();
  /** A connection mostly goes on to ask for what it has asked for. */
  function find(destination: Destination, authority: string | undefined): Found {
    const last = known.get(destination);
    if (last !== undefined && last.authority === authority) return last.found;
    let found = directory.byAddress(destination, authority);
    if (found === 'unknown') found = directory.byName(destination);
    known.set(destination, { authority, found });
    return found;
  }
  return (next) =>
    function findServiceFilter(exchange) {
      const { destination, head, kind } = exchange;
      if (destination === undefined) {
        return refuse(exchange, 'MISDIRECTED', 'the request names no destination: use this port as an HTTP proxy');
      }
      const authority = kind === 'http' ? head.authority : undefined;
      const found = find(destination, authority);
      if (typeof found === 'object') {
        exchange.routed = found;
        exchange.series = found.refused;
        return next(exchange);
      }
      const name = formatDestination(destination);
      if (found === 'noSuchPort') {
        return refuse(
          exchange,
          'UNKNOWN_DESTINATION',
          `the Service at ${destination.host} has no port ${destination.port}`,
        );
      }
      const why = forbidden(destination.host, destination.port);
      if (why !== undefined) return refuse(exchange, 'FORBIDDEN_DESTINATION', `${name} must not be called: ${why}`);
      if (lookUp !== undefined && !exchange.lookedUp) return lookUp(exchange, destination);
      next(exchange);
    };
}

/** Chooses route and backend, once per exchange: retries stay with the backend (`smi.md` S25). */
export function chooseBackend(random: Random): Filter<OutboundExchange> {
  return (next) =>
    function chooseBackendFilter(exchange) {
      const { routed } = exchange;
      if (routed === undefined) return next(exchange);
      const chosen = exchange.kind === 'http' ? routed.chooseHttp(exchange.head, random) : routed.chooseTcp(random);
      if (chosen === 'SPLIT_WITHOUT_BACKEND' || chosen === undefined) {
        return refuse(exchange, 'SPLIT_WITHOUT_BACKEND', `no backend of ${routed.name} has a weight above zero`);
      }
      if (chosen === 'NO_ENDPOINTS') {
        return refuse(exchange, 'NO_ENDPOINTS', `no backend of ${routed.name} has a ready endpoint`);
      }
      exchange.chosen = chosen;
      next(exchange);
    };
}

export interface OutboundForwardOptions {
  readonly upstreams: Upstreams;
  readonly clock: Clock;
  readonly limits: ProxyLimits;
  readonly hop: HopFields;
  /** Fields that must not reach the app: from the mesh everything but the reason, from elsewhere that too. */
  readonly fromMesh: HeaderTest;
  readonly fromElsewhere: HeaderTest;
  /** Counters of destinations that the mesh does not know. */
  readonly unknown: TrafficSeries;
}

/** The last step: an endpoint per attempt, a connection from its pool, and the stream on it. */
export function forwardOutbound(options: OutboundForwardOptions): Handler<OutboundExchange> {
  return function forwardOutboundHandler(exchange) {
    if (exchange.chosen === undefined) return passThrough(exchange, options);
    tryEndpoint(exchange, exchange.chosen, options, undefined);
  };
}

function tryEndpoint(
  exchange: OutboundExchange,
  chosen: Chosen,
  options: OutboundForwardOptions,
  last: ProxyError | undefined,
): void {
  if (exchange.tried.length >= options.limits.maxAttempts) return giveUp(exchange, last);
  const now = exchange.tried.length === 0 ? exchange.startedMs : options.clock.now();
  const live = chosen.balancer.pick(now, exchange.tried);
  if (live === undefined) return giveUp(exchange, last);
  exchange.series = chosen.series(live);
  exchange.endpoint = live.name;
  live.active++;
  const stripped = live.endpoint.identity === undefined ? options.fromElsewhere : options.fromMesh;
  const attempt = new Attempt(exchange, new EndpointAttempt(exchange, chosen, live, options), stripped);
  attempt.start(poolOf(live, exchange, options.upstreams));
}

/** Kept with the endpoint: finding it by name takes longer than all else that is done to choose it. */
function poolOf(live: LiveEndpoint, exchange: Exchange, upstreams: Upstreams): Pool {
  const { identity, address, port } = live.endpoint;
  const kind = identity === undefined ? plainKind(exchange) : 'tunnel';
  if (live.pool !== undefined && live.poolKind === kind && !live.pool.closed) return live.pool;
  live.poolKind = kind;
  live.pool = kind === 'tunnel' ? upstreams.tunnel(address, identity!) : upstreams.plain({ host: address, port }, kind);
  return live.pool;
}

class EndpointAttempt implements AttemptEvents {
  readonly #exchange: OutboundExchange;
  readonly #chosen: Chosen;
  readonly #live: LiveEndpoint;
  readonly #options: OutboundForwardOptions;

  constructor(exchange: OutboundExchange, chosen: Chosen, live: LiveEndpoint, options: OutboundForwardOptions) {
    this.#exchange = exchange;
    this.#chosen = chosen;
    this.#live = live;
    this.#options = options;
  }

  upstreamHead(): RequestHead {
    const { head, routed } = this.#exchange;
    head.hop = this.#options.hop.fields(this.#live, routed, head.version);
    return head;
  }

  onStarted(): void {
    this.#live.succeeded();
    this.#exchange.opened();
  }

  onNoConnection(error: ProxyError): void {
    const live = this.#live;
    live.active--;
    if (blamesEndpoint(error)) live.failed(this.#options.clock.now(), this.#options.limits);
    const exchange = this.#exchange;
    if (exchange.finished) return;
    exchange.tried.push(live);
    tryEndpoint(exchange, this.#chosen, this.#options, error);
  }

  onOver(): void {
    this.#live.active--;
  }
}

/** What the mesh does not know goes where the app sent it, in plain. */
function passThrough(exchange: OutboundExchange, options: OutboundForwardOptions): void {
  const destination = exchange.destination!;
  exchange.series = options.unknown;
  exchange.endpoint = formatDestination(destination);
  const events: AttemptEvents = {
    upstreamHead() {
      exchange.head.hop = options.hop.unmeshed;
      return exchange.head;
    },
    onStarted: () => exchange.opened(),
    onNoConnection: (error) => giveUp(exchange, error),
    onOver() {},
  };
  const attempt = new Attempt(exchange, events, options.fromElsewhere);
  attempt.start(options.upstreams.plain(destination, plainKind(exchange)));
}

/** What an endpoint without a sidecar is spoken to in: what the app speaks. */
function plainKind(exchange: Exchange): 'http1' | 'http2' | 'tcp' {
  if (exchange.kind === 'tcp' || (exchange.head.method === 'CONNECT' && exchange.head.protocol === undefined))
    return 'tcp';
  return exchange.head.version === '2' ? 'http2' : 'http1';
}
