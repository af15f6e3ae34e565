import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seeded } from '../../src/base/random.ts';
import type { Backend } from '../../src/mesh/resources.ts';
import { weightedPick } from '../../src/mesh/weighted.ts';

function backend(service: string, weight: number): Backend {
  return { namespace: 'shop', service, port: 80, weight, endpoints: `endpoints/shop/${service}/80` };
}

function shares(weights: readonly number[], ready: (i: number) => boolean, picks = 20_000): number[] {
  const backends = weights.map((weight, i) => backend(`b${i}`, weight));
  const pick = weightedPick(backends, (b) => ready(backends.indexOf(b)));
  const random = seeded(42);
  const counts = weights.map(() => 0);
  for (let i = 0; i < picks; i++) {
    const picked = pick(random);
    if (typeof picked === 'string') throw new Error(picked);
    const index = backends.indexOf(picked);
    counts[index] = (counts[index] ?? 0) + 1 / picks;
  }
  return counts;
}

function assertNear(actual: readonly number[], expected: readonly number[]): void {
  actual.forEach((share, i) => assert.ok(Math.abs(share - (expected[i] ?? 0)) < 0.015, `${actual} for ${expected}`));
}

test('weighted pick: shares follow relative weights', () => {
  assertNear(
    shares([1, 2, 7], () => true),
    [0.1, 0.2, 0.7],
  );
  assertNear(
    shares([1000, 500], () => true),
    [0.667, 0.333],
  );
});

test('weighted pick: the share of a backend without endpoints goes to the others in proportion (S9)', () => {
  assertNear(
    shares([50, 20, 30], (i) => i !== 0),
    [0, 0.4, 0.6],
  );
});

test('weighted pick: all weights zero, or no backend, is a split without backend (S8)', () => {
  assert.equal(weightedPick([], () => true)(seeded(1)), 'SPLIT_WITHOUT_BACKEND');
  assert.equal(weightedPick([backend('a', 0), backend('b', 0)], () => true)(seeded(1)), 'SPLIT_WITHOUT_BACKEND');
});

test('weighted pick: weight zero is never chosen, not even when it is the only one ready', () => {
  const a = backend('a', 0);
  const pick = weightedPick([a, backend('b', 1), backend('c', 1)], (b) => b === a);
  assert.equal(pick(seeded(1)), 'NO_ENDPOINTS');
});

test('weighted pick: a single backend without endpoints has nobody to give its share to', () => {
  assert.equal(weightedPick([backend('a', 1)], () => false)(seeded(1)), 'NO_ENDPOINTS');
});

test('weighted pick: endpoints that come and go count from the next pick on', () => {
  let ready = false;
  const pick = weightedPick([backend('a', 1), backend('b', 1)], () => ready);
  assert.equal(pick(seeded(1)), 'NO_ENDPOINTS');
  ready = true;
  assert.equal(typeof pick(seeded(1)), 'object');
});

test('weighted pick: always a ready backend with weight while there is one', () => {
  const set = fc.array(fc.record({ weight: fc.nat(3), ready: fc.boolean() }), { maxLength: 6 });
  fc.assert(
    fc.property(set, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (entries, roll) => {
      const backends = entries.map(({ weight }, i) => backend(`b${i}`, weight));
      const ready = new Set(backends.filter((_, i) => entries[i]?.ready));
      const picked = weightedPick(backends, (b) => ready.has(b))(() => roll);
      if (backends.every((b) => b.weight === 0)) assert.equal(picked, 'SPLIT_WITHOUT_BACKEND');
      else if (![...ready].some((b) => b.weight > 0)) assert.equal(picked, 'NO_ENDPOINTS');
      else assert.ok(typeof picked === 'object' && ready.has(picked) && picked.weight > 0);
    }),
  );
});
