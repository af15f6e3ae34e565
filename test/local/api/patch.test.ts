import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonPatch } from '../../../src/local/api/patch/json-patch.ts';
import { mergePatch } from '../../../src/local/api/patch/merge-patch.ts';
import { strategicMergePatch } from '../../../src/local/api/patch/strategic.ts';
import { loadBuiltinSchemas } from '../../../src/local/api/schema/builtin-schemas.ts';

const builtin = loadBuiltinSchemas();

/** The pod spec `before` after a strategic merge patch of its spec. */
function patched(before: object, patch: object): unknown {
  const pod = builtin.find('', 'v1', 'Pod')?.schema;
  const after = strategicMergePatch({ spec: before }, { spec: patch }, pod, builtin.resolve) as { spec: unknown };
  return after.spec;
}

test('strategic merge: lists with a merge key are merged by it, others replaced', () => {
  const before = { containers: [{ name: 'a', image: '1', args: ['x', 'y'] }, { name: 'b' }] };
  assert.deepEqual(patched(before, { containers: [{ name: 'a', image: '2', args: ['z'] }, { name: 'c' }] }), {
    containers: [{ name: 'a', image: '2', args: ['z'] }, { name: 'c' }, { name: 'b' }],
  });
});

test('strategic merge: directives delete, replace, keep and order', () => {
  const before = { containers: [{ name: 'a' }, { name: 'b' }, { name: 'c' }], volumes: [{ name: 'v', emptyDir: {} }] };
  assert.deepEqual(patched(before, { containers: [{ name: 'b', $patch: 'delete' }] }), {
    ...before,
    containers: [{ name: 'a' }, { name: 'c' }],
  });
  assert.deepEqual(patched(before, { containers: [{ $patch: 'replace' }, { name: 'z' }] }), {
    ...before,
    containers: [{ name: 'z' }],
  });
  assert.deepEqual(
    patched(before, {
      '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }],
      containers: [{ name: 'c', image: 'n' }],
    }),
    {
      ...before,
      containers: [{ name: 'b' }, { name: 'c', image: 'n' }, { name: 'a' }],
    },
  );
  assert.deepEqual(
    patched(before, { volumes: [{ name: 'v', $retainKeys: ['name', 'configMap'], configMap: { name: 'm' } }] }),
    {
      ...before,
      volumes: [{ name: 'v', configMap: { name: 'm' } }],
    },
  );
  assert.deepEqual(patched(before, { volumes: null }), { containers: before.containers });
});

test('strategic merge: what the patch names has its order, new items stand in front, as Kubernetes 1.35 does it', () => {
  const before = { containers: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] };
  const order = (patch: object) => (patched(before, patch) as typeof before).containers.map((c) => c.name).join('');
  const named = (...names: readonly string[]) => names.map((name) => ({ name, image: 'n' }));
  assert.equal(order({ containers: named('a', 'z') }), 'azbc');
  assert.equal(order({ containers: named('z', 'c') }), 'zabc');
  assert.equal(order({ containers: named('c', 'a') }), 'bca');
  assert.equal(order({ containers: [{ name: 'b', $patch: 'delete' }, ...named('z')] }), 'zac');
});

test('strategic merge: sets of plain values are united, and lose what is named', () => {
  const schema = builtin.find('', 'v1', 'Pod')?.schema;
  const before = { metadata: { finalizers: ['a', 'b'] } };
  const patch = { metadata: { finalizers: ['c'], '$deleteFromPrimitiveList/finalizers': ['a'] } };
  const after = strategicMergePatch(before, patch, schema, builtin.resolve) as { metadata: { finalizers: string[] } };
  assert.deepEqual([...after.metadata.finalizers].sort(), ['b', 'c']);
});

test('json patch: every operation of RFC 6902, and nothing of the original changed', () => {
  const before = { a: [1, 2], 'x/y': { '~': 1 } };
  const after = jsonPatch(before, [
    { op: 'add', path: '/a/1', value: 9 },
    { op: 'add', path: '/a/-', value: 10 },
    { op: 'test', path: '/x~1y/~0', value: 1 },
    { op: 'copy', from: '/a/0', path: '/b' },
    { op: 'move', from: '/x~1y', path: '/c' },
    { op: 'replace', path: '/a/0', value: 'first' },
    { op: 'remove', path: '/a/2' },
  ]);
  assert.deepEqual(after, { a: ['first', 9, 10], b: 1, c: { '~': 1 } });
  assert.deepEqual(before, { a: [1, 2], 'x/y': { '~': 1 } });
});

test('json patch: what does not fit is refused', () => {
  for (const operation of [
    { op: 'remove', path: '/none' },
    { op: 'replace', path: '/a/7', value: 1 },
    { op: 'add', path: '/none/deeper', value: 1 },
    { op: 'test', path: '/a', value: [] },
    { op: 'jump', path: '/a' },
    { op: 'add', path: 'a', value: 1 },
    { op: 'add', path: '/a/01', value: 1 },
  ]) {
    assert.throws(() => jsonPatch({ a: [1] }, [operation]), /rejected/, JSON.stringify(operation));
  }
});

test('json patch: __proto__ is a name like any other', () => {
  const after = jsonPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: true } }]) as object;
  assert.ok(Object.hasOwn(after, '__proto__'));
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

test('merge patch: applying it twice is the same as once; null removes', () => {
  assert.deepEqual(mergePatch({ a: 1, b: { c: 1, d: 2 } }, { a: null, b: { c: null, e: [1] } }), {
    b: { d: 2, e: [1] },
  });
  const json = fc.dictionary(fc.string(), fc.jsonValue());
  fc.assert(
    fc.property(json, json, (document, patch) => {
      const once = mergePatch(document, patch);
      assert.deepEqual(mergePatch(once, patch), once);
    }),
  );
});
