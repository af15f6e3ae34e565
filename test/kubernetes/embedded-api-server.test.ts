import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { seeded } from '../../src/base/random.ts';
import { until, WatchSource } from '../../src/base/watch.ts';
import { serverCertificate } from '../../src/identity/server-certificate.ts';
import { applyCrds } from '../../src/kubernetes/apply-crds.ts';
import { kubernetesClient } from '../../src/kubernetes/client.ts';
import type { Condition } from '../../src/kubernetes/conditions.ts';
import { KubernetesError } from '../../src/kubernetes/error.ts';
import { leaseElection } from '../../src/kubernetes/lease.ts';
import { reporter } from '../../src/kubernetes/reporter.ts';
import { snapshotInformer } from '../../src/kubernetes/snapshot-informer.ts';
import { createApiServer } from '../../src/local/api/server.ts';
import { loadCrds } from '../../src/spec/crds.ts';
import { smiValidator } from '../../src/spec/validate.ts';
import { routeGroup, split as splitOf, targetSpec, trafficTarget } from '../spec/objects.ts';

const SPLITS = '/apis/split.smi-spec.io/v1alpha4/namespaces/default/trafficsplits';

/** The embedded API server behind HTTPS, with the CRDs installed through a client. */
async function started(t: TestContext) {
  const { ca, certificate, privateKey } = serverCertificate({ clock: systemClock, hosts: ['127.0.0.1'] });
  const server = await createApiServer({ tls: { ca, certificate, privateKey } });
  await server.listen({ host: '127.0.0.1', port: 0 });
  const client = kubernetesClient({ kubeconfigText: server.kubeconfig() });
  const ending = new AbortController();
  const { signal } = ending;
  const running: Promise<unknown>[] = [server.run(signal)];
  t.after(async () => {
    ending.abort(new Error('the test is over'));
    client.close();
    await Promise.all(running);
  });
  const common = { api: client.api, clock: systemClock, random: seeded(1), log: silentLog };
  await applyCrds({ ...common, crds: loadCrds() }, signal);
  const run = (work: (signal: AbortSignal) => Promise<unknown>) => running.push(work(signal));
  const create = (path: string, body: unknown) => client.api.call({ method: 'POST', path, body }, signal);
  return { server, client, common, signal, run, create };
}

function split(weight: unknown): Record<string, unknown> {
  const backends = [{ service: 'web-v1', weight }];
  return {
    apiVersion: 'split.smi-spec.io/v1alpha4',
    kind: 'TrafficSplit',
    metadata: { name: 'web' },
    spec: { service: 'web', backends },
  };
}

test('embedded API server: the informer follows it over verified TLS', async (t) => {
  const { client, common, signal, run, create } = await started(t);
  const informer = snapshotInformer(common);
  run((signal) => informer.run(signal));
  const first = await until(informer.snapshots, () => true, signal);
  assert.ok(first.namespaces.has('default'));
  await create(SPLITS, split(100));
  await until(informer.snapshots, (s) => s.trafficSplits.has('default/web'), signal);
  await client.api.call({ method: 'DELETE', path: `${SPLITS}/web` }, signal);
  await until(informer.snapshots, (s) => !s.trafficSplits.has('default/web'), signal);
});

test('embedded API server: installing the CRDs again changes none of them', async (t) => {
  const { client, common, signal } = await started(t);
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const before = await client.api.call({ method: 'GET', path }, signal);
  await applyCrds({ ...common, crds: loadCrds() }, signal);
  assert.deepEqual(await client.api.call({ method: 'GET', path }, signal), before);
});

test('embedded API server: refuses and admits what the validators refuse and admit', async (t) => {
  const { create } = await started(t);
  const validator = smiValidator(loadCrds());
  const targets = '/apis/access.smi-spec.io/v1alpha3/namespaces/shop/traffictargets';
  const groups = '/apis/specs.smi-spec.io/v1alpha4/namespaces/shop/httproutegroups';
  const splits = '/apis/split.smi-spec.io/v1alpha4/namespaces/shop/trafficsplits';
  const { destination, sources } = targetSpec();
  const objects: readonly (readonly [string, unknown])[] = [
    [targets, trafficTarget()],
    [targets, trafficTarget({ destination, rules: [] })],
    [targets, trafficTarget({ destination, sources, rules: [{ kind: 'Foo', name: 'x' }] })],
    [groups, routeGroup({ name: 'a', headers: { 'x-a': '.*' } })],
    [groups, routeGroup({ name: 'a', headers: [{ 'x-a': '.*' }] })],
    [groups, routeGroup({ name: 'a', methods: ['get'] })],
    ...[0, 100, 1.5, -1, '10', null].map((weight) => [splits, splitOf(weight)] as const),
  ];
  await create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
  for (const [path, object] of objects) {
    const verdict = await create(`${path}?dryRun=All`, object).then(
      () => 'admitted',
      (error: unknown) => (error instanceof KubernetesError && error.status === 422 ? 'refused' : String(error)),
    );
    assert.equal(verdict, validator.schemaErrors(object).length === 0 ? 'admitted' : 'refused', JSON.stringify(object));
  }
});

test('embedded API server: the reporter’s conditions and Events are taken, and move no generation', async (t) => {
  const { client, common, signal, run, create } = await started(t);
  await create(SPLITS, split(100));
  const informer = snapshotInformer(common);
  run((signal) => informer.run(signal));
  const snapshot = await until(informer.snapshots, (s) => s.trafficSplits.has('default/web'), signal);
  const { report } = reporter({ ...common, leading: new WatchSource(true), instance: 'test' });
  const object = { apiVersion: 'split.smi-spec.io/v1alpha4', kind: 'TrafficSplit', namespace: 'default', name: 'web' };
  const finding = {
    code: 'SMI1202',
    level: 'error',
    object,
    path: 'spec.service',
    message: 'is missing',
    fix: 'make it',
  } as const;
  await report({ snapshot, diagnostics: [finding] }, signal);
  await report({ snapshot, diagnostics: [] }, signal);
  await report({ snapshot, diagnostics: [finding] }, signal);
  const stored = (await client.api.call({ method: 'GET', path: `${SPLITS}/web` }, signal)) as {
    metadata: { generation: number };
    status: { conditions: Condition[] };
  };
  assert.equal(stored.metadata.generation, 1);
  assert.deepEqual(
    stored.status.conditions.map((c) => `${c.type}=${c.status}`),
    ['Accepted=True', 'ResolvedRefs=False', 'Conflicted=False'],
  );
  const events = (await client.api.call({ method: 'GET', path: '/api/v1/namespaces/default/events' }, signal)) as {
    items: { reason: string; count: number }[];
  };
  assert.deepEqual(events.items.map((e) => [e.reason, e.count]), [['SMI1202', 2]]); // prettier-ignore
});

test('embedded API server: a token that it issued is reviewed, for its audience only', async (t) => {
  const { client, signal, create } = await started(t);
  const body = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'web' } };
  await create('/api/v1/namespaces/default/serviceaccounts', body);
  const request = { namespace: 'default', serviceAccount: 'web', audience: 'weft.dev/ca', expirationSeconds: 600 };
  const { token, expiresAtMs } = await client.requestToken(request, signal);
  assert.ok(expiresAtMs > Date.now());
  assert.deepEqual(await client.reviewToken(token, 'weft.dev/ca', signal), {
    authenticated: true,
    namespace: 'default',
    serviceAccount: 'web',
  });
  assert.equal((await client.reviewToken(token, 'other', signal)).authenticated, false);
  assert.equal((await client.reviewToken(`${token}x`, 'weft.dev/ca', signal)).authenticated, false);
});

test('embedded API server: elects one leader', async (t) => {
  const { common, signal, run } = await started(t);
  const options = { ...common, namespace: 'default', name: 'leader', retryMs: 20 };
  const a = leaseElection({ ...options, identity: 'a' });
  run((signal) => a.run(signal));
  await until(a.leading, (leads) => leads, signal);
  const b = leaseElection({ ...options, identity: 'b' });
  run((signal) => b.run(signal));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual([a.leading.current(), b.leading.current()], [true, false]);
});
