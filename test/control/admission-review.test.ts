import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { admissionReview } from '../../src/control/admission-review.ts';
import { smiObject } from '../compile/arbitrary.ts';
import {
  identityBinding,
  portRoute,
  routeGroup,
  split,
  targetSpec,
  trafficSplit,
  trafficTarget,
} from '../spec/objects.ts';

interface Answer {
  readonly uid: string;
  readonly allowed: boolean;
  readonly warnings?: readonly string[];
  readonly status?: {
    readonly message: string;
    readonly details: { readonly causes: readonly { readonly field: string; readonly message: string }[] };
  };
}

type Raw = Record<string, unknown>;

function ask(object: unknown, oldObject: unknown = null): Answer {
  const operation = oldObject === null ? 'CREATE' : 'UPDATE';
  const review = admissionReview({ request: { uid: 'u1', operation, object, oldObject } });
  const { response } = review as unknown as { response: Answer };
  assert.equal(response.uid, 'u1');
  return response;
}

function codes(texts: readonly string[]): string[] {
  return texts.map((text) => /\((SMI\d{4})\)$/.exec(text)?.[1] ?? text);
}

function target(changes: Raw, version = 'v1alpha4'): Raw {
  return { ...trafficTarget({ ...targetSpec(), ...changes }), apiVersion: `access.smi-spec.io/${version}` };
}

const sa = (more: Raw) => ({ kind: 'ServiceAccount', name: 'web', ...more });

const refused: readonly (readonly [what: string, object: Raw, field: string, code: string])[] = [
  ['A3: a destination in another namespace', target({ destination: sa({ namespace: 'other' }) }), 'spec.destination.namespace', 'SMI1102'],
  ['A10: a rule of an unknown kind', target({ rules: [{ kind: 'Foo', name: 'x' }] }), 'spec.rules[0].kind', 'SMI1109'],
  ['a subject of a kind that access v1alpha4 does not list', target({ sources: [{ kind: 'Group', name: 'x' }] }), 'spec.sources[0].kind', 'SMI1103'],
  ['H12: a pattern that is none', routeGroup({ name: 'a', pathRegex: '(' }), 'spec.matches[0].pathRegex', 'SMI1301'],
  ['H3: a backreference', routeGroup({ name: 'a', pathRegex: '(a)\\1' }), 'spec.matches[0].pathRegex', 'SMI1301'],
  ['H3: a lookahead in a header', routeGroup({ name: 'a', headers: { x: '(?=a)' } }), 'spec.matches[0].headers.x', 'SMI1302'],
  ['H11: two entries of one name', routeGroup({ name: 'a' }, { name: 'a' }), 'spec.matches[1].name', 'SMI1304'],
  ['a header that is no text', routeGroup({ name: 'a', headers: { x: 1 } }), 'spec.matches[0].headers.x', 'SMI0001'],
  ['a number that is no port', portRoute('TCPRoute', { matches: { ports: [80, 99999] } }), 'spec.matches.ports[1]', 'SMI1401'],
  ['S22: a negative weight', split(1, -1), 'spec.backends[1].weight', 'SMI1207'],
  ['S21: a backend of another namespace', trafficSplit({ service: 'web', backends: [{ service: 'a.other.svc', weight: 1 }] }), 'spec.backends[0].service', 'SMI1210'],
  ['S1: a root of another namespace', trafficSplit({ service: 'web.other.svc.cluster.local', backends: [] }), 'spec.service', 'SMI1210'],
  ['an IdentityBinding with both exclusive schemes (smi.md check 18)', identityBinding({ serviceAccount: 'a', podLabelSelector: { matchLabels: { a: 'b' } } }), 'spec.schemes', 'SMI1602'],
  ['an IdentityBinding whose schemes are all empty (smi.md check 18)', identityBinding({ serviceAccount: null }), 'spec.schemes', 'SMI1601'],
  ['a UDPRoute in access v1alpha2 (smi.md check 7)', target({ rules: [{ kind: 'UDPRoute', name: 'x' }] }, 'v1alpha2'), 'spec.rules[0].kind', 'SMI0009'],
  ['a port that is none in access v1alpha2', target({ destination: sa({ port: 'http' }) }, 'v1alpha2'), 'spec.destination.port', 'SMI0001'],
]; // prettier-ignore

for (const [what, object, field, code] of refused) {
  test(`admission: refuses ${what}, naming field, reason and fix`, () => {
    const { allowed, status } = ask(object);
    assert.equal(allowed, false);
    const [cause] = status?.details.causes ?? [];
    assert.equal(cause?.field, field);
    assert.deepEqual(codes([cause?.message ?? '']), [code]);
    assert.match(cause?.message ?? '', /; fix: ./);
    assert.ok(status?.message.startsWith(`${field}: `), status?.message);
  });
}

const warned: readonly (readonly [what: string, object: Raw, codes: readonly string[]])[] = [
  ['A11: no sources and no rules', target({ sources: [], rules: [] }), ['SMI1105', 'SMI1106']],
  ['A2: a name that is a wildcard elsewhere', target({ sources: [sa({ name: '*' })] }), ['SMI1104']],
  ['a subject of a kind that was free text', target({ sources: [{ kind: 'Group', name: 'x' }] }, 'v1alpha3'), ['SMI1103']],
  ['a leftover port', target({ destination: sa({ port: 80 }) }), ['SMI0004']],
  ['a UDPRoute rule, which is not enforced', target({ rules: [{ kind: 'UDPRoute', name: 'x' }] }), ['SMI1111']],
  ['H13: a group without matches', routeGroup(), ['SMI1303']],
  ['matches at the root', { ...routeGroup({ name: 'a' }), matches: [] }, ['SMI0004']],
  ['S8: all weights zero, as linkerd-failover writes them', split(0, 0), ['SMI1205']],
  ['A21: a SPIFFE ID without scheme (smi.md check 18)', identityBinding({ spiffeIdentities: ['cluster.local/ns/shop/sa/web'] }), ['SMI1603']],
  ['a source port of access v1alpha2', target({ sources: [sa({ port: 80 })] }, 'v1alpha2'), ['SMI0008']],
  ['a backend without weight in split v1alpha1', { ...split(undefined, '1'), apiVersion: 'split.smi-spec.io/v1alpha1' }, ['SMI0008']],
]; // prettier-ignore

for (const [what, object, expected] of warned) {
  test(`admission: warns of ${what}`, () => {
    const { allowed, warnings = [] } = ask(object);
    assert.equal(allowed, true);
    assert.deepEqual(codes(warnings), expected);
    for (const warning of warnings) assert.ok(warning.length <= 250);
  });
}

const silent: readonly (readonly [what: string, object: Raw])[] = [
  ['a split of a Service on itself, as four clients write it (clients.md M6)', trafficSplit({ service: 'web', backends: [{ service: 'web', weight: 100 }] })],
  ['a host of the outside, as Flagger may write it (smi.md S1)', trafficSplit({ service: 'app.example.com', backends: [] })],
  ['references to what does not exist yet', target({ rules: [{ kind: 'TCPRoute', name: 'later' }] })],
  ['an IdentityBinding as a subject', target({ sources: [{ kind: 'IdentityBinding', name: 'x' }] })],
  ['weights as Flagger writes them in v1alpha1', { ...split('0', '100'), apiVersion: 'split.smi-spec.io/v1alpha1' }],
  ['large whole weights', split(1000, 500)],
]; // prettier-ignore

for (const [what, object] of silent) {
  test(`admission: has nothing to say about ${what}`, () =>
    assert.deepEqual(ask(object), { uid: 'u1', allowed: true }));
}

test('admission: paths are those of the version that was written', () => {
  const { destination: _, ...rest } = targetSpec();
  const old = {
    apiVersion: 'access.smi-spec.io/v1alpha1',
    kind: 'TrafficTarget',
    metadata: { name: 'web', namespace: 'shop' },
    destination: sa({ namespace: 'other' }),
    sources: rest.sources,
    specs: [{ kind: 'UDPRoute', name: 'x' }],
  };
  const fields = (raw: unknown) => ask(raw).status?.details.causes.map(({ field }) => field);
  assert.deepEqual(fields(old), ['destination.namespace', 'specs[0].kind']);
  const { spec, ...group } = routeGroup({ name: 'a', pathRegex: '(' });
  const flat = { ...group, apiVersion: 'specs.smi-spec.io/v1alpha2', matches: (spec as Raw)['matches'] };
  assert.deepEqual(fields(flat), ['matches[0].pathRegex']);
});

test('admission: what an object was admitted with before does not stand in the way of other changes', () => {
  const bad = routeGroup({ name: 'a', pathRegex: '(' });
  const labelled = { ...bad, metadata: { ...(bad['metadata'] as Raw), labels: { a: 'b' } } };
  const { allowed, warnings = [] } = ask(labelled, bad);
  assert.equal(allowed, true);
  assert.deepEqual(codes(warnings), ['SMI1301']);
  assert.equal(ask(routeGroup({ name: 'a', pathRegex: '[' }), bad).allowed, false);
  assert.equal(ask(bad, routeGroup({ name: 'a', pathRegex: '/' })).allowed, false);
});

test('admission: an object that is being deleted may always change, so that finalizers can go', () => {
  const bad = split(-1);
  const metadata = { ...(bad['metadata'] as Raw), deletionTimestamp: '2026-01-01T00:00:00Z' };
  assert.equal(ask({ ...bad, metadata }, split(1)).allowed, true);
});

test('admission: a replacement in an older version that loses what it cannot show is pointed out', () => {
  const annotations = { 'weft.dev/kept-newer-fields': '{"matches":[{"kind":"HTTPRouteGroup","name":"x"}]}' };
  const old: Raw = { ...split(1), apiVersion: 'split.smi-spec.io/v1alpha2' };
  const before = { ...old, metadata: { ...(old['metadata'] as Raw), annotations } };
  assert.match(ask(old, before).warnings?.[0] ?? '', /annotation weft.dev\/kept-newer-fields was removed/);
  assert.equal(ask(before, before).warnings, undefined);
});

test('admission: other operations are not judged', () => {
  const review = admissionReview({ request: { uid: 'u', operation: 'DELETE', object: null, oldObject: split(-1) } });
  assert.deepEqual(review['response'], { uid: 'u', allowed: true });
});

test('admission: answers whatever it is sent, and the same each time', () => {
  const object = fc.oneof(smiObject, fc.jsonValue());
  fc.assert(
    fc.property(object, object, fc.constantFrom('CREATE', 'UPDATE', 'CONNECT', 7), (one, other, operation) => {
      const review = { request: { uid: 'u', operation, object: one, oldObject: other } };
      const answer = admissionReview(review);
      assert.deepEqual(admissionReview(review), answer);
      assert.equal(typeof (answer['response'] as Raw)['allowed'], 'boolean');
    }),
    { numRuns: 500 },
  );
  fc.assert(fc.property(fc.jsonValue(), (value) => typeof admissionReview(value)['response'] === 'object'));
});
