import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiObject } from '../../../src/local/api-client.ts';
import { isApiError } from '../../../src/local/api-error.ts';
import { createApiServer } from '../../../src/local/api/server.ts';

const pods = { group: '', resource: 'pods' };
const namespaces = { group: '', resource: 'namespaces' };

function pod(name: string): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'app', image: 'app' }] },
  };
}

test('in-process client: a watcher hears of each write, in order, with growing resource versions', async () => {
  const { client } = await createApiServer({});
  const heard: string[] = [];
  const versions: number[] = [];
  const stop = client.watch(pods, ({ type, object }) => {
    heard.push(`${type} ${object.metadata.name}`);
    versions.push(Number(object.metadata.resourceVersion));
  });
  const made = await client.create(pods, pod('a'));
  await client.updateStatus(pods, { ...made, status: { phase: 'Running' } });
  await client.delete(pods, 'default', 'a');
  stop();
  await client.create(pods, pod('b'));
  assert.deepEqual(heard, ['ADDED a', 'MODIFIED a', 'DELETED a']);
  assert.deepEqual(
    versions,
    [...versions].sort((a, b) => a - b),
  );
});

test('in-process client: an update with an old resourceVersion is a conflict, one without wins', async () => {
  const { client } = await createApiServer({});
  const first = await client.create(pods, pod('a'));
  const { resourceVersion: _, ...metadata } = first.metadata;
  await client.update(pods, { ...first, metadata: { ...metadata, labels: { step: '2' } } });
  await assert.rejects(client.update(pods, first), (e) => isApiError(e, 'Conflict') && e.code === 409);
  assert.equal(client.get(pods, 'default', 'a')?.metadata.labels?.['step'], '2');
});

test('in-process client: objects that come out are frozen', async () => {
  const { client } = await createApiServer({});
  const made = await client.create(pods, pod('a'));
  assert.throws(() => (made.metadata.name = 'b'), TypeError);
});

test('in-process client: finalizers keep a deleted object until they are taken away', async () => {
  const { client } = await createApiServer({});
  await client.create(pods, { ...pod('a'), metadata: { ...pod('a').metadata, finalizers: ['test.dev/hold'] } });
  await client.delete(pods, 'default', 'a');
  const held = client.get(pods, 'default', 'a');
  assert.ok(held?.metadata.deletionTimestamp !== undefined);
  await client.update(pods, { ...held, metadata: { ...held.metadata, finalizers: [] } });
  assert.equal(client.get(pods, 'default', 'a'), undefined);
});

test('in-process client: a deleted namespace terminates, and goes when its finalizers do', async () => {
  const { client } = await createApiServer({});
  await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
  await client.delete(namespaces, '', 'shop');
  const held = client.get(namespaces, '', 'shop');
  assert.deepEqual(held?.['status'], { phase: 'Terminating' });
  await client.update(namespaces, { ...held, spec: { finalizers: [] } });
  assert.equal(client.get(namespaces, '', 'shop'), undefined);
});
