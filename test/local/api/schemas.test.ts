import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

test('built-in schemas: hold the shape of kinds and no text of others', () => {
  const text = readFileSync(new URL('../../../src/local/api/schema/kubernetes-1.35.json', import.meta.url), 'utf8');
  const definitions = JSON.parse(text) as Record<string, unknown>;
  assert.ok('io.k8s.api.core.v1.Pod' in definitions);
  assert.doesNotMatch(text, /"description":\s*"/);
});
