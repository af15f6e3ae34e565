import type { Random } from '../base/random.ts';
import type { ReasonCode } from './reasons.ts';

/** Why no backend could be picked. */
export type NoBackend = Extract<ReasonCode, 'SPLIT_WITHOUT_BACKEND' | 'NO_ENDPOINTS'>;

/** Picks a backend of a route; called once per request, or once per TCP connection (`smi.md` S15, S16). */
export type WeightedPick<B> = (random: Random) => B | NoBackend;

/**
 * A pick by weight among the backends that have endpoints now: the share of one that has none goes to the others in
 * proportion to their weights (`smi.md` S9). No weight at all is SPLIT_WITHOUT_BACKEND (S8), nobody ready NO_ENDPOINTS.
 * @param hasEndpoints asked per pick, so that endpoints may come and go without a new configuration
 */
export function weightedPick<B extends { readonly weight: number }>(
  backends: readonly B[],
  hasEndpoints: (backend: B) => boolean,
): WeightedPick<B> {
  const weighted = backends.filter((backend) => backend.weight > 0);
  const only = weighted[0];
  if (only === undefined) return () => 'SPLIT_WITHOUT_BACKEND';
  if (weighted.length === 1) return () => (hasEndpoints(only) ? only : 'NO_ENDPOINTS');
  return function pickByWeight(random) {
    let total = 0;
    for (const backend of weighted) if (hasEndpoints(backend)) total += backend.weight;
    if (total === 0) return 'NO_ENDPOINTS';
    let left = random() * total;
    let last: B | undefined;
    for (const backend of weighted) {
      if (!hasEndpoints(backend)) continue;
      last = backend;
      left -= backend.weight;
      if (left < 0) return backend;
    }
    return last ?? 'NO_ENDPOINTS'; // random() so near to 1 that rounding reached the total
  };
}
