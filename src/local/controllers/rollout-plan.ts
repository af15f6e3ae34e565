import type { Deployment } from './objects.ts';

/** A ReplicaSet as far as a rollout cares. */
export interface Scale {
  /** Replicas asked for. */
  readonly replicas: number;
  /** Replicas that are available. */
  readonly available: number;
}

export interface RolloutBounds {
  readonly replicas: number;
  readonly maxSurge: number;
  readonly maxUnavailable: number;
}

/** Absolute bounds of a Deployment's rolling update: surge rounds up, unavailable rounds down, never both 0. */
export function rolloutBounds(deployment: Deployment): RolloutBounds {
  const replicas = deployment.spec.replicas ?? 1;
  if (deployment.spec.strategy?.type === 'Recreate') return { replicas, maxSurge: 0, maxUnavailable: replicas };
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec.strategy?.rollingUpdate ?? {};
  const surge = resolve(maxSurge, replicas, Math.ceil);
  const unavailable = Math.min(replicas, resolve(maxUnavailable, replicas, Math.floor));
  return { replicas, maxSurge: surge, maxUnavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

function resolve(value: number | string, total: number, round: (n: number) => number): number {
  if (typeof value === 'number') return value;
  return round((Number.parseInt(value, 10) * total) / 100);
}

/** How many replicas the new ReplicaSet may have now: as many as the surge leaves room for. */
export function newReplicas(fresh: number, old: readonly Scale[], { replicas, maxSurge }: RolloutBounds): number {
  if (fresh >= replicas) return replicas;
  const room = replicas + maxSurge - fresh - sum(old.map((s) => s.replicas));
  return room <= 0 ? fresh : fresh + Math.min(room, replicas - fresh);
}

/**
 * How many replicas each old ReplicaSet (oldest first) keeps now. Unavailable pods go first, since their end costs
 * nothing; then as many as availability allows.
 */
export function oldReplicas(fresh: Scale, old: readonly Scale[], bounds: RolloutBounds): number[] {
  const kept = old.map((s) => s.replicas);
  const minAvailable = bounds.replicas - bounds.maxUnavailable;
  const total = fresh.replicas + sum(kept);
  // pods of the new set that are not up yet do not count for availability
  let removable = total - minAvailable - Math.max(0, fresh.replicas - fresh.available);
  const take = (i: number, most: number) => {
    const n = Math.max(0, Math.min(removable, most, kept[i] ?? 0));
    kept[i] = (kept[i] ?? 0) - n;
    removable -= n;
    return n;
  };
  old.forEach((s, i) => take(i, s.replicas - Math.min(s.replicas, s.available)));
  let spare = fresh.available + sum(old.map((s) => Math.min(s.available, s.replicas))) - minAvailable;
  old.forEach((_, i) => (spare -= take(i, spare)));
  return kept;
}

/**
 * Replicas of each ReplicaSet when a Deployment is scaled in the middle of a rollout: the change is shared in proportion
 * to their sizes, and the largest takes what rounding leaves.
 */
export function proportional(sizes: readonly number[], { replicas, maxSurge }: RolloutBounds): number[] {
  const total = sum(sizes);
  const allowed = replicas === 0 ? 0 : replicas + maxSurge;
  if (total === 0) return [...sizes];
  const shared = sizes.map((size) => Math.floor((size * allowed) / total));
  let rest = allowed - sum(shared);
  const bySize = sizes.map((_, i) => i).sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0));
  for (const i of bySize) {
    if (rest <= 0 || (sizes[i] ?? 0) === 0) break;
    shared[i] = (shared[i] ?? 0) + rest;
    rest = 0;
  }
  return shared;
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
