import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, contentHash } from '../../src/base/content-hash.ts';

test('content hash: does not depend on the order of keys', () => {
  assert.equal(contentHash({ a: 1, b: { c: [1, 2], d: null } }), contentHash({ b: { d: null, c: [1, 2] }, a: 1 }));
});

test('content hash: an undefined property is the same as none', () => {
  assert.equal(contentHash({ a: 1, b: undefined }), contentHash({ a: 1 }));
});

test('canonical JSON: is JSON of the same value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) =>
      assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value))),
    ),
  );
});

test('canonical JSON: does not depend on the order of keys, whatever they are called', () => {
  const entries = fc.uniqueArray(
    fc.tuple(fc.oneof(fc.string(), fc.nat().map(String), fc.constant('__proto__')), fc.nat()),
    {
      selector: ([key]) => key,
    },
  );
  const text = (pairs: readonly (readonly [string, number])[]) =>
    canonicalJson(JSON.parse(`{${pairs.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join()}}`));
  fc.assert(fc.property(entries, (pairs) => assert.equal(text(pairs), text(pairs.toReversed()))));
  assert.equal(canonicalJson(JSON.parse('{"__proto__":{"a":1}}')), '{"__proto__":{"a":1}}');
});
