import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createCompiler, type CompileResult } from '../../src/compile/compile.ts';
import { SnapshotStore } from '../../src/spec/snapshot-store.ts';
import { kindOf, snapshotOf, yamlObjects } from './snapshot.ts';

const SHOP = readFileSync(join(import.meta.dirname, '../golden/worlds/shop.yaml'), 'utf8');

/** A compiler with the shop compiled, and a function that applies YAML and compiles again. */
function shop(): { first: CompileResult; apply: (yaml: string) => CompileResult } {
  const store = new SnapshotStore();
  const compiler = createCompiler();
  const first = compiler.compile(snapshotOf(yamlObjects(SHOP), store));
  return {
    first,
    apply(yaml) {
      for (const raw of yamlObjects(yaml)) store.upsert(raw, { kind: kindOf(raw) });
      return compiler.compile(store.snapshot());
    },
  };
}

/** Keys of the resources of one proxy that are not the very same object as before. */
function changed(before: CompileResult, after: CompileResult, proxy: string): string[] {
  const old = before.configs.get(proxy);
  return [...(after.configs.get(proxy) ?? [])].filter(([key, value]) => old?.get(key) !== value).map(([key]) => key);
}

const ENDPOINT_GONE = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: checkout-a, namespace: shop, labels: { kubernetes.io/service-name: checkout } }
addressType: IPv4
ports: [{ name: '', port: 8080 }]
endpoints: [{ addresses: [10.0.0.31], targetRef: { kind: Pod, name: checkout-1 } }]
`;

test('compiler: the same snapshot gives the very same result, inside too', () => {
  const { first, apply } = shop();
  const again = apply('');
  assert.equal(again.configs, first.configs);
  assert.equal(again.diagnostics, first.diagnostics);
  assert.equal(again.mesh.services, first.mesh.services);
});

test('compiler: a change of one endpoint makes one new resource, the same one for every proxy', () => {
  const { first, apply } = shop();
  const after = apply(ENDPOINT_GONE);
  for (const proxy of after.configs.keys()) {
    assert.deepEqual(changed(first, after, proxy), ['endpoints/shop/checkout/80']);
  }
  const resources = [...after.configs.values()].map((config) => config.get('endpoints/shop/checkout/80'));
  assert.equal(new Set(resources).size, 1);
  assert.equal(after.mesh.services, first.mesh.services);
  assert.equal(after.mesh.workloads, first.mesh.workloads);
});

test('compiler: a change that means nothing to the mesh changes nothing', () => {
  const { first, apply } = shop();
  const after = apply(`
apiVersion: v1
kind: Pod
metadata:
  name: web-1
  namespace: shop
  resourceVersion: '7'
  labels: { app: web, restarted: 'yes' }
  annotations: { weft.dev/injected: 'true' }
spec: { serviceAccountName: web, containers: [{ name: app }] }
status: { phase: Running, podIP: 10.0.0.10, conditions: [{ type: Ready, status: 'True' }] }
`);
  assert.equal(after.configs, first.configs);
});

test('compiler: a target changes the policy of its destination and of nobody else', () => {
  const { first, apply } = shop();
  const after = apply(`
apiVersion: access.smi-spec.io/v1alpha3
kind: TrafficTarget
metadata: { name: t, namespace: shop }
spec:
  destination: { kind: ServiceAccount, name: api }
  sources: [{ kind: ServiceAccount, name: web }]
  rules: [{ kind: TCPRoute, name: any }]
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: { name: any, namespace: shop }
`);
  assert.deepEqual(changed(first, after, 'shop/api-1'), ['inbound']);
  assert.equal(after.configs.get('shop/web-1'), first.configs.get('shop/web-1'));
});

test('compiler: a split changes the routes of its root, seen with short names from its own namespace only', () => {
  const { first, apply } = shop();
  const after = apply(`
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: s, namespace: shop }
spec: { service: checkout, backends: [{ service: checkout-v1, weight: 1 }] }
`);
  const hostnames = ['shop/web-1', 'other/web-1'].map((proxy) => {
    assert.deepEqual(changed(first, after, proxy), ['service/shop/checkout']);
    const resource = after.configs.get(proxy)?.get('service/shop/checkout');
    return resource?.type === 'service' ? resource.hostnames : [];
  });
  const qualified = ['checkout.shop', 'checkout.shop.svc', 'checkout.shop.svc.cluster.local'];
  assert.deepEqual(hostnames, [['checkout', ...qualified], qualified]);
});

test('compiler: proxies of one namespace share every resource but their own two', () => {
  const { first } = shop();
  const one = first.configs.get('shop/checkout-1');
  const other = first.configs.get('shop/checkout-2');
  assert.ok(one !== undefined && other !== undefined);
  const different = [...one].filter(([key, value]) => other.get(key) !== value).map(([key]) => key);
  assert.deepEqual(different, ['workload', 'inbound']);
  assert.equal(one.size, other.size);
});

test('compiler: a label of a pod changes the policy of those that a binding opened to it, and of nobody else', () => {
  const { apply } = shop();
  const pod = (labels: string) => `
apiVersion: v1
kind: Pod
metadata: { name: web-1, namespace: shop, uid: web-1, labels: ${labels}, annotations: { weft.dev/injected: 'true' } }
spec: { serviceAccountName: web, containers: [{ name: app }] }
status: { phase: Running, podIP: 10.0.0.10 }
`;
  const before = apply(`
apiVersion: access.smi-spec.io/v1alpha4
kind: IdentityBinding
metadata: { name: callers, namespace: shop }
spec: { schemes: { podLabelSelector: { matchLabels: { tier: front } } } }
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: to-api, namespace: shop }
spec:
  destination: { kind: ServiceAccount, name: api }
  sources: [{ kind: IdentityBinding, name: callers }]
  rules: [{ kind: TCPRoute, name: any }]
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: { name: any, namespace: shop }
spec: { matches: { ports: [] } }
`);
  const opened = apply(pod('{ app: web, tier: front }'));
  for (const proxy of opened.configs.keys()) {
    assert.deepEqual(changed(before, opened, proxy), proxy === 'shop/api-1' ? ['inbound'] : [], proxy);
  }
  const rules = ({ mesh }: CompileResult) => mesh.workloads.get('shop/api-1')?.inbound.rules.map((rule) => rule.pods);
  assert.deepEqual([rules(before), rules(opened)], [[], [['web-1']]]);
  const other = apply(pod('{ app: web, tier: front, other: label }'));
  assert.equal(other.configs, opened.configs, 'a label that nobody asks for');
  assert.deepEqual(rules(apply(pod('{ app: web }'))), []);
});
