import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiClient, ApiObject } from '../../../src/local/api-client.ts';
import type { Job } from '../../../src/local/controllers/objects.ts';
import { JOBS, PODS } from '../../../src/local/controllers/resources.ts';
import { eventually, mustGet, startCluster, steadily } from './cluster.ts';

function job(name: string, spec: object): ApiObject {
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'none' }] } };
  return { apiVersion: 'batch/v1', kind: 'Job', metadata: { name, namespace: 'default' }, spec: { template, ...spec } };
}

function condition(client: ApiClient, type: string) {
  return mustGet<Job>(client, JOBS, 'default', 'once').status?.conditions?.find((c) => c.type === type);
}

test('job: runs until enough pods have succeeded, never more at once than its parallelism', async (t) => {
  const cluster = await startCluster(t);
  const { client } = cluster;
  cluster.phaseOf = () => 'Succeeded';
  let most = 0;
  client.watch(PODS, () => {
    const running = client
      .list(PODS)
      .filter((p) => (p.status as { phase?: string } | undefined)?.phase !== 'Succeeded');
    most = Math.max(most, running.length);
  });
  await client.create(JOBS, job('once', { completions: 5, parallelism: 2 }));
  await eventually(() => assert.equal(condition(client, 'Complete')?.status, 'True'));
  const { status } = mustGet<Job>(client, JOBS, 'default', 'once');
  assert.equal(status?.succeeded, 5);
  assert.equal(status?.active, undefined);
  assert.ok(status?.completionTime);
  assert.ok(most <= 2, `${most} pods at once`);
  assert.equal(client.list(PODS, 'default')[0]?.metadata.labels?.['job-name'], 'once');
});

test('job: fails with BackoffLimitExceeded after one failure more than allowed', async (t) => {
  const cluster = await startCluster(t);
  const { client } = cluster;
  cluster.phaseOf = () => 'Failed';
  await client.create(JOBS, job('once', { backoffLimit: 0 }));
  await eventually(() => assert.equal(condition(client, 'Failed')?.reason, 'BackoffLimitExceeded'));
  assert.equal(mustGet<Job>(client, JOBS, 'default', 'once').status?.failed, 1);
  await steadily(() => assert.equal(client.list(PODS, 'default').length, 1));
});

test('job: is ended by its deadline, its pods with it', async (t) => {
  const { client } = await startCluster(t);
  await client.create(JOBS, job('once', { activeDeadlineSeconds: 1 }));
  await eventually(() => assert.equal(client.list(PODS, 'default').length, 1));
  await eventually(() => assert.equal(condition(client, 'Failed')?.reason, 'DeadlineExceeded'));
  await eventually(() => assert.equal(client.list(PODS, 'default').length, 0));
});

test('job: a suspended one has no pods, a finished one goes after its time to live', async (t) => {
  const cluster = await startCluster(t);
  const { client } = cluster;
  await client.create(JOBS, job('once', { suspend: true, ttlSecondsAfterFinished: 0 }));
  await eventually(() => assert.equal(condition(client, 'Suspended')?.status, 'True'));
  assert.equal(client.list(PODS, 'default').length, 0);
  cluster.phaseOf = () => 'Succeeded';
  const stored = mustGet<Job>(client, JOBS, 'default', 'once');
  await client.update(JOBS, { ...stored, spec: { ...stored.spec, suspend: false } });
  await eventually(() => {
    assert.equal(client.get(JOBS, 'default', 'once'), undefined);
    assert.equal(client.list(PODS, 'default').length, 0);
  });
});
