import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readYamlFile, YAML_LIMITS } from '../../src/spec/yaml-file.ts';

const SHOP = `# the shop
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata:
  name: web
spec:
  service: web
  backends:
    - service: web-v1
      weight: 90
    - service: web-v2
      weight: 10
`;

test('yaml file: each document is an object with the line where it begins', () => {
  const { objects, diagnostics } = readYamlFile('shop.yaml', SHOP);
  assert.deepEqual(diagnostics, []);
  assert.deepEqual(
    objects.map((o) => [(o.raw as { kind: string }).kind, o.source]),
    [
      ['Namespace', 'shop.yaml:2'],
      ['TrafficSplit', 'shop.yaml:6'],
    ],
  );
});

test('yaml file: a field path leads to its line, an absent one to the nearest line around it', () => {
  const split = readYamlFile('shop.yaml', SHOP).objects[1];
  assert.equal(split?.lineOf('spec.backends[1].weight'), 16);
  assert.equal(split?.lineOf('spec.backends[1]'), 15);
  assert.equal(split?.lineOf('spec.matches[0].name'), 10);
  assert.equal(split?.lineOf(''), 6);
});

test('yaml file: a List is its items', () => {
  const text = 'apiVersion: v1\nkind: List\nitems:\n  - kind: A\n  - kind: B\n    spec:\n      x: 1\n';
  const { objects } = readYamlFile('f', text);
  assert.deepEqual(objects.map((o) => o.source), ['f:4', 'f:5']); // prettier-ignore
  assert.equal(objects[1]?.lineOf('spec.x'), 7);
});

test('yaml file: JSON is YAML', () => {
  assert.deepEqual(readYamlFile('f.json', '{"kind": "A"}').objects[0]?.raw, { kind: 'A' });
});

test('yaml file: values mean what they mean to kubectl, which reads YAML 1.1', () => {
  const text = 'a: on\nb: No\nc: "on"\nd: true\ne: 1\nf: onward\ng: &m {x: 1}\nh: {<<: *m}\ni: ~\nj: y\n';
  const expected = {
    a: true,
    b: false,
    c: 'on',
    d: true,
    e: 1,
    f: 'onward',
    g: { x: 1 },
    h: { x: 1 },
    i: null,
    j: true,
  };
  assert.deepEqual(readYamlFile('f', text).objects[0]?.raw, expected);
});

test('yaml file: a document that is not well-formed is reported with its line, and the others are read', () => {
  const { objects, diagnostics } = readYamlFile('f.yaml', 'kind: A\n---\nkind: B\nspec: [1, 2\n---\nkind: C\n');
  assert.deepEqual(objects.map((o) => (o.raw as { kind: string }).kind), ['A', 'C']); // prettier-ignore
  assert.ok(diagnostics.length > 0);
  assert.match(diagnostics[0]?.message ?? '', /^f\.yaml:[45] is not YAML: /);
});

test('yaml file: a key given twice is an error', () => {
  const { objects, diagnostics } = readYamlFile('f.yaml', 'kind: A\nspec: {}\nspec: {}\n');
  assert.equal(objects.length, 0);
  assert.match(diagnostics[0]?.message ?? '', /f\.yaml:3 .*unique/);
});

test('yaml file: aliases that stand for more than a person writes are refused', () => {
  const levels = Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`);
  const { objects, diagnostics } = readYamlFile('bomb.yaml', ['a0: &a0 [x]', ...levels].join('\n'));
  assert.equal(objects.length, 0);
  assert.match(diagnostics[0]?.message ?? '', /bomb\.yaml:1 cannot be read: .*alias/i);
});

test('yaml file: nesting beyond reason is refused, not a crash', () => {
  const { objects, diagnostics } = readYamlFile('deep.yaml', '['.repeat(100_000));
  assert.equal(objects.length, 0);
  assert.ok(diagnostics.length > 0);
});

test('yaml file: too many bytes and too many objects are refused', () => {
  const large = readYamlFile('f', 'x'.repeat(100), { ...YAML_LIMITS, maxBytes: 99 });
  assert.match(large.diagnostics[0]?.message ?? '', /100 bytes/);
  const many = readYamlFile('f', 'a: 1\n---\na: 2\n---\na: 3\n', { ...YAML_LIMITS, maxObjects: 2 });
  assert.equal(many.objects.length, 0);
  assert.match(many.diagnostics[0]?.message ?? '', /3 objects/);
});

test('yaml file: empty files and empty documents hold nothing', () => {
  for (const text of ['', '\n', '# only a remark\n', '---\n---\n']) {
    assert.deepEqual(readYamlFile('f', text), { objects: [], diagnostics: [] });
  }
});

test('yaml file: never throws, whatever the text', () => {
  const shards = fc.constantFrom(
    'a',
    ': ',
    '- ',
    '\n',
    '  ',
    '{',
    '}',
    '[',
    ']',
    '&x ',
    '*x',
    '"',
    "'",
    '---\n',
    '!!',
    '|',
    '<<',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(shards).map((s) => s.join('')),
      ),
      (text) => {
        const { objects } = readYamlFile('f', text);
        for (const object of objects) assert.ok(object.lineOf('a.b[0]') >= 1);
      },
    ),
    { numRuns: 500 },
  );
});
