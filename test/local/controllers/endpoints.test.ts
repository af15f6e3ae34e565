import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiClient, ApiObject } from '../../../src/local/api-client.ts';
import type { Pod } from '../../../src/local/controllers/objects.ts';
import { ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES } from '../../../src/local/controllers/resources.ts';
import { eventually, mustGet, pod, service, startCluster, steadily } from './cluster.ts';

interface Slice extends ApiObject {
  ports?: { name: string; port: number; protocol: string; appProtocol?: string }[];
  endpoints?: {
    addresses: string[];
    conditions: { ready: boolean; serving: boolean; terminating: boolean };
    targetRef: { name: string };
  }[];
}

function slices(client: ApiClient, name: string): Slice[] {
  return client
    .list(ENDPOINT_SLICES, 'default')
    .filter((s) => s.metadata.labels?.['kubernetes.io/service-name'] === name) as Slice[];
}

function conditionsOf(client: ApiClient, name: string): Record<string, unknown> {
  const all = slices(client, name).flatMap((s) => s.endpoints ?? []);
  return Object.fromEntries(all.map((e) => [e.targetRef.name, e.conditions]));
}

test('endpoints: follow selected pods through ready, not ready, terminating and gone', async (t) => {
  const cluster = await startCluster(t);
  const { client } = cluster;
  let ready = true;
  cluster.becomesReady = () => ready;
  const finalizers = ['test/hold'];
  const held = pod('a', { app: 'web' });
  await client.create(PODS, { ...held, metadata: { ...held.metadata, finalizers } });
  await client.create(PODS, pod('other', { app: 'db' }));
  await client.create(
    SERVICES,
    service('web', { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] }),
  );
  await eventually(() =>
    assert.deepEqual(conditionsOf(client, 'web'), { a: { ready: true, serving: true, terminating: false } }),
  );
  const address = mustGet<Pod>(client, PODS, 'default', 'a').status?.podIP;
  assert.deepEqual(slices(client, 'web')[0]?.ports, [{ name: 'http', port: 8080, protocol: 'TCP' }]);
  assert.deepEqual(slices(client, 'web')[0]?.endpoints?.[0]?.addresses, [address]);
  await eventually(() => {
    const { subsets } = mustGet(client, ENDPOINTS, 'default', 'web') as unknown as {
      subsets: { addresses: { ip: string }[] }[];
    };
    assert.equal(subsets[0]?.addresses[0]?.ip, address);
  });
  ready = false;
  cluster.poke();
  await eventually(() =>
    assert.deepEqual(conditionsOf(client, 'web'), { a: { ready: false, serving: false, terminating: false } }),
  );
  ready = true;
  cluster.poke();
  await eventually(() => assert.deepEqual(Object.values(conditionsOf(client, 'web')).length, 1));
  await client.delete(PODS, 'default', 'a', { gracePeriodSeconds: 30 });
  await eventually(() => {
    const { a } = conditionsOf(client, 'web') as { a: { ready: boolean; terminating: boolean } };
    assert.deepEqual([a.ready, a.terminating], [false, true]);
  });
  const stored = mustGet<Pod>(client, PODS, 'default', 'a');
  await client.update(PODS, { ...stored, metadata: { ...stored.metadata, finalizers: [] } });
  await eventually(() => assert.deepEqual(conditionsOf(client, 'web'), {}));
  assert.equal(slices(client, 'web').length, 1, 'an empty slice says that there is nobody');
});

test('endpoints: a named targetPort is looked up in each pod', async (t) => {
  const { client } = await startCluster(t);
  const named = (containerPort: number) => ({
    containers: [{ name: 'main', image: 'none', ports: [{ name: 'web', containerPort }] }],
  });
  await client.create(PODS, pod('old', { app: 'web' }, named(8080)));
  await client.create(PODS, pod('new', { app: 'web' }, named(9090)));
  await client.create(PODS, pod('none', { app: 'web' }));
  await client.create(SERVICES, service('web', { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'web' }] }));
  await eventually(() => {
    const found = slices(client, 'web').map((s) => [s.ports?.[0]?.port, s.endpoints?.map((e) => e.targetRef.name)]);
    assert.deepEqual(found.sort(), [
      [8080, ['old']],
      [9090, ['new']],
    ]);
  });
});

test('endpoints: publishNotReadyAddresses makes every address ready', async (t) => {
  const cluster = await startCluster(t);
  cluster.becomesReady = () => false;
  const { client } = cluster;
  await client.create(PODS, pod('a', { app: 'web' }));
  const spec = { clusterIP: 'None', selector: { app: 'web' }, publishNotReadyAddresses: true, ports: [{ port: 80 }] };
  await client.create(SERVICES, service('web', spec));
  await eventually(() => {
    const { a } = conditionsOf(client, 'web') as { a: { ready: boolean } };
    assert.equal(a.ready, true);
    assert.equal(slices(client, 'web')[0]?.metadata.labels?.['service.kubernetes.io/headless'], '');
  });
});

test('endpoints: a Service without a selector is left to its owner', async (t) => {
  const { client } = await startCluster(t);
  await client.create(PODS, pod('a', { app: 'web' }));
  await client.create(SERVICES, service('manual', { ports: [{ port: 80 }] }));
  await client.create(SERVICES, service('web', { selector: { app: 'web' }, ports: [{ port: 80 }] }));
  await eventually(() => assert.equal(slices(client, 'web')[0]?.endpoints?.length, 1));
  await steadily(() => assert.deepEqual(slices(client, 'manual'), []));
});

test('endpoints: a changed port changes the slice in place and settles', async (t) => {
  const { client } = await startCluster(t);
  await client.create(PODS, pod('a', { app: 'web' }));
  await client.create(SERVICES, service('web', { selector: { app: 'web' }, ports: [{ port: 80 }] }));
  await eventually(() => assert.equal(slices(client, 'web')[0]?.endpoints?.length, 1));
  const name = slices(client, 'web')[0]?.metadata.name;
  const stored = mustGet(client, SERVICES, 'default', 'web');
  const spec = { ...(stored.spec as object), ports: [{ port: 81 }] };
  await client.update(SERVICES, { ...stored, spec });
  await eventually(() => assert.equal(slices(client, 'web')[0]?.ports?.[0]?.port, 81));
  assert.equal(slices(client, 'web')[0]?.metadata.name, name);
  let writes = 0;
  const stop = client.watch(ENDPOINT_SLICES, () => writes++);
  await steadily(() => assert.equal(writes, 0));
  stop();
});
