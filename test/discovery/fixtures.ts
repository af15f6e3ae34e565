import { duplexPair, type Duplex } from 'node:stream';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { seeded } from '../../src/base/random.ts';
import { WatchSource } from '../../src/base/watch.ts';
import { discoveryClient, type DiscoveryClientOptions } from '../../src/discovery/client.ts';
import { discoveryServer, type DiscoveryServer, type DiscoveryServerOptions } from '../../src/discovery/server.ts';
import type { InboundResource, ProxyConfig, Resource, ServiceResource } from '../../src/mesh/resources.ts';

export const WEB = { namespace: 'shop', pod: 'web-1' };
export const WEB_ID = 'spiffe://cluster.local/ns/shop/sa/web';

export function workloadResource(pod = 'web-1', serviceAccount = 'web'): Resource {
  return {
    type: 'workload',
    key: 'workload',
    trustDomain: 'cluster.local',
    identity: `spiffe://cluster.local/ns/shop/sa/${serviceAccount}`,
    labels: { namespace: 'shop', pod, serviceAccount, ownerKind: 'deployment', owner: 'web' },
    opaquePorts: [3306],
  };
}

export function inboundResource(changes: Partial<InboundResource> = {}): InboundResource {
  return { type: 'inbound', key: 'inbound', mode: 'deny', ports: [], rules: [], probes: [], ...changes };
}

export function serviceResource(name: string, weight = 1): ServiceResource {
  const backend = { namespace: 'shop', service: name, port: 80, weight, endpoints: `endpoints/shop/${name}/80` };
  const route = { name: `Service shop/${name}`, tcp: true, backends: [backend], policies: [] };
  return {
    type: 'service',
    key: `service/shop/${name}`,
    namespace: 'shop',
    name,
    addresses: [`10.0.0.${name.length}`],
    hostnames: [`${name}.shop.svc.cluster.local`],
    ports: [{ number: 80, protocol: 'detect', routes: [route] }],
  };
}

export function endpointsResource(name: string, ...addresses: string[]): Resource {
  const endpoints = addresses.map((address) => ({ address, port: 8080, identity: WEB_ID }));
  return { type: 'endpoints', key: `endpoints/shop/${name}/80`, endpoints };
}

export function configOf(...resources: Resource[]): ProxyConfig {
  return new Map([workloadResource(), inboundResource(), ...resources].map((r) => [r.key, r]));
}

/** A controller whose configurations the test sets, and whose streams it sees and may cut. */
export function controller(options: Partial<DiscoveryServerOptions> = {}) {
  const configs = new WatchSource<ReadonlyMap<string, ProxyConfig>>();
  const server = discoveryServer({ configs, clock: systemClock, ...options });
  const serving = new Set<Promise<void>>();
  const streams: Duplex[] = [];
  return {
    server,
    configs,
    streams,
    /** What WEB should have. */
    want: (config: ProxyConfig) => configs.set(new Map([['shop/web-1', config]])),
    /** One end of a new stream. `budget`: bytes after which the controller's end breaks. */
    open(identity = WEB_ID, budget = Infinity, pod?: string): Duplex {
      const [near, far] = duplexPair();
      if (budget !== Infinity) breakAfter(far, budget);
      streams.push(far);
      const done = server.serve(far, identity, pod).finally(() => serving.delete(done));
      serving.add(done);
      return near;
    },
    async end() {
      server.close();
      await Promise.all(serving);
    },
  };
}

export function proxy(open: () => Duplex | Promise<Duplex>, options: Partial<DiscoveryClientOptions> = {}) {
  const clock: Clock = options.clock ?? systemClock;
  const client = discoveryClient({
    open: async () => open(),
    workload: WEB,
    clock,
    random: seeded(1),
    minBackoffMs: 1,
    maxBackoffMs: 2,
    ...options,
  });
  const stop = new AbortController();
  const done = client.run(stop.signal);
  return {
    ...client,
    lookup: client.lookup.bind(client),
    async end() {
      stop.abort();
      await done;
    },
  };
}

/** Cuts a stream off in the middle of whatever is written when the budget of bytes is used up. */
function breakAfter(duplex: Duplex, budget: number): void {
  const write = duplex.write.bind(duplex) as (chunk: string) => boolean;
  duplex.write = ((chunk: string) => {
    if (duplex.destroyed) return false;
    if (chunk.length <= budget) {
      budget -= chunk.length;
      return write(chunk);
    }
    write(chunk.slice(0, budget));
    setImmediate(() => duplex.destroy());
    budget = 0;
    return false;
  }) as Duplex['write'];
}

/** The frames that come out of one end of a stream, for tests that speak the protocol by hand. */
export function frames(duplex: Duplex) {
  const received: Record<string, unknown>[] = [];
  let waiting: (() => void) | undefined;
  let rest = '';
  let ended = false;
  const wake = () => waiting?.();
  duplex.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop()!;
    for (const line of lines) received.push(JSON.parse(line) as Record<string, unknown>);
    wake();
  });
  const end = () => {
    ended = true;
    wake();
  };
  duplex.on('end', end).on('close', end).on('error', end);
  return {
    send: (frame: object) => duplex.write(`${JSON.stringify(frame)}\n`),
    /** The next frame that is no ping; undefined when the stream has ended. */
    async next(): Promise<Record<string, unknown> | undefined> {
      for (;;) {
        const frame = received.shift();
        if (frame !== undefined && frame['type'] !== 'ping') return frame;
        if (frame !== undefined) continue;
        if (ended) return undefined;
        await new Promise<void>((resolve) => (waiting = resolve));
      }
    },
    /** How many frames are there unread, pings not counted. */
    unread: () => received.filter((f) => f['type'] !== 'ping').length,
  };
}

export function hello(changes: object = {}) {
  const features = ['access-http', 'access-audit', 'access-pods', 'route-matches', 'pods'];
  return { type: 'hello', protocol: 1, workload: WEB, features, hopVersion: 1, versions: {}, ...changes };
}

export type { DiscoveryServer };
