import type { Clock } from '../../base/clock.ts';
import type { AccessMatcher } from '../../mesh/access.ts';
import { normaliseTarget, pathOf } from '../../mesh/path.ts';
import type { ReasonCode } from '../../mesh/reasons.ts';
import type { PortProtocol } from '../../mesh/resources.ts';
import type { Headers, RequestHead, ServerStream } from '../codec/stream.ts';
import { formatDestination, parseDestination, type Destination } from '../destination.ts';
import { Exchange, type Filter, type Handler, type Peer } from '../exchange.ts';
import { DESTINATION_HEADER, header, strip, VERSION_HEADER, withoutHeaders, type HeaderTest } from '../headers.ts';
import type { Pool } from '../pool/pool.ts';
import type { Upstreams } from '../pool/upstreams.ts';
import { refuse } from '../refuse.ts';
import { Attempt, giveUp, type AttemptEvents } from './forward.ts';

/** One request or connection for the app beside us. */
export class InboundExchange extends Exchange {
  /** Came through a tunnel; else in plain from a caller without identity. */
  readonly meshed: boolean;
  /** Own address at which it arrived. */
  readonly arrivedAt: string;
  /** It was let in and lives as long as a connection: it is judged again when the policy changes. */
  flowsOn = false;

  constructor(
    kind: 'http' | 'tcp',
    head: RequestHead,
    stream: ServerStream,
    peer: Peer,
    startedMs: number,
    arrival: Arrival,
  ) {
    super(kind, head, stream, peer, startedMs);
    this.meshed = arrival.meshed;
    this.arrivedAt = arrival.address;
    this.destination = arrival.destination;
  }
}

/** What a listener knows about what it accepted. */
export interface Arrival {
  readonly meshed: boolean;
  readonly address: string;
  /** Plain listeners know it; in tunnels each stream says it. */
  readonly destination: Destination | undefined;
}

/** What the fields of a stream say about it, and what is left without them. */
interface HopHead {
  readonly destination: Destination | undefined;
  readonly version: RequestHead['version'];
  readonly headers: Headers;
}

/** They come from a verified peer, so they are believed. */
function readHopHead(headers: Headers, isIdentity: HeaderTest): HopHead {
  const destination = header(headers, DESTINATION_HEADER);
  const version = header(headers, VERSION_HEADER);
  return {
    destination: destination === undefined ? undefined : parseDestination(destination),
    version: version === '1.0' || version === '2' ? version : '1.1',
    headers: withoutHeaders(headers, isIdentity),
  };
}

/** Finds out what a stream is for, then takes away what only the mesh may say, from the wire as from apps. */
export function hopHeaders(isIdentity: HeaderTest): Filter<InboundExchange> {
  const known = new WeakMap<Headers, HopHead>(); // of lists that come again
  return (next) =>
    function hopHeadersFilter(exchange) {
      const { head } = exchange;
      if (!exchange.meshed) {
        strip(head, isIdentity);
        return next(exchange);
      }
      let hop = head.recurring === true ? known.get(head.headers) : undefined;
      if (hop === undefined) {
        hop = readHopHead(head.headers, isIdentity);
        if (head.recurring === true) known.set(head.headers, hop);
      }
      head.version = hop.version;
      head.headers = hop.headers;
      exchange.destination = hop.destination;
      if (hop.destination === undefined) {
        return refuse(exchange, 'BAD_REQUEST', `the stream has no valid ${DESTINATION_HEADER}`);
      }
      next(exchange);
    };
}

/**
 * One peer has no more under way than a sidecar of ours asks of another, however many tunnels it opens: each holds memory here and a
 * connection to the app, and the app's are for all its callers.
 */
export function peerLimit(maxRequestsPerPeer: number): Filter<InboundExchange> {
  return (next) =>
    function peerLimitFilter(exchange) {
      const { load } = exchange.peer; // this exchange is counted already
      if (load === undefined || load.running <= maxRequestsPerPeer) return next(exchange);
      refuse(exchange, 'PEER_OVERLOADED', `this peer has ${maxRequestsPerPeer} requests under way here`);
    };
}

/**
 * Only the pod's own address, and any port but Weft's own: a tunnel is no way to anywhere else.
 * @param isOwn further addresses of this pod, besides the one that the connection arrived at
 */
export function ownAddress(
  isOwn: (address: string) => boolean,
  isWeftPort: (port: number) => boolean,
): Filter<InboundExchange> {
  return (next) =>
    function ownAddressFilter(exchange) {
      const { host, port } = exchange.destination!;
      if (host !== exchange.arrivedAt && !isOwn(host)) {
        return refuse(exchange, 'MISDIRECTED', `${host} is not an address of this pod`);
      }
      if (isWeftPort(port)) return refuse(exchange, 'FORBIDDEN_DESTINATION', `port ${port} is the sidecar's own`);
      next(exchange);
    };
}

export interface AccessOptions {
  /** Undefined before the first configuration: nobody gets in. */
  readonly policy: AccessMatcher | undefined;
  readonly clock: Clock;
  /** Takes over a raw connection that is nothing but the kubelet's probe of a port. */
  readonly probe: (exchange: InboundExchange) => void;
}

/** Lets through what a TrafficTarget allows, by the destination's mode; denies before there is a configuration. */
export function access(options: AccessOptions): Filter<InboundExchange> {
  const { policy, clock } = options;
  return (next) =>
    function accessFilter(exchange) {
      if (policy === undefined) {
        return refuse(exchange, 'NOT_CONFIGURED', 'this sidecar has no configuration yet, so it lets nobody in');
      }
      if (exchange.meshed && exchange.peer.notAfter <= clock.now()) {
        return refuse(exchange, 'NO_IDENTITY', `the certificate of ${exchange.peer.identity} has expired`);
      }
      const denied = judge(policy, exchange, true);
      if (denied !== undefined && policy.mode === 'deny') {
        if (isTcpProbe(policy, exchange)) return options.probe(exchange);
        return refuse(exchange, denied, explain(denied, exchange));
      }
      exchange.audited = denied;
      exchange.flowsOn = exchange.isTunnel;
      next(exchange);
    };
}

/**
 * Judges an exchange by a policy.
 * @param normalise in mode deny, give the request the form that it was judged in
 * @returns why it is denied (or would be, in audit), or undefined
 */
export function judge(policy: AccessMatcher, exchange: InboundExchange, normalise: boolean): ReasonCode | undefined {
  if (policy.mode === 'permissive') return undefined;
  const { peer, head } = exchange;
  const { port } = exchange.destination!;
  const nobody = peer.identity === undefined ? 'NO_IDENTITY' : 'ACCESS_DENIED';
  if (exchange.kind === 'tcp') {
    exchange.grantedBy = policy.tcp(peer, port);
    return exchange.grantedBy === undefined ? nobody : undefined;
  }
  let path = head.path;
  if (policy.enforcesHttp(port)) {
    const normal = normaliseTarget(path);
    if (normal === undefined) return 'PATH_REJECTED';
    path = normal;
    if (normalise && policy.mode === 'deny') head.path = normal;
  }
  const bare = pathOf(path);
  exchange.grantedBy =
    policy.http(peer, port, head.method, bare, head.authority, head.headers) ??
    (peer.identity === undefined ? policy.httpProbe(port, head.method, bare) : undefined);
  return exchange.grantedBy === undefined ? nobody : undefined;
}

function isTcpProbe(policy: AccessMatcher, exchange: InboundExchange): boolean {
  if (exchange.kind !== 'tcp' || exchange.peer.identity !== undefined) return false;
  return policy.tcpProbe(exchange.destination!.port) !== undefined;
}

function explain(code: ReasonCode, { peer, destination, head, kind }: InboundExchange): string {
  const what = kind === 'tcp' ? `port ${destination!.port}` : `${head.method} on port ${destination!.port}`;
  if (code === 'PATH_REJECTED') return 'the path has escapes or characters that rules cannot be applied to';
  if (code === 'NO_IDENTITY') return `callers without a mesh identity are not allowed ${what}`;
  return `no TrafficTarget allows ${peer.identity} ${what}`;
}

export interface InboundForwardOptions {
  readonly upstreams: Upstreams;
  /** Where the app listens, when it is not at the address that was called. */
  readonly appAddress: string | undefined;
  readonly protocol: (port: number) => PortProtocol;
  /** Fields that the app must not send to the mesh. */
  readonly fromApp: HeaderTest;
}

/** The last step: to the app on the pod's own address, in the protocol that the caller spoke. */
export function forwardInbound(options: InboundForwardOptions): Handler<InboundExchange> {
  const known = new WeakMap<Destination, AppTarget>();
  return function forwardInboundHandler(exchange) {
    const destination = exchange.destination!;
    const kind = appKind(exchange, options.protocol(destination.port));
    let target = known.get(destination);
    if (target === undefined || target.kind !== kind || target.pool.closed) {
      const address = { host: options.appAddress ?? destination.host, port: destination.port };
      target = { kind, name: formatDestination(address), pool: options.upstreams.plain(address, kind) };
      known.set(destination, target);
    }
    exchange.endpoint = target.name;
    new Attempt(exchange, new AppAttempt(exchange), options.fromApp).start(target.pool);
  };
}

/** Where the app is reached, for streams that come again. */
interface AppTarget {
  readonly kind: 'http1' | 'http2' | 'tcp';
  readonly name: string;
  readonly pool: Pool;
}

class AppAttempt implements AttemptEvents {
  readonly #exchange: InboundExchange;

  constructor(exchange: InboundExchange) {
    this.#exchange = exchange;
  }

  upstreamHead(): RequestHead {
    return this.#exchange.head;
  }

  onStarted(): void {
    this.#exchange.opened();
  }

  onNoConnection(error: Parameters<AttemptEvents['onNoConnection']>[0]): void {
    giveUp(this.#exchange, error);
  }

  onOver(): void {}
}

function appKind(exchange: InboundExchange, protocol: PortProtocol): 'http1' | 'http2' | 'tcp' {
  if (exchange.kind === 'tcp') return 'tcp';
  return exchange.head.version === '2' || protocol === 'http2' ? 'http2' : 'http1';
}
