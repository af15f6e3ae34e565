import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../src/spec/conversion/json-object.ts';
import { convertSmi } from '../../../src/spec/convert.ts';

// What happens to an object when a client of another version changes it: the client sees its own version, writes its own
// version, and knows nothing of what it cannot see.

const SPLIT = 'split.smi-spec.io';
const SPECS = 'specs.smi-spec.io';
const ACCESS = 'access.smi-spec.io';

function object(apiVersion: string, kind: string, content: JsonObject): JsonObject {
  return { apiVersion, kind, metadata: { name: 'web', namespace: 'shop' }, ...content };
}

/** `stored` after a client of `version` did `edit` to what it saw. */
function edited(stored: JsonObject, version: string, edit: (seen: JsonObject) => JsonObject): JsonObject {
  return convertSmi(edit(convertSmi(stored, version)), String(stored['apiVersion']));
}

function annotationsOf(raw: JsonObject): JsonObject {
  return ((raw['metadata'] as JsonObject)['annotations'] ?? {}) as JsonObject;
}

const conditional = object(`${SPLIT}/v1alpha4`, 'TrafficSplit', {
  spec: {
    service: 'web',
    backends: [
      { service: 'web-v1', weight: 0 },
      { service: 'web-v2', weight: 100 },
    ],
    matches: [{ kind: 'HTTPRouteGroup', name: 'firefox' }],
  },
});

for (const version of ['v1alpha1', 'v1alpha2']) {
  test(`convert: a client of split ${version} changes weights, and the split stays conditional (smi.md check 16)`, () => {
    const backends = [
      { service: 'web-v1', weight: 50 },
      { service: 'web-v2', weight: 50 },
    ];
    const seen = convertSmi(conditional, `${SPLIT}/${version}`);
    assert.deepEqual(seen['spec'], { service: 'web', backends: (conditional['spec'] as JsonObject)['backends'] });
    const after = edited(conditional, `${SPLIT}/${version}`, (raw) => ({
      ...raw,
      spec: { ...(raw['spec'] as JsonObject), backends },
    }));
    assert.deepEqual(after, { ...conditional, spec: { ...(conditional['spec'] as JsonObject), backends } });
  });
}

test('convert: ports of a TCPRoute survive a rewrite through v1alpha3 (smi.md check 15)', () => {
  const stored = object(`${SPECS}/v1alpha4`, 'TCPRoute', { spec: { matches: { ports: [8080] } } });
  for (const version of ['v1alpha1', 'v1alpha2', 'v1alpha3']) {
    const labelled = edited(stored, `${SPECS}/${version}`, ({ spec: _, ...raw }) => ({
      ...raw,
      metadata: { ...(raw['metadata'] as JsonObject), labels: { a: 'b' } },
    }));
    assert.deepEqual(labelled['spec'], { matches: { ports: [8080] } }, version);
  }
});

test('convert: a TCPRoute of an older version stands for every port, in the form that the published schema takes', () => {
  for (const [version, content] of [
    ['v1alpha1', {}],
    ['v1alpha3', { spec: {} }],
  ] as const) {
    const stored = convertSmi(object(`${SPECS}/${version}`, 'TCPRoute', content), `${SPECS}/v1alpha4`);
    assert.deepEqual(stored['spec'], { matches: { ports: [] } });
    assert.deepEqual(annotationsOf(stored), {});
  }
});

const group = object(`${SPECS}/v1alpha4`, 'HTTPRouteGroup', {
  spec: {
    matches: [
      { name: 'firefox', headers: { 'user-agent': '.*Firefox.*' } },
      { name: 'all' },
      { name: 'beta', pathRegex: '/', headers: [{ cookie: 'beta' }] },
    ],
  },
});

test('convert: headers of a group survive a client of v1alpha1, which cannot see them (smi.md check 17)', () => {
  const seen = convertSmi(group, `${SPECS}/v1alpha1`);
  assert.deepEqual(seen['matches'], [{ name: 'firefox' }, { name: 'all' }, { name: 'beta', pathRegex: '/' }]);
  const after = edited(group, `${SPECS}/v1alpha1`, (raw) => ({
    ...raw,
    metadata: { ...(raw['metadata'] as JsonObject), labels: { a: 'b' } },
  }));
  assert.deepEqual(after['spec'], group['spec']);
});

test('convert: headers stay with their entry when entries move, are renamed, or go', () => {
  const entries = (matches: JsonObject[]) =>
    (edited(group, `${SPECS}/v1alpha1`, (raw) => ({ ...raw, matches }))['spec'] as { matches: JsonObject[] }).matches;
  const firefox = { 'user-agent': '.*Firefox.*' };
  const beta = [{ cookie: 'beta' }];
  assert.deepEqual(entries([{ name: 'beta' }, { name: 'firefox', methods: ['GET'] }]), [
    { name: 'beta', headers: beta },
    { name: 'firefox', methods: ['GET'], headers: firefox },
  ]);
  assert.deepEqual(entries([{ name: 'mozilla' }, { name: 'all' }, { name: 'beta' }]), [
    { name: 'mozilla', headers: firefox },
    { name: 'all' },
    { name: 'beta', headers: beta },
  ]);
  assert.deepEqual(entries([{ name: 'all' }]), [{ name: 'all', headers: firefox }], 'rather too narrow than too wide');
});

test('convert: headers written in v1alpha1, as its published schema admits, hold in every version', () => {
  const written = object(`${SPECS}/v1alpha1`, 'HTTPRouteGroup', { matches: [{ name: 'a', headers: { x: '1' } }] });
  const stored = convertSmi(written, `${SPECS}/v1alpha4`);
  assert.deepEqual(stored['spec'], { matches: [{ name: 'a', headers: { x: '1' } }] });
});

const target = object(`${ACCESS}/v1alpha2`, 'TrafficTarget', {
  spec: {
    destination: { kind: 'ServiceAccount', name: 'api', port: 8080 },
    sources: [{ kind: 'ServiceAccount', name: 'web' }],
    rules: [{ kind: 'TCPRoute', name: 'any' }],
  },
});

test('convert: the port of a target of v1alpha2 is out of sight in newer versions, and survives their edits (smi.md check 14)', () => {
  const stored = convertSmi(target, `${ACCESS}/v1alpha4`);
  const { destination } = stored['spec'] as { destination: JsonObject };
  assert.deepEqual(destination, { kind: 'ServiceAccount', name: 'api' });
  assert.deepEqual(annotationsOf(stored), { 'weft.dev/kept-older-fields': '{"destinationPort":8080}' });
  const sources = [{ kind: 'ServiceAccount', name: 'other' }];
  const after = edited(stored, `${ACCESS}/v1alpha3`, (raw) => ({
    ...raw,
    spec: { ...(raw['spec'] as JsonObject), sources },
  }));
  const again = convertSmi(after, `${ACCESS}/v1alpha2`);
  assert.deepEqual(again, { ...target, spec: { ...(target['spec'] as JsonObject), sources } });
  assert.deepEqual((convertSmi(stored, `${ACCESS}/v1alpha1`)['destination'] as JsonObject)['port'], 8080);
});

test('convert: a port in a version where it has no effect does not come to have one', () => {
  const stored = object(`${ACCESS}/v1alpha4`, 'TrafficTarget', {
    spec: { destination: { kind: 'ServiceAccount', name: 'api', port: 9091 }, sources: [], rules: [] },
  });
  const seen = convertSmi(stored, `${ACCESS}/v1alpha2`);
  assert.deepEqual((seen['spec'] as JsonObject)['destination'], { kind: 'ServiceAccount', name: 'api' });
});

function oldSplit(...weights: unknown[]): JsonObject {
  const backends = weights.map((weight, i) => ({ service: `v${i}`, ...(weight === undefined ? {} : { weight }) }));
  return object(`${SPLIT}/v1alpha1`, 'TrafficSplit', { spec: { service: 'web', backends } });
}

function weightsIn(version: string, raw: JsonObject): unknown[] {
  const { spec } = convertSmi(raw, `${SPLIT}/${version}`) as { spec: { backends: JsonObject[] } };
  return spec.backends.map(({ weight }) => weight);
}

test('convert: quantities become whole numbers by one scale (smi.md checks 12 and 13, clients.md M2 and M3)', () => {
  assert.deepEqual(weightsIn('v1alpha4', oldSplit('1', '500m')), [1000, 500]);
  assert.deepEqual(weightsIn('v1alpha2', oldSplit('500m', '0m')), [500, 0]);
  assert.deepEqual(weightsIn('v1alpha3', oldSplit('10', '90')), [10, 90]);
  assert.deepEqual(weightsIn('v1alpha4', oldSplit('1e2', '1k', 7, '1Ki')), [100, 1000, 7, 1024]);
  assert.deepEqual(weightsIn('v1alpha4', oldSplit('1500m', '1.5', '.5')), [1500, 1500, 500]);
  assert.deepEqual(weightsIn('v1alpha4', oldSplit('1', '1u')), [1_000_000, 1]);
  assert.deepEqual(weightsIn('v1alpha4', oldSplit(undefined, '1')), [0, 1]);
  assert.deepEqual(weightsIn('v1alpha4', oldSplit('-5', 'many', '1')), [0, 0, 1]);
  assert.deepEqual(weightsIn('v1alpha4', oldSplit('9E', '1n')).map(Number.isSafeInteger), [true, true]);
  assert.equal(weightsIn('v1alpha4', oldSplit('9E', '1n'))[1], 1, 'who weighs something keeps a share');
});

test('convert: quantities are shown again as written, until somebody changes the weights', () => {
  const stored = convertSmi(oldSplit('1', '500m'), `${SPLIT}/v1alpha4`);
  assert.deepEqual(weightsIn('v1alpha1', stored), ['1', '500m']);
  const after = edited(stored, `${SPLIT}/v1alpha2`, (raw) => {
    const spec = raw['spec'] as { backends: JsonObject[] };
    return { ...raw, spec: { ...spec, backends: spec.backends.map((backend) => ({ ...backend, weight: 7 })) } };
  });
  assert.deepEqual(weightsIn('v1alpha1', after), [7, 7]);
});

test('convert: whole numbers need nothing kept, and backends keep their order (clients.md M4)', () => {
  const written = oldSplit(90, 10);
  const stored = convertSmi(written, `${SPLIT}/v1alpha4`);
  assert.deepEqual(stored['metadata'], written['metadata']);
  assert.equal(JSON.stringify(stored['spec']), JSON.stringify(written['spec']));
});

test('convert: what is unknown is an error with a sentence', () => {
  assert.throws(() => convertSmi(oldSplit(1), `${SPLIT}/v9`), /TrafficSplit is not known in version/);
  assert.throws(() => convertSmi(oldSplit(1), 'v1alpha4'), /TrafficSplit is not known in version "v1alpha4"/);
  assert.throws(() => convertSmi({ ...oldSplit(1), kind: 'Foo' }, `${SPLIT}/v1alpha4`), /"Foo" is no kind of SMI/);
});
