import type { Random } from '../../base/random.ts';
import type { LiveEndpoint } from './live-endpoint.ts';

/** Picks an endpoint for one attempt. */
export interface Balancer {
  readonly endpoints: readonly LiveEndpoint[];
  /**
   * @param tried endpoints that this exchange has tried already
   * @returns undefined when there is none that was not tried
   */
  pick(now: number, tried: readonly LiveEndpoint[]): LiveEndpoint | undefined;
}

const NONE: readonly LiveEndpoint[] = [];

/**
 * Power of two choices: of two random endpoints the one with fewer running exchanges (Mitzenmacher 2001). Endpoints
 * that just refused connections are passed over as long as another one is left.
 */
export function p2c(endpoints: readonly LiveEndpoint[], random: Random): Balancer {
  return {
    endpoints,
    pick(now, tried) {
      const n = endpoints.length;
      if (n === 0) return undefined;
      if (n === 1) return tried.length === 0 ? endpoints[0] : undefined;
      const i = Math.floor(random() * n);
      let j = Math.floor(random() * (n - 1));
      if (j >= i) j++;
      const a = endpoints[i]!;
      const b = endpoints[j]!;
      const goodA = usable(a, now, tried);
      const goodB = usable(b, now, tried);
      if (goodA && goodB) return b.active < a.active ? b : a;
      if (goodA) return a;
      if (goodB) return b;
      return lightest(endpoints, now, tried) ?? lightest(endpoints, Infinity, tried);
    },
  };
}

function usable(endpoint: LiveEndpoint, now: number, tried: readonly LiveEndpoint[]): boolean {
  return endpoint.cooldownUntil <= now && (tried.length === 0 || !tried.includes(endpoint));
}

/** Both choices were bad: look at all of them. `now` of Infinity ignores cooldowns. */
function lightest(endpoints: readonly LiveEndpoint[], now: number, tried = NONE): LiveEndpoint | undefined {
  let best: LiveEndpoint | undefined;
  for (const endpoint of endpoints) {
    if (usable(endpoint, now, tried) && (best === undefined || endpoint.active < best.active)) best = endpoint;
  }
  return best;
}
