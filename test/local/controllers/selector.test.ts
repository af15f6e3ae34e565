import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selects } from '../../../src/local/controllers/selector.ts';

const labels = { app: 'web', tier: 'front' };

test('selector: all pairs and all expressions must hold', () => {
  assert.equal(selects({}, labels), true);
  assert.equal(selects({ matchLabels: { app: 'web', tier: 'front' } }, labels), true);
  assert.equal(selects({ matchLabels: { app: 'web', tier: 'back' } }, labels), false);
  assert.equal(selects({ matchLabels: { app: 'web' } }, undefined), false);
});

test('selector: expressions mean what Kubernetes says', () => {
  const one = (operator: string, key: string, values?: string[]) =>
    selects({ matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) }] }, labels);
  assert.equal(one('In', 'app', ['web', 'api']), true);
  assert.equal(one('In', 'missing', ['web']), false);
  assert.equal(one('NotIn', 'app', ['web']), false);
  assert.equal(one('NotIn', 'missing', ['web']), true);
  assert.equal(one('Exists', 'tier'), true);
  assert.equal(one('DoesNotExist', 'tier'), false);
  assert.equal(one('Nonsense', 'app'), false);
});
