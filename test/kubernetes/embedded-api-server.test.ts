import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { FakeClock, systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { seeded } from '../../src/base/random.ts';
import { runReconciler } from '../../src/base/reconcile.ts';
import { until, WatchSource } from '../../src/base/watch.ts';
import { compile, createCompiler } from '../../src/compile/compile.ts';
import { meshController, reportController, type Compiled } from '../../src/control/mesh-controller.ts';
import { progressOf } from '../../src/control/progress.ts';
import { serverCertificate } from '../../src/identity/server-certificate.ts';
import type { KubernetesApi } from '../../src/kubernetes/api.ts';
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
  const client = await kubernetesClient({ kubeconfigText: server.kubeconfig() });
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

test('embedded API server: is called with its CA and a token, without a kubeconfig', async () => {
  const { ca, certificate, privateKey } = serverCertificate({ clock: systemClock, hosts: ['127.0.0.1'] });
  const server = await createApiServer({ tls: { ca, certificate, privateKey } });
  const { url } = await server.listen({ host: '127.0.0.1', port: 0 });
  const ending = new AbortController();
  const running = server.run(ending.signal);
  const request = { method: 'GET', path: '/api/v1/namespaces/default' } as const;
  const client = await kubernetesClient({ server: url, ca, token: server.adminToken });
  const found = await client.api.call(request, ending.signal);
  assert.equal((found as { kind: string }).kind, 'Namespace');
  const stranger = await kubernetesClient({ server: url, ca, token: 'another' });
  await assert.rejects(stranger.api.call(request, ending.signal), { status: 401 });
  for (const { close } of [client, stranger]) close();
  ending.abort();
  await running;
});

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
  const targets = '/apis/access.smi-spec.io/v1alpha4/namespaces/shop/traffictargets';
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

test('embedded API server: an object that is older than the CRDs, and cannot be read, shows so in its status', async (t) => {
  const { client, common, signal, run, create } = await started(t);
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/trafficsplits.split.smi-spec.io';
  const openAPIV3Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const crd = (await client.api.call({ method: 'GET', path }, signal)) as { spec: { versions: object[] } };
  for (const version of crd.spec.versions) Object.assign(version, { schema: { openAPIV3Schema } });
  await client.api.call({ method: 'PUT', path, body: crd }, signal);
  await create(SPLITS, split('90'));
  await applyCrds({ ...common, crds: loadCrds() }, signal);
  const informer = snapshotInformer(common);
  run((signal) => informer.run(signal));
  const snapshot = await until(informer.snapshots, (s) => s.unreadable.size > 0, signal);
  const { report } = reporter({ ...common, leading: new WatchSource(true), instance: 'test' });
  await report({ snapshot, diagnostics: snapshot.remarks }, signal);
  const stored = (await client.api.call({ method: 'GET', path: `${SPLITS}/web` }, signal)) as {
    spec: { backends: unknown };
    status: { conditions: Condition[] };
  };
  assert.deepEqual(stored.spec.backends, [{ service: 'web-v1', weight: '90' }]);
  assert.equal(stored.status.conditions.find(({ type }) => type === 'Accepted')?.reason, 'SMI0001');
});

test('embedded API server: a canary tool that GETs and PUTs without retry meets one status write per change, and no conflict', async (t) => {
  const { client, common, signal, run, create } = await started(t);
  for (const name of ['web', 'web-v1', 'web-v2']) {
    const spec = { ports: [{ name: 'http', port: 80 }, ...(name === 'web' ? [{ name: 'admin', port: 81 }] : [])] };
    const body = { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec };
    await create('/api/v1/namespaces/default/services', body);
  }
  await create(SPLITS, split(100));
  const informer = snapshotInformer(common);
  run((signal) => informer.run(signal));
  const compiled = new WatchSource<Compiled>();
  const publish = (next: Compiled) => void compiled.set(next);
  const mesh = meshController({ source: informer.snapshots, compiler: createCompiler(), publish });
  let writes = 0;
  const counting: Pick<KubernetesApi, 'call'> = {
    call(request, signal) {
      if (request.path.includes('/trafficsplits/') && request.method !== 'GET') writes += 1;
      return client.api.call(request, signal);
    },
  };
  const writer = reporter({
    ...common,
    clock: new FakeClock(),
    api: counting,
    leading: new WatchSource(true),
    instance: 'test',
  });
  /** Two sidecars: one takes every change over at once, the other when the test says so. */
  const slow = new WatchSource<unknown>();
  const progress = { progress: () => ({ live: slow.current() === compiled.current()?.mesh ? 2 : 1, of: 2 }) };
  const report = reportController({
    compiled,
    also: [slow, writer.due],
    report: (newest, signal) => writer.report({ ...newest, progress: progressOf(newest, progress) }, signal),
  });
  for (const reconciler of [mesh, report]) run((signal) => runReconciler(reconciler, common, signal));
  type Shown = ReturnType<typeof split> & {
    metadata: { generation: number; resourceVersion: string };
    status?: { conditions?: Condition[] };
  };
  const get = async () => (await client.api.call({ method: 'GET', path: `${SPLITS}/web` }, signal)) as Shown;
  /** The object once its status is that of its generation, and live. */
  async function settled(): Promise<Shown> {
    for (;;) {
      slow.set(compiled.current()?.mesh);
      const shown = await get();
      const programmed = shown.status?.conditions?.find(({ type }) => type === 'Programmed');
      if (programmed?.status === 'True' && programmed.observedGeneration === shown.metadata.generation) return shown;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  async function shift(weight: number): Promise<Shown> {
    const { apiVersion, kind, metadata } = await get();
    const backends = [
      { service: 'web-v1', weight },
      { service: 'web-v2', weight: 100 - weight },
    ];
    const body = { apiVersion, kind, metadata, spec: { service: 'web', backends } };
    await client.api.call({ method: 'PUT', path: `${SPLITS}/web`, body }, signal); // a conflict would throw
    return settled();
  }
  await settled();
  await shift(100); // web-v2 lacks a port: said at once, before it is live
  for (let weight = 99; weight > 90; weight -= 1) {
    const before = writes;
    const { status } = await shift(weight);
    assert.equal(writes - before, 1);
    assert.deepEqual(
      status?.conditions?.map((c) => `${c.type}=${c.status} ${c.message}`).filter((line) => line.startsWith('Prog')),
      ['Programmed=True live on 2 of 2 sidecars'],
    );
  }
  // the Event of the spec for a root's port that a backend lacks
  const events = (await client.api.call({ method: 'GET', path: '/api/v1/namespaces/default/events' }, signal)) as {
    items: { reason: string; involvedObject: { kind: string; name: string }; message: string }[];
  };
  const said = events.items.filter(({ reason }) => reason === 'SMI1204').map(({ message }) => message);
  assert.match(said.join('; '), /web-v2 has no TCP port 81; there it gets no traffic from Service default\/web/);
});

const noKubectl = spawnSync('kubectl', ['version', '--client']).status === 0 ? false : 'kubectl is not on the path';

test(
  'embedded API server: kubectl describe shows why a backend is left out on a port',
  { skip: noKubectl },
  async (t) => {
    const { server, common, signal, run, create } = await started(t);
    for (const [name, port] of [
      ['web', 80],
      ['web-v1', 8080],
    ] as const) {
      const body = { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port }] } };
      await create('/api/v1/namespaces/default/services', body);
    }
    await create(SPLITS, split(100));
    const informer = snapshotInformer(common);
    run((signal) => informer.run(signal));
    const snapshot = await until(informer.snapshots, (s) => s.trafficSplits.has('default/web'), signal);
    const { report } = reporter({ ...common, leading: new WatchSource(true), instance: 'test' });
    await report({ snapshot, diagnostics: compile(snapshot).diagnostics }, signal);
    const folder = await mkdtemp(join(tmpdir(), 'weft-describe-'));
    t.after(() => rm(folder, { recursive: true }));
    const kubeconfig = join(folder, 'kubeconfig');
    await writeFile(kubeconfig, server.kubeconfig());
    const args = ['--kubeconfig', kubeconfig, '--cache-dir', folder, 'describe', 'trafficsplit', 'web'];
    const { stdout } = await promisify(execFile)('kubectl', args);
    const events = stdout.slice(stdout.indexOf('Events:'));
    assert.match(events, /Warning +SMI1204 .* weft-controller .*Service default\/web-v1 has no TCP port 80/);
  },
);

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
