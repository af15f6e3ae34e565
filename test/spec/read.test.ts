import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readObject, readSmiObject } from '../../src/spec/read.ts';
import { identityBinding, portRoute, routeGroup, split, targetSpec, trafficSplit, trafficTarget } from './objects.ts';

function spec(raw: unknown): unknown {
  const { object, diagnostics } = readObject(raw);
  assert.deepEqual(diagnostics, []);
  assert.ok(object !== undefined && 'spec' in object);
  return object.spec;
}

function codes(raw: unknown): string[] {
  return readObject(raw).diagnostics.map((d) => `${d.code} ${d.path}`);
}

test('reader: a TrafficTarget is read as written, without defaults', () => {
  assert.deepEqual(spec(trafficTarget()), targetSpec());
});

test('reader: an object without spec has none', () => {
  const { object, diagnostics } = readObject(trafficTarget(null));
  assert.deepEqual(diagnostics, []);
  assert.equal(object !== undefined && 'spec' in object, false);
});

test('reader: null counts as absent, as Go clients write it', () => {
  assert.deepEqual(spec(trafficTarget({ destination: targetSpec().destination, sources: null, rules: null })), {
    destination: targetSpec().destination,
  });
  assert.deepEqual(spec(portRoute('TCPRoute', { matches: null })), {});
});

test('reader: headers as map and as list of maps mean the same, names lower-cased, order kept (smi.md H15)', () => {
  const asMap = spec(routeGroup({ name: 'a', headers: { 'X-B': '1', 'x-a': '2' } }));
  const asList = spec(routeGroup({ name: 'a', headers: [{ 'X-B': '1' }, { 'x-a': '2' }] }));
  assert.deepEqual(asMap, { matches: [{ name: 'a', headers: [['x-b', '1'], ['x-a', '2']] }] }); // prettier-ignore
  assert.deepEqual(asList, asMap);
});

test('reader: an empty list of headers is no condition, and not the same as unreadable', () => {
  assert.deepEqual(spec(routeGroup({ name: 'a', headers: [] })), { matches: [{ name: 'a', headers: [] }] });
});

test('reader: a header value that is no text makes the group unreadable', () => {
  assert.deepEqual(codes(routeGroup({ name: 'a', headers: { a: true } })), ['SMI0001 spec.matches[0].headers.a']);
  assert.deepEqual(codes(routeGroup({ name: 'a', headers: [{ a: null }] })), ['SMI0001 spec.matches[0].headers[0].a']);
  assert.deepEqual(codes(routeGroup({ name: 'a', headers: 'a: b' })), ['SMI0001 spec.matches[0].headers']);
});

test('reader: a header called __proto__ is a header', () => {
  const raw: unknown = JSON.parse(
    JSON.stringify(routeGroup({ name: 'a', headers: 0 })).replace('0}', '{"__proto__":"x"}}'),
  );
  assert.deepEqual(spec(raw), { matches: [{ name: 'a', headers: [['__proto__', 'x']] }] });
});

test('reader: labels called __proto__ and constructor are labels, and inherited names are none', () => {
  const raw: unknown = JSON.parse(
    '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a","labels":{"__proto__":"x","constructor":"y"}}}',
  );
  const { object } = readObject(raw);
  assert.deepEqual([...(object?.metadata.labels ?? [])], [['__proto__', 'x'], ['constructor', 'y']]); // prettier-ignore
  assert.equal(({} as Record<string, unknown>)['x'], undefined);
});

test('reader: what an object inherits is not part of it', () => {
  assert.equal(readObject(Object.create(trafficTarget())).object, undefined);
});

test('reader: negative and fractional weights of objects older than the CRD are kept for compile to judge (smi.md S22)', () => {
  assert.deepEqual(spec(split(-1, 0.5)), {
    service: 'web',
    backends: [
      { service: 'web-v1', weight: -1 },
      { service: 'web-v2', weight: 0.5 },
    ],
  });
});

test('reader: a weight written as text makes the split unreadable', () => {
  const { object, diagnostics } = readObject(split(1, '10'), { source: 'shop.yaml:7' });
  assert.equal(object, undefined);
  assert.equal(diagnostics.length, 1);
  assert.equal(diagnostics[0]?.object.source, 'shop.yaml:7');
  assert.match(diagnostics[0]?.message ?? '', /spec\.backends\[1\]\.weight must be a number, is the text "10"/);
});

test('reader: a leftover port that restricts nothing is warned about, and the target is read', () => {
  const raw = trafficTarget({ ...targetSpec(), destination: { kind: 'ServiceAccount', name: 'web', port: 80 } });
  assert.deepEqual(codes(raw), ['SMI0004 spec.destination.port']);
  assert.ok(readObject(raw).object);
});

test('reader: matches at the root of an HTTPRouteGroup are warned about', () => {
  assert.deepEqual(codes({ ...routeGroup(), matches: [] }), ['SMI0004 matches']);
});

test('reader: a name that is missing is an error', () => {
  assert.deepEqual(codes({ ...split(1), metadata: {} }), ['SMI0001 metadata.name']);
});

test('reader: kinds and versions that are not known are errors, not exceptions', () => {
  assert.deepEqual(codes({ ...split(1), apiVersion: 'split.smi-spec.io/v1' }), ['SMI0002 apiVersion']);
  assert.deepEqual(codes({ ...split(1), apiVersion: 'access.smi-spec.io/v1alpha3' }), ['SMI0002 apiVersion']);
  assert.deepEqual(codes({ ...split(1), kind: 'ConfigMap' }), ['SMI0003 kind']);
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' } };
  assert.ok(readObject(service).object);
  assert.deepEqual(readSmiObject(service).diagnostics.map((d) => d.code), ['SMI0003']); // prettier-ignore
});

test('reader: items of a list, which do not say what they are, are read by hint', () => {
  const { object } = readObject({ metadata: { name: 'a' } }, { apiVersion: 'v1', kind: 'Namespace' });
  assert.deepEqual([object?.apiVersion, object?.kind], ['v1', 'Namespace']);
});

test('reader: never throws, whatever the JSON', () => {
  const kinds = [
    trafficTarget(),
    routeGroup(),
    portRoute('TCPRoute', {}),
    trafficSplit({}),
    { apiVersion: 'v1', kind: 'Pod' },
  ];
  const anything = fc.oneof(
    fc.jsonValue(),
    fc
      .tuple(fc.constantFrom(...kinds), fc.jsonValue(), fc.jsonValue(), fc.jsonValue())
      .map(([base, metadata, spec, status]) => ({ ...base, metadata, spec, status })),
  );
  fc.assert(
    fc.property(anything, (raw) => {
      const { object, diagnostics } = readObject(raw);
      assert.ok(object !== undefined || diagnostics.some((d) => d.level === 'error'));
    }),
    { numRuns: 3_000 },
  );
});

test('read: an IdentityBinding keeps its schemes; what Go clients write for none is none', () => {
  const full = {
    podLabelSelector: { matchLabels: { app: 'web', tier: 'front' } },
    spiffeIdentities: ['spiffe://cluster.local/ns/shop/sa/web', 'no-scheme'],
    serviceAccount: 'web',
  };
  assert.deepEqual(spec(identityBinding(full)), {
    schemes: {
      podLabelSelector: { matchLabels: new Map(Object.entries(full.podLabelSelector.matchLabels)) },
      spiffeIdentities: full.spiffeIdentities,
      serviceAccount: 'web',
    },
  });
  const none = { podLabelSelector: { matchLabels: null }, spiffeIdentities: null, serviceAccount: '' };
  assert.deepEqual(spec(identityBinding(none)), { schemes: {} });
  assert.deepEqual(spec(identityBinding({ podLabelSelector: {} })), { schemes: {} });
  assert.deepEqual(codes(identityBinding({ serviceAccount: 1 })), ['SMI0001 spec.schemes.serviceAccount']);
  const narrower = { podLabelSelector: { matchLabels: { app: 'web' }, matchExpressions: [] } };
  assert.deepEqual(
    codes(identityBinding(narrower)),
    ['SMI0001 spec.schemes.podLabelSelector'],
    'never half a selector',
  );
});
