import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiClient, ApiObject } from '../../../src/local/api-client.ts';
import { CONFIG_MAPS, DEPLOYMENTS, PODS, REPLICA_SETS } from '../../../src/local/controllers/resources.ts';
import { deployment, eventually, mustGet, startCluster, steadily } from './cluster.ts';

function config(name: string, owners: readonly ApiObject[] = [], block = false): ApiObject {
  const ownerReferences = owners.map(({ apiVersion, kind, metadata }) => ({
    apiVersion,
    kind,
    name: metadata.name,
    uid: metadata.uid ?? '',
    blockOwnerDeletion: block,
  }));
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default', ownerReferences } };
}

function names(client: ApiClient): string[] {
  return client
    .list(CONFIG_MAPS, 'default')
    .map((o) => o.metadata.name)
    .filter((name) => name !== 'kube-root-ca.crt');
}

test('garbage collector: what is owned goes with its owner, to the last generation', async (t) => {
  const { client } = await startCluster(t);
  await client.create(DEPLOYMENTS, deployment('web', 2));
  await eventually(() => assert.equal(client.list(PODS, 'default').length, 2));
  await client.delete(DEPLOYMENTS, 'default', 'web', { propagationPolicy: 'Background' });
  await eventually(() => {
    assert.equal(client.list(REPLICA_SETS, 'default').length, 0);
    assert.equal(client.list(PODS, 'default').length, 0);
  });
});

test('garbage collector: one of two owners gone costs a reference, both the object', async (t) => {
  const { client } = await startCluster(t);
  const a = await client.create(CONFIG_MAPS, config('a'));
  const b = await client.create(CONFIG_MAPS, config('b'));
  await client.create(CONFIG_MAPS, config('child', [a, b]));
  await client.delete(CONFIG_MAPS, 'default', 'a');
  await eventually(() => {
    const child = mustGet(client, CONFIG_MAPS, 'default', 'child');
    assert.deepEqual(
      child.metadata.ownerReferences?.map((o) => o.name),
      ['b'],
    );
  });
  await client.delete(CONFIG_MAPS, 'default', 'b');
  await eventually(() => assert.deepEqual(names(client), []));
});

test('garbage collector: a foreground deletion waits for what blocks it', async (t) => {
  const { client } = await startCluster(t);
  const owner = await client.create(CONFIG_MAPS, config('owner'));
  const child = config('child', [owner], true);
  await client.create(CONFIG_MAPS, { ...child, metadata: { ...child.metadata, finalizers: ['test/hold'] } });
  await client.delete(CONFIG_MAPS, 'default', 'owner', { propagationPolicy: 'Foreground' });
  await eventually(() => assert.ok(mustGet(client, CONFIG_MAPS, 'default', 'child').metadata.deletionTimestamp));
  await steadily(() => assert.deepEqual(names(client), ['child', 'owner']));
  const stored = mustGet(client, CONFIG_MAPS, 'default', 'child');
  await client.update(CONFIG_MAPS, { ...stored, metadata: { ...stored.metadata, finalizers: [] } });
  await eventually(() => assert.deepEqual(names(client), []));
});

test('garbage collector: an orphaning deletion leaves dependents alive and ownerless', async (t) => {
  const { client } = await startCluster(t);
  const owner = await client.create(CONFIG_MAPS, config('owner'));
  await client.create(CONFIG_MAPS, config('child', [owner]));
  await client.delete(CONFIG_MAPS, 'default', 'owner', { propagationPolicy: 'Orphan' });
  await eventually(() => assert.deepEqual(names(client), ['child']));
  assert.deepEqual(mustGet(client, CONFIG_MAPS, 'default', 'child').metadata.ownerReferences ?? [], []);
});

test('garbage collector: an owner of the same name but another uid is no owner', async (t) => {
  const { client } = await startCluster(t);
  const owner = await client.create(CONFIG_MAPS, config('owner'));
  const impostor = { ...owner, metadata: { ...owner.metadata, uid: '00000000-0000-0000-0000-000000000000' } };
  await client.create(CONFIG_MAPS, config('child', [impostor]));
  await eventually(() => assert.deepEqual(names(client), ['owner']));
});

test('garbage collector: an orphaned ReplicaSet is adopted by a Deployment that matches it', async (t) => {
  const { client } = await startCluster(t);
  await client.create(DEPLOYMENTS, deployment('web', 2));
  await eventually(() => assert.equal(client.list(PODS, 'default').length, 2));
  const before = client.list(PODS, 'default').map((p) => p.metadata.uid);
  await client.delete(DEPLOYMENTS, 'default', 'web', { propagationPolicy: 'Orphan' });
  await eventually(() => {
    assert.equal(client.get(DEPLOYMENTS, 'default', 'web'), undefined);
    assert.deepEqual(client.list(REPLICA_SETS, 'default')[0]?.metadata.ownerReferences ?? [], []);
  });
  const again = await client.create(DEPLOYMENTS, deployment('web', 2));
  await eventually(() => {
    const [rs] = client.list(REPLICA_SETS, 'default');
    assert.equal(rs?.metadata.ownerReferences?.[0]?.uid, again.metadata.uid);
  });
  assert.deepEqual(
    client.list(PODS, 'default').map((p) => p.metadata.uid),
    before,
  );
});
