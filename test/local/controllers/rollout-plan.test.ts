import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Deployment } from '../../../src/local/controllers/objects.ts';
import {
  newReplicas,
  oldReplicas,
  proportional,
  rolloutBounds,
  sum,
  type Scale,
} from '../../../src/local/controllers/rollout-plan.ts';
import { deployment } from './cluster.ts';

function bounds(replicas: number, maxSurge: number | string, maxUnavailable: number | string) {
  const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } };
  return rolloutBounds(deployment('web', replicas, 'v1', { strategy }) as Deployment);
}

test('rollout bounds: surge rounds up, unavailable rounds down, both zero lets one go', () => {
  assert.deepEqual(bounds(10, '25%', '25%'), { replicas: 10, maxSurge: 3, maxUnavailable: 2 });
  assert.deepEqual(bounds(1, '25%', '25%'), { replicas: 1, maxSurge: 1, maxUnavailable: 0 });
  assert.deepEqual(bounds(4, 0, 0), { replicas: 4, maxSurge: 0, maxUnavailable: 1 });
  assert.deepEqual(bounds(3, 0, 9), { replicas: 3, maxSurge: 0, maxUnavailable: 3 });
});

const scale = fc
  .nat(10)
  .chain((replicas) => fc.record({ replicas: fc.constant(replicas), available: fc.nat(replicas) }));

test('rollout: no step breaks maxSurge or takes more available pods than maxUnavailable allows', () => {
  const limits = fc.tuple(fc.integer({ min: 1, max: 10 }), fc.nat(5), fc.nat(5));
  fc.assert(
    fc.property(limits, scale, fc.array(scale, { maxLength: 3 }), ([replicas, surge, unavailable], fresh, old) => {
      const limit = bounds(replicas, surge, unavailable);
      const before = fresh.replicas + sum(old.map((s) => s.replicas));
      const next = newReplicas(fresh.replicas, old, limit);
      if (next > fresh.replicas) assert.ok(next + sum(old.map((s) => s.replicas)) <= replicas + limit.maxSurge);
      const kept = oldReplicas(fresh, old, limit);
      kept.forEach((n, i) => assert.ok(n >= 0 && n <= (old[i]?.replicas ?? 0)));
      const availableAfter = fresh.available + sum(old.map((s, i) => Math.min(s.available, kept[i] ?? 0)));
      const availableBefore = fresh.available + sum(old.map((s) => s.available));
      assert.ok(availableAfter >= Math.min(availableBefore, replicas - limit.maxUnavailable));
      assert.ok(before >= 0);
    }),
  );
});

test('rollout: with every pod healthy it ends with the new set alone, from anywhere', () => {
  const limits = fc.tuple(fc.integer({ min: 1, max: 10 }), fc.nat(5), fc.nat(5));
  fc.assert(
    fc.property(limits, fc.array(fc.nat(6), { maxLength: 3 }), ([replicas, surge, unavailable], sizes) => {
      const limit = bounds(replicas, surge, unavailable);
      let fresh: Scale = { replicas: 0, available: 0 };
      let old: Scale[] = sizes.map((n) => ({ replicas: n, available: n }));
      for (let step = 0; step < 100; step++) {
        const n = newReplicas(fresh.replicas, old, limit);
        fresh = { replicas: n, available: n };
        old = oldReplicas(fresh, old, limit).map((k) => ({ replicas: k, available: k }));
      }
      assert.equal(fresh.replicas, replicas);
      assert.equal(sum(old.map((s) => s.replicas)), 0);
    }),
  );
});

test('rollout: scaling in the middle shares the change in proportion', () => {
  const limit = { replicas: 20, maxSurge: 2, maxUnavailable: 1 };
  assert.deepEqual(proportional([8, 3], limit), [16, 6]);
  assert.deepEqual(proportional([8, 3], { ...limit, replicas: 0 }), [0, 0]);
  fc.assert(
    fc.property(
      fc.array(fc.nat(20), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 30 }),
      (sizes, replicas) => {
        const shared = proportional(sizes, { replicas, maxSurge: 1, maxUnavailable: 0 });
        if (sum(sizes) > 0) assert.equal(sum(shared), replicas + 1);
        assert.ok(shared.every((n) => n >= 0));
      },
    ),
  );
});
