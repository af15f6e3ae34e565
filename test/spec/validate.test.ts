import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadCrds } from '../../src/spec/crds.ts';
import { smiValidator } from '../../src/spec/validate.ts';
import { identityBinding, portRoute, routeGroup, split, targetSpec, trafficSplit, trafficTarget } from './objects.ts';

const validator = smiValidator(loadCrds());

const admitted: Readonly<Record<string, unknown>> = {
  'a TrafficTarget': trafficTarget(),
  'a TrafficTarget with metadata only, as every published CRD does': trafficTarget(null),
  'empty sources and rules (smi.md check 6)': trafficTarget({ ...targetSpec(), sources: [], rules: [] }),
  'rules of all three kinds': trafficTarget({
    ...targetSpec(),
    rules: ['HTTPRouteGroup', 'TCPRoute', 'UDPRoute'].map((kind) => ({ kind, name: 'x' })),
  }),
  'subjects of any kind': trafficTarget({ ...targetSpec(), sources: [{ kind: 'Group', name: 'x' }] }),
  'leftover group and port of older versions, as number': trafficTarget({
    ...targetSpec(),
    destination: { kind: 'ServiceAccount', name: 'web', group: '', port: 9091 },
  }),
  'the official suite’s port as text': trafficTarget({
    ...targetSpec(),
    destination: { kind: 'ServiceAccount', name: 'web', port: '9091' },
  }),
  'an IdentityBinding by labels': identityBinding({ podLabelSelector: { matchLabels: { app: 'web' } } }),
  'an IdentityBinding as a Go client writes it': identityBinding({
    podLabelSelector: { matchLabels: null },
    spiffeIdentities: null,
    serviceAccount: 'web',
  }),
  'an HTTPRouteGroup without a match': routeGroup(),
  'an HTTPRouteGroup without spec, its matches at the root': {
    ...routeGroup(),
    spec: undefined,
    matches: [{ name: 'a' }],
  },
  'each verb and the star': routeGroup({
    name: 'all',
    methods: ['*', 'GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'],
  }),
  'headers as a map (smi.md H15)': routeGroup({ name: 'a', headers: { 'x-a': '.*' } }),
  'headers as a list of single-key maps (smi.md H15)': routeGroup({ name: 'a', headers: [{ 'x-a': '.*' }] }),
  'a TCPRoute of metadata only': portRoute('TCPRoute', null),
  'a TCPRoute with an empty spec': portRoute('TCPRoute', {}),
  'a TCPRoute with matches and no ports': portRoute('TCPRoute', { matches: {} }),
  'a TCPRoute with ports and a name': portRoute('TCPRoute', { matches: { name: 'sql', ports: [3306] } }),
  'a UDPRoute with ports': portRoute('UDPRoute', { matches: { ports: [53] } }),
  'weights 0 and 100': split(0, 100),
  'a split without backends': split(),
  'a split on itself, as Argo writes it by default': trafficSplit({
    service: 'web',
    backends: [{ service: 'web', weight: 100 }],
  }),
  'matches with apiGroup': trafficSplit({
    service: 'web',
    backends: [],
    matches: [{ kind: 'HTTPRouteGroup', name: 'x', apiGroup: 'specs.smi-spec.io' }],
  }),
  'a host that is no Service name, as Flagger may write it': trafficSplit({ service: 'app.example.com', backends: [] }),
  'a full condition': {
    ...split(1),
    status: {
      conditions: [
        {
          type: 'Accepted',
          status: 'True',
          reason: 'Accepted',
          message: '',
          lastTransitionTime: '2026-01-01T00:00:00Z',
          observedGeneration: 1,
        },
      ],
    },
  },
};

for (const [what, raw] of Object.entries(admitted)) {
  test(`crd schemas: admit ${what}`, () => {
    const json = JSON.parse(JSON.stringify(raw)) as unknown;
    assert.equal(validator.knows(json), true);
    assert.deepEqual(validator.schemaErrors(json), []);
    assert.deepEqual(validator.unknownFields(json), []);
  });
}

const { destination, sources, rules } = targetSpec();
const condition = { type: 'A', status: 'True', reason: 'R', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
const refused: readonly (readonly [what: string, raw: unknown, path: string, message: RegExp])[] = [
  [
    'a TrafficTarget without sources (smi.md check 5)',
    { ...trafficTarget({ destination, rules }), apiVersion: 'access.smi-spec.io/v1alpha3' },
    'spec.sources',
    /required/,
  ],
  [
    'a TrafficTarget without rules',
    { ...trafficTarget({ destination, sources }), apiVersion: 'access.smi-spec.io/v1alpha3' },
    'spec.rules',
    /required/,
  ],
  ['an IdentityBinding without schemes (smi.md check 18)', identityBinding({}), 'spec.schemes', /fewer than 1/],
  [
    'an IdentityBinding of no SPIFFE ids',
    identityBinding({ spiffeIdentities: [] }),
    'spec.schemes.spiffeIdentities',
    /fewer than 1/,
  ],
  ['a TrafficTarget without destination', trafficTarget({ sources, rules }), 'spec.destination', /required/],
  [
    'a source without name',
    trafficTarget({ destination, rules, sources: [{ kind: 'A' }] }),
    'spec.sources[0].name',
    /req/,
  ],
  [
    'rule kind Foo (smi.md check 7)',
    trafficTarget({ destination, sources, rules: [{ kind: 'Foo', name: 'x' }] }),
    'spec.rules[0].kind',
    /one of HTTPRouteGroup, TCPRoute, UDPRoute/,
  ],
  [
    'a rule without name',
    trafficTarget({ destination, sources, rules: [{ kind: 'TCPRoute' }] }),
    'spec.rules[0].name',
    /req/,
  ],
  [
    'method get (smi.md check 8)',
    routeGroup({ name: 'a', methods: ['get'] }),
    'spec.matches[0].methods[0]',
    /one of \*, GET/,
  ],
  [
    'method FOO (smi.md check 8)',
    routeGroup({ name: 'a', methods: ['GET', 'FOO'] }),
    'spec.matches[0].methods[1]',
    /one of/,
  ],
  ['a match without name', routeGroup({ pathRegex: '/' }), 'spec.matches[0].name', /required/],
  ['a pathRegex that is a number', routeGroup({ name: 'a', pathRegex: 1 }), 'spec.matches[0].pathRegex', /string/],
  ['a port as text', portRoute('TCPRoute', { matches: { ports: ['80'] } }), 'spec.matches.ports[0]', /integer/],
  ['a fractional port', portRoute('UDPRoute', { matches: { ports: [80.5] } }), 'spec.matches.ports[0]', /integer/],
  ['a list of matches in a TCPRoute', portRoute('TCPRoute', { matches: [] }), 'spec.matches', /object/],
  ['weight 1.5 (smi.md check 11)', split(1.5), 'spec.backends[0].weight', /integer/],
  ['weight -1 (smi.md check 11)', split(1, -1), 'spec.backends[1].weight', />= 0/],
  ['weight "10" (smi.md check 11)', split('10'), 'spec.backends[0].weight', /integer/],
  ['a weight beyond 64 bits', split(1e30), 'spec.backends[0].weight', /int64/],
  ['a missing weight', split(undefined), 'spec.backends[0].weight', /required/],
  ['a split without service', trafficSplit({ backends: [] }), 'spec.service', /required/],
  ['a split without backends', trafficSplit({ service: 'web' }), 'spec.backends', /required/],
  [
    'a split on matches of kind TCPRoute',
    trafficSplit({ service: 'web', backends: [], matches: [{ kind: 'TCPRoute', name: 'x' }] }),
    'spec.matches[0].kind',
    /one of HTTPRouteGroup/,
  ],
  [
    'a condition whose status is yes',
    { ...split(1), status: { conditions: [{ ...condition, status: 'yes' }] } },
    'status.conditions[0].status',
    /one of True, False, Unknown/,
  ],
  [
    'a condition whose time is no time',
    { ...split(1), status: { conditions: [{ ...condition, lastTransitionTime: 'today' }] } },
    'status.conditions[0].lastTransitionTime',
    /date-time/,
  ],
];

for (const [what, raw, path, message] of refused) {
  test(`crd schemas: refuse ${what}`, () => {
    const errors = validator.schemaErrors(JSON.parse(JSON.stringify(raw)));
    assert.deepEqual(
      errors.map((e) => e.path),
      [path],
    );
    assert.match(errors[0]?.message ?? '', message);
  });
}

test('validator: names unknown fields by path, and lets unlisted content be where the schema says so', () => {
  const raw = { ...routeGroup({ name: 'a', pathregex: '/', headers: [{ 'x-any': 'y' }] }), specs: {} };
  assert.deepEqual(validator.unknownFields(raw), ['spec.matches[0].pathregex', 'specs']);
});

test('validator: checks everything that one object shows, each finding once', () => {
  const raw = {
    ...trafficTarget({
      ...targetSpec(),
      destination: { kind: 'ServiceAccount', name: 'web', port: 80 },
      sources: 'all',
    }),
    extra: 1,
  };
  const found = validator.check(raw, 'shop.yaml:3').map((d) => `${d.level} ${d.code} ${d.path} ${d.object.source}`);
  assert.deepEqual(found, ['error SMI0005 spec.sources shop.yaml:3', 'warning SMI0006 extra shop.yaml:3']);
});

test('validator: headers, which no schema can describe, are judged as well', () => {
  const found = validator.check(routeGroup({ name: 'a', headers: { 'x-version': 1 } }));
  assert.deepEqual(
    found.map((d) => `${d.code} ${d.path}`),
    ['SMI0001 spec.matches[0].headers.x-version'],
  );
});

test('validator: a version that nobody serves is named with the one to write', () => {
  const [found] = validator.check({ ...split(1), apiVersion: 'split.smi-spec.io/v9' });
  assert.equal(found?.code, 'SMI0002');
  assert.match(found.fix, /split\.smi-spec\.io\/v1alpha4/);
});

test('validator: never throws, and what it admits without remark can be read', () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.values(admitted)), fc.jsonValue(), fc.nat(), (raw, value, at) => {
      const mutated = replaceSomewhere(JSON.parse(JSON.stringify(raw)), value, at);
      const errors = validator.schemaErrors(mutated);
      const found = validator.check(mutated);
      assert.ok(errors.length === 0 || found.some((d) => d.level === 'error'));
    }),
    { numRuns: 2_000 },
  );
});

/** `root` with one of its values, counted by `at`, replaced. */
function replaceSomewhere(root: unknown, value: unknown, at: number): unknown {
  const places: (() => void)[] = [];
  collect(root);
  places[at % Math.max(1, places.length)]?.();
  return root;

  function collect(node: unknown): void {
    if (typeof node !== 'object' || node === null) return;
    const fields = node as Record<string, unknown>;
    for (const key of Object.keys(fields)) {
      places.push(() => (fields[key] = value));
      collect(fields[key]);
    }
  }
}
