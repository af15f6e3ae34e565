import type { InboundResource, ProxyConfig, WorkloadResource } from '../mesh/resources.ts';
import type { CompiledConfig, Shared } from './assemble.ts';
import { canonicalAddress, parseDestination, type Destination } from './destination.ts';
import { ProxyError } from './error.ts';
import { InboundExchange, judge } from './filter/inbound.ts';
import type { OutboundExchange } from './filter/outbound.ts';
import type { ProxyOptions, ProxyState } from './options.ts';
import { loadOriginalDestination, localDestination } from './original-destination.ts';
import { explicitConnection } from './server/explicit-server.ts';
import { InboundPorts } from './server/inbound-ports.ts';
import { InboundServer } from './server/inbound-server.ts';
import { listen, type Listener, type ListenAddress, type ListenOptions } from './server/listener.ts';
import { OutboundServer } from './server/outbound-server.ts';
import { PeerShares } from './server/peer-shares.ts';
import { Serving } from './server/serving.ts';
import { TunnelListener } from './server/tunnel-listener.ts';

/** How often pools and counters are looked through. */
const SWEEP_MS = 1_000;
/** After the last exchange: time for the last bytes to leave. */
const FLUSH_MS = 1_000;
const POLL_MS = 50;

/** The life of a sidecar: opens listeners, follows configuration and credentials, sweeps, drains. */
export class ProxyRun {
  readonly #options: ProxyOptions;
  readonly #shared: Shared;
  readonly #compile: (config: ProxyConfig | undefined) => CompiledConfig;
  readonly #serving: Serving;
  readonly #peers = new PeerShares();
  readonly #tunnelListener: TunnelListener;
  readonly #inboundPorts: InboundPorts | undefined;
  #listeners: Listener[] = [];
  #compiled: CompiledConfig;
  #refused: string | undefined;
  #listening = false;

  constructor(options: ProxyOptions, shared: Shared, compile: (config: ProxyConfig | undefined) => CompiledConfig) {
    this.#options = options;
    this.#shared = shared;
    this.#compile = compile;
    this.#compiled = compile(undefined);
    this.#serving = new Serving({
      timers: shared.timers,
      codec: shared.codec,
      idleTunnelMs: shared.limits.idleTunnelMs * 1.5,
    });
    const inbound = this.#inboundServer(localDestination);
    this.#tunnelListener = new TunnelListener({
      credentials: shared.credentials,
      limits: shared.limits,
      log: options.log,
      clock: options.clock,
      onTunnel: (socket, peer, onSentAway) => inbound.tunnel(socket, peer, onSentAway),
    });
    this.#inboundPorts =
      options.listeners.inboundPorts && this.#makeInboundPorts(options.listeners.inboundPorts.address);
    shared.parts.run = this;
  }

  /** What is open, but for the listeners that stand for the app's ports. */
  get listeners(): readonly Listener[] {
    return this.#listeners;
  }

  handleOutbound(exchange: OutboundExchange): void {
    this.#compiled.outbound.handle(exchange);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { config, log } = this.#options;
    const { credentials } = this.#shared;
    await this.#open();
    this.#listening = true;
    credentials.onChange(() => this.#credentialsChanged());
    credentials.start((error) => log.error('credentials refused, the last good ones stay', { error: error.message }));
    const stop = config.subscribe(() => this.#configChanged());
    this.#configChanged();
    try {
      await this.#sweepUntil(signal);
    } finally {
      stop();
      credentials.stop();
      await this.#drain();
    }
  }

  // ---- opening

  async #open(): Promise<void> {
    const { listeners } = this.#options;
    const redirects = listeners.outbound !== undefined || listeners.inbound !== undefined;
    const originalDestination = redirects ? await loadOriginalDestination() : localDestination;
    const outbound = this.#outboundServer(originalDestination);
    const inbound = this.#inboundServer(originalDestination);
    const { timers, limits } = this.#shared;
    try {
      await this.#listen('outbound', listeners.outbound, (socket) => outbound.redirected(socket));
      await this.#listen('explicit', listeners.explicit, (socket) => {
        explicitConnection(socket, { outbound, timers, limits });
      });
      for (const forward of listeners.forward ?? []) {
        const destination = forwardDestination(forward.destination);
        await this.#listen('forward', forward, (socket) => outbound.connection(socket, destination, 'detect'));
      }
      await this.#listen('inbound', listeners.inbound, (socket) => inbound.redirected(socket));
      await this.#listen('tunnel', listeners.tunnel, (socket) => this.#tunnelListener.accept(socket));
    } catch (error) {
      for (const listener of this.#listeners) listener.close();
      throw error;
    }
  }

  async #listen(kind: Listener['kind'], at: ListenAddress | undefined, onConnection: ListenOptions['onConnection']) {
    if (at === undefined) return;
    const { maxConnections } = this.#shared.limits;
    const { reusePort = false } = this.#options;
    this.#listeners.push(await listen({ kind, at, maxConnections, reusePort, onConnection }));
  }

  #outboundServer(originalDestination: typeof localDestination): OutboundServer {
    const { timers, limits, lookups } = this.#shared;
    return new OutboundServer({
      state: () => this.#compiled.outbound,
      lookUp: lookups && ((destination) => lookups.ask(destination)),
      serving: this.#serving,
      clock: this.#options.clock,
      timers,
      limits,
      originalDestination,
    });
  }

  #inboundServer(originalDestination: typeof localDestination): InboundServer {
    const { timers, limits } = this.#shared;
    return new InboundServer({
      state: () => this.#compiled.inbound,
      serving: this.#serving,
      peers: this.#peers,
      clock: this.#options.clock,
      timers,
      limits,
      originalDestination,
    });
  }

  #makeInboundPorts(address: string): InboundPorts {
    const server = this.#inboundServer(localDestination);
    const { maxConnections } = this.#shared.limits;
    const { log, reusePort = false } = this.#options;
    return new InboundPorts({
      address,
      maxConnections,
      reusePort,
      log,
      onConnection: (socket) => server.direct(socket),
    });
  }

  // ---- following

  #configChanged(): void {
    const config = this.#options.config.current();
    if (config === undefined) return;
    const { registry, upstreams, recording } = this.#shared;
    try {
      this.#compiled = this.#compile(config);
      this.#refused = undefined;
      registry.commit();
    } catch (error) {
      registry.rollback();
      this.#refused = (error as Error).message;
      this.#options.log.error('configuration refused, the last good one stays', { error: this.#refused });
      return;
    }
    upstreams.retainTunnels(registry.tunnels());
    for (const exchange of recording.running) {
      if (exchange instanceof InboundExchange && exchange.flowsOn) this.#rejudge(exchange);
    }
    void this.#inboundPorts?.want(this.#wantedPorts(config));
    this.#updateReady();
  }

  /** What flows on must still be allowed (`smi.md` A19). */
  #rejudge(exchange: InboundExchange): void {
    const { policy } = this.#compiled.inbound;
    if (policy === undefined || policy.mode !== 'deny' || judge(policy, exchange, false) === undefined) return;
    exchange.abort(new ProxyError('ACCESS_DENIED', 'a change of policy has ended this connection'));
  }

  #wantedPorts(config: ProxyConfig): Set<number> {
    const inbound = config.get('inbound') as InboundResource | undefined;
    const ports = inbound?.ports.map((port) => port.number) ?? [];
    return new Set(ports.filter((port) => !this.#shared.guard.isWeftPort(port)));
  }

  #credentialsChanged(): void {
    this.#shared.upstreams.renewTunnels();
    this.#tunnelListener.recheck();
    this.#updateReady();
  }

  #updateReady(): void {
    const { credentials, ready } = this.#shared;
    const certified = credentials.current() !== undefined || this.#options.listeners.tunnel === undefined;
    ready.set(this.#listening && this.#compiled.source !== undefined && certified);
  }

  // ---- serving and draining

  async #sweepUntil(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const { upstreams, book, registry } = this.#shared;
    for (;;) {
      try {
        await clock.sleep(SWEEP_MS, signal);
      } catch {
        return; // aborted
      }
      const now = clock.now();
      upstreams.sweep(now);
      const pods = registry.pods();
      book.sweep(now, (namespace, pod) => pods.has(`${namespace}/${pod}`));
      const source = this.#compiled.source;
      if (source !== undefined) void this.#inboundPorts?.want(this.#wantedPorts(source));
    }
  }

  async #drain(): Promise<void> {
    const { ready, upstreams, timers, limits } = this.#shared;
    const { running } = this.#shared.recording;
    const { clock } = this.#options;
    this.#listening = false;
    ready.set(false);
    await this.#inboundPorts?.want(new Set());
    for (const listener of this.#listeners) listener.close();
    this.#serving.drain();
    // Not only until nothing runs: a connection that has been told to end may still bring what was on its way
    await this.#until(() => running.size + this.#serving.size === 0, clock.now() + limits.drainMs);
    for (const exchange of running) exchange.abort(new ProxyError('DRAINING', 'this sidecar is going away'));
    upstreams.close();
    await this.#until(() => this.#serving.size === 0, clock.now() + FLUSH_MS);
    this.#serving.destroy();
    for (const listener of this.#listeners) listener.destroy();
    upstreams.destroy();
    timers.stop();
    this.#listeners = [];
  }

  async #until(done: () => boolean, deadline: number): Promise<void> {
    const never = new AbortController().signal;
    while (!done() && this.#options.clock.now() < deadline) await this.#options.clock.sleep(POLL_MS, never);
  }

  describe(): ProxyState {
    const { instance, ready, credentials, registry, upstreams, recording } = this.#shared;
    const listeners = [...this.#listeners, ...(this.#inboundPorts?.listeners ?? [])];
    const { source, outbound, inbound } = this.#compiled;
    const workload = source?.get('workload') as WorkloadResource | undefined;
    const issued = credentials.current()?.credentials;
    return {
      instance,
      ready: ready.current() === true,
      identity: issued?.identity ?? workload?.identity,
      certificateNotAfter: issued?.notAfter,
      listeners: listeners.map(({ kind, address, port, connections }) => ({ kind, address, port, connections })),
      config: {
        resources: source?.size ?? 0,
        services: outbound.directory?.services ?? 0,
        mode: inbound.policy?.mode,
        refused: this.#refused,
      },
      endpoints: [...registry.values()].map(({ endpoint: { address, port, identity }, active, failures }) => {
        return { address, port, identity, active, failures };
      }),
      pools: upstreams.describe(),
      exchanges: recording.running.size,
      connections: this.#serving.size,
      tunnels: { open: this.#tunnelListener.tunnels, refused: this.#tunnelListener.refused },
    };
  }
}

function forwardDestination(text: string): Destination {
  const destination = parseDestination(text);
  if (destination === undefined)
    throw new Error(`forward listener: destination ${JSON.stringify(text)} is no host:port`);
  return { host: canonicalAddress(destination.host), port: destination.port };
}
