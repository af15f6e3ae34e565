import { randomBytes } from 'node:crypto';
import { Roster } from '../base/roster.ts';
import { WatchSource } from '../base/watch.ts';
import { accessMatcher, type AccessMatcher } from '../mesh/access.ts';
import { ADMIN_PORT, TUNNEL_PORT } from '../mesh/ports.ts';
import type { InboundResource, ProxyConfig } from '../mesh/resources.ts';
import { EndpointRegistry } from './balance/registry.ts';
import { defaultLimits as defaultCodecLimits } from './codec/limits.ts';
import { TimerWheel } from './codec/timer-wheel.ts';
import { type Exchange, stack } from './exchange.ts';
import { access, forwardInbound, hopHeaders, ownAddress, peerLimit } from './filter/inbound.ts';
import {
  chooseBackend,
  findService,
  forwardOutbound,
  loopGuard,
  notConfigured,
  stripIdentity,
} from './filter/outbound.ts';
import { HopFields } from './filter/hop-fields.ts';
import { probePort } from './filter/probe.ts';
import { recordInbound, recordOutbound } from './filter/record.ts';
import { destinationGuard } from './guard.ts';
import { identityHeaders, REASON_HEADER } from './headers.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { LiveCredentials } from './live-credentials.ts';
import { Lookups } from './lookups.ts';
import type { Proxy, ProxyOptions } from './options.ts';
import { OwnConnections } from './own-connections.ts';
import { connector } from './pool/connect.ts';
import { Upstreams } from './pool/upstreams.ts';
import { CompiledServices } from './route/compiled-services.ts';
import { buildDirectory } from './route/directory.ts';
import { ProxyRun } from './run.ts';
import type { InboundState } from './server/inbound-server.ts';
import type { OutboundState } from './server/outbound-server.ts';
import { TrafficBook } from './traffic-book.ts';

/** One configuration, compiled: what is replaced as a whole when the next one comes. */
export interface CompiledConfig {
  readonly source: ProxyConfig | undefined;
  readonly outbound: OutboundState;
  readonly inbound: InboundState;
}

/** What outlives configurations: endpoints, connections, counters, credentials. */
export type Shared = ReturnType<typeof sharedParts>;

/** The data path of a sidecar, assembled; nothing runs or listens before `run`. */
export function createProxy(options: ProxyOptions): Proxy {
  const shared = sharedParts(options);
  const run = new ProxyRun(options, shared, (config) => compileConfig(config, options, shared));
  return {
    ready: shared.ready,
    run: (signal) => run.run(signal),
    traffic: () => shared.book,
    describe: () => run.describe(),
  };
}

/**
 * Compiles a configuration into the two stacks that its exchanges pass, top to bottom.
 * @param config undefined before the first one: nobody gets in or out
 * @throws PatternError when a pattern of it is none; the configuration is refused then, as a whole
 */
export function compileConfig(config: ProxyConfig | undefined, options: ProxyOptions, shared: Shared): CompiledConfig {
  const outbound = compileOutbound(config, options, shared);
  return { source: config, outbound, inbound: compileInbound(config, options, shared) };
}

function compileOutbound(
  config: ProxyConfig | undefined,
  { random, clock }: ProxyOptions,
  shared: Shared,
): OutboundState {
  const { registry, compiled, guard, limits, upstreams, instance, stripped, unknown } = shared;
  const recorded = recordOutbound(shared.recording, unknown);
  if (config === undefined) return { directory: undefined, handle: stack([recorded], notConfigured) };
  const directory = buildDirectory(config, { registry, compiled });
  const handle = stack(
    [
      recorded, // outermost: what is refused below is counted too
      loopGuard(instance, shared.ownConnections), // before the strip, which takes the header that it reads
      stripIdentity(stripped.all), // before anything looks at headers: a split's matches must not see forged ones
      findService({ directory, lookUp: shared.lookUp, forbidden: guard.forbidden }), // by address first
      chooseBackend(random), // once per exchange, so that attempts stay with the backend
    ],
    forwardOutbound({
      // an endpoint per attempt
      upstreams,
      clock,
      limits,
      hop: new HopFields(instance),
      unknown,
      fromMesh: stripped.allButReason,
      fromElsewhere: stripped.all,
    }),
  );
  return { directory, handle };
}

function compileInbound(config: ProxyConfig | undefined, options: ProxyOptions, shared: Shared): InboundState {
  const { clock, appAddress, podAddresses = [] } = options;
  const { guard, upstreams, stripped, timers, limits } = shared;
  const resource = config?.get('inbound') as InboundResource | undefined;
  const policy: AccessMatcher | undefined = resource === undefined ? undefined : accessMatcher(resource);
  const ports = new Map(resource?.ports.map((port) => [port.number, port.protocol]));
  const protocol = (port: number) => ports.get(port) ?? 'detect';
  const handle = stack(
    [
      recordInbound(shared.recording, shared.book), // outermost: denials are counted
      hopHeaders(stripped.all), // says what a stream is for; afterwards no header claims anything
      peerLimit(limits.maxRequestsPerPeer), // whatever they are for
      ownAddress((address) => podAddresses.includes(address), guard.isWeftPort), // a tunnel leads nowhere else
      access({
        // the last thing before the app
        policy,
        clock,
        probe: probePort({ upstreams, appAddress, timers, limits }),
      }),
    ],
    forwardInbound({ upstreams, appAddress, protocol, fromApp: stripped.all }),
  );
  return { policy, protocol, handle };
}

/** A name for a sidecar that no other has. */
export function randomInstance(): string {
  return randomBytes(8).toString('hex');
}

function sharedParts(options: ProxyOptions) {
  const { clock, random, accessLog, metrics = true, identityHeaders: more = [] } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const codec = { ...defaultCodecLimits, ...options.codecLimits };
  const timers = new TimerWheel();
  const instance = options.instance ?? randomInstance();
  const book = new TrafficBook();
  const registry = new EndpointRegistry();
  const running = new Roster<Exchange>();
  const ownConnections = new OwnConnections();
  const credentials = new LiveCredentials(options.credentials, clock);
  const isIdentity = identityHeaders(more);
  const parts: { run: ProxyRun | undefined } = { run: undefined };
  const guard = destinationGuard({
    listeners: () => parts.run?.listeners ?? [],
    reservedPorts: options.reservedPorts ?? [ADMIN_PORT],
    forbidden: options.forbidden ?? [],
  });
  const { connectTimeoutMs, handshakeTimeoutMs, lookupTimeoutMs } = limits;
  const connect = connector({ timers, connectTimeoutMs, forbidden: guard.forbidden, ownConnections });
  const lookup = options.lookup;
  const lookups = lookup && new Lookups({ lookup, clock, timeoutMs: lookupTimeoutMs });
  return {
    parts,
    limits,
    codec,
    timers,
    instance,
    book,
    ownConnections,
    credentials,
    guard,
    lookups,
    registry,
    compiled: new CompiledServices({ registry, random, book }),
    ready: new WatchSource(false),
    recording: { clock, running, accessLog, metrics },
    stripped: {
      all: isIdentity,
      allButReason: (name: string) => name !== REASON_HEADER && isIdentity(name),
    },
    upstreams: new Upstreams({
      dial: { connect, timers, codec, credentials, handshakeTimeoutMs },
      clock,
      random,
      limits,
      tunnelPort: options.tunnelPort ?? TUNNEL_PORT,
    }),
    unknown: book.series({ direction: 'outbound', peerIdentity: undefined, tls: false, target: undefined }),
    lookUp:
      lookups === undefined
        ? undefined
        : (exchange: Parameters<OutboundState['handle']>[0], destination: Parameters<Lookups['ask']>[0]) => {
            exchange.hold();
            void lookups.ask(destination).then(() => {
              exchange.lookedUp = true;
              if (!exchange.finished) parts.run?.handleOutbound(exchange);
            });
          },
  };
}
