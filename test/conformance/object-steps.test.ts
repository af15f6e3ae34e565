import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingIn, quantity } from '../../conformance/object-steps.ts';

test('object steps: an object that is read may have more than what is expected, but lists and values are exact', () => {
  const actual = {
    spec: { backends: [{ service: 'a', weight: 1, more: true }], matches: [] },
    metadata: { name: 'x' },
  };
  assert.equal(missingIn(actual, { spec: { backends: [{ service: 'a', weight: 1 }] } }, ''), undefined);
  assert.equal(
    missingIn(actual, { spec: { backends: [] } }, ''),
    'spec.backends is [{"service":"a","weight":1,"more":true}], expected []',
  );
  assert.equal(
    missingIn(actual, { spec: { backends: [{ weight: '1' }] } }, ''),
    'spec.backends[0].weight is 1, expected "1"',
  );
  assert.equal(missingIn(actual, { spec: { matches: ['a'] } }, ''), 'spec.matches is [], expected ["a"]');
  assert.equal(missingIn(undefined, { spec: {} }, ''), undefined);
  assert.equal(missingIn(undefined, { spec: { port: 1 } }, ''), 'spec.port is undefined, expected 1');
});

test('object steps: quantities as clients write them', () => {
  for (const [written, value] of [
    [10, 10],
    ['10', 10],
    ['500m', 0.5],
    ['1500m', 1.5],
    ['1.5', 1.5],
    ['1k', 1000],
    ['1e2', 100],
  ] as const)
    assert.equal(quantity(written), value);
  for (const written of ['', 'm', 'ten', '1 0', null]) assert.ok(Number.isNaN(quantity(written)), String(written));
});
