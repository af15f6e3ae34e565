import type { Endpoint } from '../../mesh/resources.ts';
import { formatDestination } from '../destination.ts';
import type { ProxyLimits } from '../limits.ts';
import type { Pool, PoolState } from '../pool/pool.ts';

/** What is known of one endpoint at run time. Lives on while configurations come and go. */
export class LiveEndpoint {
  /** Newest description; address, port and identity never change. */
  endpoint: Endpoint;
  /** `10.0.0.9:8080` */
  readonly name: string;
  /** Exchanges that are running there. */
  active = 0;
  /** Connections refused in a row. */
  failures = 0;
  /** The pool by which it was last reached, as `Upstreams` gave it, and what is spoken there. */
  pool: Pool | undefined = undefined;
  poolKind: PoolState['kind'] = 'tunnel';
  /** Avoided until then (milliseconds since 1970) while others are there. */
  cooldownUntil = 0;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
    this.name = formatDestination({ host: endpoint.address, port: endpoint.port });
  }

  /** A connection could not be made: leave it alone for a while. */
  failed(now: number, limits: ProxyLimits): void {
    const pause = Math.min(limits.maxCooldownMs, limits.minCooldownMs * 2 ** this.failures);
    this.failures = Math.min(this.failures + 1, 16);
    this.cooldownUntil = now + pause;
  }

  succeeded(): void {
    this.failures = 0;
    this.cooldownUntil = 0;
  }
}

/** Identity of an endpoint: a reused address with another expected SPIFFE ID is another endpoint. */
export function endpointKey({ address, port, identity }: Endpoint): string {
  return `${address}|${port}|${identity ?? ''}`;
}
