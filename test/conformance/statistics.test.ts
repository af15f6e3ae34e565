import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  alphaPerBand,
  binomial,
  binomialBand,
  judgeSample,
  RUN_FALSE_ALARM,
  within,
} from '../../conformance/statistics.ts';

const size = fc.integer({ min: 1, max: 3000 });
const share = fc.double({ min: 0.001, max: 0.999, noNaN: true });
const rate = fc.constantFrom(0.05, 0.001, 1e-5, 1e-7);

test('statistics: binomial probabilities add up to one', () => {
  fc.assert(
    fc.property(size, share, (n, p) => {
      const probability = binomial(n, p);
      let sum = 0;
      for (let k = 0; k <= n; k++) sum += probability(k);
      assert.ok(Math.abs(sum - 1) < 1e-9, `${sum}`);
    }),
    { numRuns: 50 },
  );
});

test('statistics: a band leaves at most alpha outside, and one count less would leave more', () => {
  fc.assert(
    fc.property(size, share, rate, (n, p, alpha) => {
      const { low, high } = binomialBand(n, p, alpha);
      const probability = binomial(n, p);
      const sum = (from: number, to: number) => {
        let total = 0;
        for (let k = from; k <= to; k++) total += probability(k);
        return total;
      };
      const slack = 1e-12;
      assert.ok(sum(0, low - 1) <= alpha / 2 + slack && sum(high + 1, n) <= alpha / 2 + slack);
      assert.ok(sum(0, low) > alpha / 2 - slack && sum(high, n) > alpha / 2 - slack);
      assert.ok(within(Math.round(n * p), { low, high }));
    }),
    { numRuns: 200 },
  );
});

test('statistics: weights 0 and 1 leave no room for chance', () => {
  assert.deepEqual(binomialBand(500, 0, 0.001), { low: 0, high: 0 });
  assert.deepEqual(binomialBand(500, 1, 0.001), { low: 500, high: 500 });
});

test('statistics: the bands of a whole run together keep the false-alarm rate', () => {
  for (const bands of [1, 2, 30, 1000]) {
    const alpha = alphaPerBand(bands);
    const whole = 1 - (1 - alpha) ** bands;
    assert.ok(Math.abs(whole - RUN_FALSE_ALARM) < 1e-9, `${bands} bands: ${whole}`);
  }
  assert.equal(alphaPerBand(0), alphaPerBand(1));
});

test('statistics: right splits alarm no more often than promised, wrong ones do', () => {
  const random = mulberry32(42);
  const draw = (n: number, p: number) => {
    let hits = 0;
    for (let i = 0; i < n; i++) if (random() < p) hits++;
    return { v1: hits, v2: n - hits };
  };
  const alarms = (truth: number, alpha: number, runs: number) => {
    let count = 0;
    for (let i = 0; i < runs; i++)
      if (judgeSample({ v1: 90, v2: 10 }, draw(1000, truth), alpha).outliers.length > 0) count++;
    return count;
  };
  // With alpha 0.02 in 1000 runs 20 alarms are the most to expect; 45 would be more than five deviations away.
  assert.ok(alarms(0.9, 0.02, 1000) < 45);
  assert.equal(alarms(0.9, alphaPerBand(30), 1000), 0);
  assert.equal(alarms(0.8, alphaPerBand(30), 200), 200);
});

test('statistics: an answer from a backend without weight is an outlier, however rare', () => {
  const sample = judgeSample({ v1: 1, v2: 0 }, { v1: 1999, v2: 1 }, 1e-6);
  assert.deepEqual(sample.outliers, ['v1', 'v2']);
  assert.deepEqual(judgeSample({ v1: 1 }, { v1: 10, unknown: 1 }, 1e-6).outliers, ['v1', 'unknown']);
  assert.deepEqual(judgeSample({ v1: 1, v2: 2, v3: 7 }, { v1: 205, v2: 390, v3: 1405 }, 1e-5).outliers, []);
});

test('statistics: no request at all is no proof', () => {
  assert.deepEqual(judgeSample({ v1: 1, v2: 1 }, {}, 0.001), {
    requests: 0,
    counts: {},
    bands: { v1: { low: 0, high: 0 }, v2: { low: 0, high: 0 } },
    outliers: ['v1', 'v2'],
  });
});

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
