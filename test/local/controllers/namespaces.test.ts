import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  NAMESPACES,
  PODS,
  SERVICE_ACCOUNTS,
} from '../../../src/local/controllers/resources.ts';
import { deployment, eventually, mustGet, startCluster, steadily } from './cluster.ts';

const shop = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } };

test('namespaces: each has a default ServiceAccount and the root certificates, again after a deletion', async (t) => {
  const { client } = await startCluster(t);
  await client.create(NAMESPACES, shop);
  const complete = () => {
    mustGet(client, SERVICE_ACCOUNTS, 'shop', 'default');
    const { data } = mustGet(client, CONFIG_MAPS, 'shop', 'kube-root-ca.crt') as unknown as { data: object };
    assert.deepEqual(data, { 'ca.crt': 'PEM' });
  };
  await eventually(complete);
  await client.delete(SERVICE_ACCOUNTS, 'shop', 'default');
  await client.delete(CONFIG_MAPS, 'shop', 'kube-root-ca.crt');
  await eventually(complete);
});

test('namespaces: a deleted one is emptied first, and waits for finalizers of its content', async (t) => {
  const { client } = await startCluster(t);
  await client.create(NAMESPACES, shop);
  const web = deployment('web', 2);
  await client.create(DEPLOYMENTS, { ...web, metadata: { ...web.metadata, namespace: 'shop' } });
  const metadata = { name: 'held', namespace: 'shop', finalizers: ['test/hold'] };
  await client.create(CONFIG_MAPS, { apiVersion: 'v1', kind: 'ConfigMap', metadata });
  await eventually(() => assert.equal(client.list(PODS, 'shop').length, 2));
  await client.delete(NAMESPACES, '', 'shop');
  await eventually(() => {
    assert.equal(client.list(PODS, 'shop').length, 0);
    assert.equal(client.list(DEPLOYMENTS, 'shop').length, 0);
    const { status } = mustGet(client, NAMESPACES, '', 'shop') as unknown as {
      status: { phase: string; conditions: { type: string; status: string; message: string }[] };
    };
    assert.equal(status.phase, 'Terminating');
    const remaining = status.conditions.find((c) => c.type === 'NamespaceFinalizersRemaining');
    assert.equal(remaining?.status, 'True');
    assert.match(remaining.message, /test\/hold has 1 resource instances/);
  });
  await steadily(() => assert.equal(client.list(CONFIG_MAPS, 'shop').length, 1));
  const held = mustGet(client, CONFIG_MAPS, 'shop', 'held');
  await client.update(CONFIG_MAPS, { ...held, metadata: { ...held.metadata, finalizers: [] } });
  await eventually(() => assert.equal(client.get(NAMESPACES, '', 'shop'), undefined));
});
