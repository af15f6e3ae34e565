import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { formatDestination, type Destination } from '../destination.ts';
import type { ProxyLimits } from '../limits.ts';
import { ConnectionPool } from './connection-pool.ts';
import { dialPlain, dialTunnel, type DialOptions } from './dial.ts';
import { OneShotPool } from './one-shot-pool.ts';
import type { Pool, PoolState } from './pool.ts';

export interface UpstreamsOptions {
  readonly dial: DialOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: ProxyLimits;
  /** Port of the peers' tunnel listeners: 15008 everywhere but in tests and standalone pairs. */
  readonly tunnelPort: number;
}

/** Every pool of the proxy, found by what its connections lead to. Outlives configurations. */
export class Upstreams {
  readonly #options: UpstreamsOptions;
  readonly #pools = new Map<string, Pool>();

  constructor(options: UpstreamsOptions) {
    this.#options = options;
  }

  /** Tunnels are pooled by (address, expected identity): a reused address never gets another workload's traffic. */
  tunnel(address: string, identity: string): Pool {
    const { dial, limits, tunnelPort } = this.#options;
    const name = `${address}|${identity}`;
    return this.#get('tunnel', name, () =>
      this.#shared(
        'tunnel',
        name,
        dialTunnel(dial, { host: address, port: tunnelPort }, identity),
        limits.idleTunnelMs,
      ),
    );
  }

  /** Plain connections to an app or to an unmeshed endpoint. */
  plain(destination: Destination, kind: 'http1' | 'http2' | 'tcp'): Pool {
    const { limits, dial } = this.#options;
    const name = formatDestination(destination);
    return this.#get(kind, name, () => {
      const open = dialPlain(dial, destination, kind);
      switch (kind) {
        case 'http1':
          return this.#exclusive(name, open);
        case 'http2':
          return this.#shared('http2', name, open, limits.idleConnectionMs);
        case 'tcp':
          return new OneShotPool(name, open, limits.maxConnectionsPerEndpoint);
      }
    });
  }

  #get(kind: PoolState['kind'], name: string, make: () => Pool): Pool {
    const key = `${kind} ${name}`;
    let pool = this.#pools.get(key);
    if (pool === undefined) this.#pools.set(key, (pool = make()));
    return pool;
  }

  #shared(kind: 'tunnel' | 'http2', name: string, dial: ReturnType<typeof dialPlain>, idleMs: number): Pool {
    const { maxTunnelsPerPeer, streamsPerTunnel } = this.#options.limits;
    return this.#pool(kind, name, dial, idleMs, maxTunnelsPerPeer, streamsPerTunnel);
  }

  #exclusive(name: string, dial: ReturnType<typeof dialPlain>): Pool {
    const { idleConnectionMs, maxConnectionsPerEndpoint } = this.#options.limits;
    return this.#pool('http1', name, dial, idleConnectionMs, maxConnectionsPerEndpoint, 1);
  }

  #pool(
    kind: PoolState['kind'],
    name: string,
    dial: ReturnType<typeof dialPlain>,
    idleMs: number,
    maxConnections: number,
    streamsPerConnection: number,
  ): Pool {
    const { clock, random, limits } = this.#options;
    return new ConnectionPool({
      name,
      kind,
      dial,
      clock,
      random,
      maxConnections,
      streamsPerConnection,
      idleMs,
      maxWaiters: limits.maxWaitersPerEndpoint,
      waitTimeoutMs: limits.waitTimeoutMs,
      maxAgeMs: limits.maxConnectionAgeMs,
    });
  }

  /** Drains tunnels to peers that no endpoint names any more. */
  retainTunnels(wanted: ReadonlySet<string>): void {
    for (const [key, pool] of this.#pools) {
      if (!key.startsWith('tunnel ') || wanted.has(key.slice('tunnel '.length))) continue;
      this.#pools.delete(key);
      pool.close();
      this.#retired.add(pool);
    }
  }

  readonly #retired = new Set<Pool>();

  /** Running streams finish where they are; everything new uses the newest certificate. */
  renewTunnels(): void {
    for (const [key, pool] of this.#pools) if (key.startsWith('tunnel ')) pool.renew();
  }

  /** Closes idle and old connections, and forgets plain pools that nobody uses. */
  sweep(now: number): void {
    for (const [key, pool] of this.#pools) {
      pool.sweep(now);
      if (!pool.empty || key.startsWith('tunnel ')) continue;
      this.#pools.delete(key);
      pool.close();
    }
    for (const pool of this.#retired) {
      pool.sweep(now);
      if (pool.empty) this.#retired.delete(pool);
    }
  }

  /** No new connections; the present ones end when their streams have. */
  close(): void {
    for (const pool of this.#pools.values()) pool.close();
  }

  destroy(): void {
    for (const pool of [...this.#pools.values(), ...this.#retired]) pool.destroy();
  }

  describe(): readonly PoolState[] {
    return [...this.#pools.values(), ...this.#retired].map((pool) => pool.describe());
  }
}
