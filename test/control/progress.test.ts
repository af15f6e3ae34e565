import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WatchSource } from '../../src/base/watch.ts';
import { compile } from '../../src/compile/compile.ts';
import { progressOf } from '../../src/control/progress.ts';
import { FakeClock } from '../../src/base/clock.ts';
import { discoveryServer } from '../../src/discovery/server.ts';
import { isSmiObject } from '../../src/spec/read.ts';
import { anyPort, shop, split, target } from './cluster.ts';

/** On how many sidecars each SMI object of a cluster would have to be live, by `kind name`. */
function concerned(...objects: readonly object[]): Record<string, number> {
  const cluster = shop();
  for (const object of objects) cluster.put(object);
  const snapshot = cluster.snapshot();
  const { mesh, configs } = compile(snapshot);
  const discovery = discoveryServer({ configs: new WatchSource(configs), clock: new FakeClock() });
  const of = progressOf({ snapshot, mesh }, discovery);
  const { trafficTargets, identityBindings, trafficSplits, tcpRoutes, httpRouteGroups } = snapshot;
  const all = [trafficTargets, identityBindings, trafficSplits, tcpRoutes, httpRouteGroups].flatMap((map) => [
    ...map.values(),
  ]);
  return Object.fromEntries(
    all.filter(isSmiObject).map((object) => [`${object.kind} ${object.metadata.name}`, of(object).of]),
  );
}

function group(name: string) {
  const { apiVersion, metadata } = anyPort;
  const spec = { matches: [{ name: 'all', pathRegex: '/' }] };
  return { apiVersion, kind: 'HTTPRouteGroup', metadata: { ...metadata, name, uid: name }, spec };
}

test('progress: a split concerns every sidecar, a target the destination, routes whom their users concern', () => {
  assert.deepEqual(concerned(split(3), target, anyPort, group('unused')), {
    'TrafficSplit cart-split': 2,
    'TrafficTarget web-to-cart': 1,
    'TCPRoute any': 1,
    'HTTPRouteGroup unused': 0,
  });
});

test('progress: a binding concerns whom the targets concern that name it', () => {
  const { apiVersion, metadata } = target;
  const binding = {
    apiVersion: 'access.smi-spec.io/v1alpha4',
    kind: 'IdentityBinding',
    metadata: { ...metadata, name: 'callers', uid: 'ib' },
  };
  const spec = { schemes: { podLabelSelector: { matchLabels: { app: 'web' } } } };
  const sources = [{ kind: 'IdentityBinding', name: 'callers' }];
  const through = { apiVersion, kind: 'TrafficTarget', metadata, spec: { ...target.spec, sources } };
  assert.equal(concerned({ ...binding, spec }, through, anyPort)['IdentityBinding callers'], 1);
  assert.equal(concerned({ ...binding, spec }, target, anyPort)['IdentityBinding callers'], 0);
});

test('progress: whom a group concerns is counted once, though a target and a split use it', () => {
  const matches = [{ kind: 'HTTPRouteGroup', name: 'shared' }];
  const conditional = { ...split(3), spec: { ...split(3).spec, matches } };
  const allowing = { ...target, spec: { ...target.spec, rules: matches } };
  assert.equal(concerned(conditional, allowing, group('shared'))['HTTPRouteGroup shared'], 2);
});

test('progress: however the root is written; a split without effect concerns nobody', () => {
  const named = (service: string) => ({ ...split(3), spec: { ...split(3).spec, service } });
  for (const root of ['cart', 'cart.shop', 'cart.shop.svc.cluster.local.']) {
    assert.deepEqual(concerned(named(root)), { 'TrafficSplit cart-split': 2 });
  }
  assert.deepEqual(concerned(named('cart.example.com')), { 'TrafficSplit cart-split': 0 });
  const younger = { ...split(1), metadata: { ...split(1).metadata, name: 'late', uid: 'late' } };
  assert.deepEqual(concerned(split(3), younger), { 'TrafficSplit cart-split': 2, 'TrafficSplit late': 0 });
});
