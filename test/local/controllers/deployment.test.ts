import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiClient } from '../../../src/local/api-client.ts';
import type { Deployment, Pod, ReplicaSet } from '../../../src/local/controllers/objects.ts';
import { isActive, isReady } from '../../../src/local/controllers/pod-state.ts';
import { DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS } from '../../../src/local/controllers/resources.ts';
import { deployment, eventually, mustGet, startCluster, steadily } from './cluster.ts';

function read(client: ApiClient, name = 'web'): Deployment {
  return mustGet<Deployment>(client, DEPLOYMENTS, 'default', name);
}

function activePods(client: ApiClient): Pod[] {
  return (client.list(PODS, 'default') as readonly Pod[]).filter(isActive);
}

function sets(client: ApiClient): ReplicaSet[] {
  return client.list(REPLICA_SETS, 'default') as ReplicaSet[];
}

async function change(client: ApiClient, edit: (d: Deployment) => void): Promise<void> {
  const next = structuredClone(read(client));
  edit(next);
  delete next.metadata.resourceVersion;
  await client.update(DEPLOYMENTS, next);
}

function setVersion(version: string) {
  return (d: Deployment) => {
    d.spec.template.metadata = { labels: { app: 'web', version } };
  };
}

/** What `kubectl rollout status` waits for. */
function isRolledOut(d: Deployment, replicas: number): void {
  const { status = {} } = d;
  assert.equal(status.observedGeneration, d.metadata.generation ?? 1);
  assert.equal(status.updatedReplicas, replicas);
  assert.equal(status.replicas, replicas);
  assert.equal(status.availableReplicas, replicas);
  const progressing = status.conditions?.find((c) => c.type === 'Progressing');
  assert.equal(progressing?.reason, 'NewReplicaSetAvailable');
}

test('deployment: makes one ReplicaSet whose pods carry the hash of their template', async (t) => {
  const { client } = await startCluster(t);
  await client.create(DEPLOYMENTS, deployment('web', 3));
  await eventually(() => isRolledOut(read(client), 3));
  const [rs, ...others] = sets(client);
  assert.deepEqual(others, []);
  const hash = rs?.metadata.labels?.['pod-template-hash'];
  assert.equal(rs?.metadata.name, `web-${hash}`);
  for (const pod of activePods(client)) {
    assert.equal(pod.metadata.labels?.['pod-template-hash'], hash);
    assert.ok(pod.metadata.name.startsWith(`web-${hash}-`));
  }
  const d = read(client);
  assert.equal(d.metadata.annotations?.['deployment.kubernetes.io/revision'], '1');
  assert.equal(d.status?.conditions?.find((c) => c.type === 'Available')?.status, 'True');
  await eventually(() => {
    const reasons = client.list(EVENTS, 'default').map((e) => `${String(e.reason)} ${String(e.message)}`);
    assert.ok(reasons.includes(`ScalingReplicaSet Scaled up replica set ${rs?.metadata.name} from 0 to 3`));
  });
});

test('deployment: a rolling update stays within maxSurge and maxUnavailable all the way', async (t) => {
  const { client } = await startCluster(t);
  const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 2, maxUnavailable: 1 } };
  await client.create(DEPLOYMENTS, deployment('web', 5, 'v1', { strategy }));
  await eventually(() => isRolledOut(read(client), 5));
  const seen: { total: number; ready: number }[] = [];
  const stop = client.watch(PODS, () => {
    const pods = activePods(client);
    seen.push({ total: pods.length, ready: pods.filter(isReady).length });
  });
  await change(client, setVersion('v2'));
  await eventually(() => {
    isRolledOut(read(client), 5);
    assert.ok(activePods(client).every((p) => p.metadata.labels?.['version'] === 'v2'));
  });
  stop();
  assert.ok(seen.length > 5);
  assert.ok(Math.max(...seen.map((s) => s.total)) <= 7, 'more pods than replicas + maxSurge');
  assert.ok(Math.min(...seen.map((s) => s.ready)) >= 4, 'fewer ready pods than replicas - maxUnavailable');
  assert.equal(sets(client).length, 2);
  assert.equal(read(client).metadata.annotations?.['deployment.kubernetes.io/revision'], '2');
});

test('deployment: going back to an older template makes its ReplicaSet the newest revision', async (t) => {
  const { client } = await startCluster(t);
  await client.create(DEPLOYMENTS, deployment('web', 2));
  await eventually(() => isRolledOut(read(client), 2));
  const first = sets(client)[0]?.metadata.name;
  await change(client, setVersion('v2'));
  await eventually(() => {
    isRolledOut(read(client), 2);
    assert.equal(sets(client).length, 2);
  });
  await change(client, setVersion('v1'));
  await eventually(() => {
    isRolledOut(read(client), 2);
    assert.equal(read(client).metadata.annotations?.['deployment.kubernetes.io/revision'], '3');
  });
  const back = sets(client).find((rs) => rs.metadata.name === first);
  assert.equal(back?.metadata.annotations?.['deployment.kubernetes.io/revision'], '3');
  assert.equal(back?.metadata.annotations?.['deployment.kubernetes.io/revision-history'], '1');
  assert.equal(sets(client).length, 2);
});

test('deployment: Recreate starts no new pod while an old one lives', async (t) => {
  const { client } = await startCluster(t);
  await client.create(DEPLOYMENTS, deployment('web', 3, 'v1', { strategy: { type: 'Recreate' } }));
  await eventually(() => isRolledOut(read(client), 3));
  let mixed = false;
  const stop = client.watch(PODS, () => {
    const versions = (client.list(PODS, 'default') as readonly Pod[]).map((p) => p.metadata.labels?.['version']);
    if (new Set(versions).size > 1) mixed = true;
  });
  await change(client, setVersion('v2'));
  await eventually(() => {
    isRolledOut(read(client), 3);
    assert.ok(activePods(client).every((p) => p.metadata.labels?.['version'] === 'v2'));
  });
  stop();
  assert.equal(mixed, false);
});

test('deployment: an update that never becomes ready stalls, keeps the old pods and says so', async (t) => {
  const cluster = await startCluster(t);
  const { client } = cluster;
  cluster.becomesReady = (pod) => pod.metadata.labels?.['version'] === 'v1';
  await client.create(DEPLOYMENTS, deployment('web', 4, 'v1', { progressDeadlineSeconds: 1 }));
  await eventually(() => isRolledOut(read(client), 4));
  await change(client, setVersion('v2'));
  await eventually(() => {
    const progressing = read(client).status?.conditions?.find((c) => c.type === 'Progressing');
    assert.equal(progressing?.reason, 'ProgressDeadlineExceeded');
    assert.equal(progressing?.status, 'False');
  });
  assert.ok(activePods(client).filter(isReady).length >= 3);
  assert.equal(read(client).status?.conditions?.find((c) => c.type === 'Available')?.status, 'True');
  cluster.becomesReady = () => true;
  cluster.poke();
  await eventually(() => isRolledOut(read(client), 4));
});

test('deployment: scales, to nothing too, and a paused one only scales', async (t) => {
  const { client } = await startCluster(t);
  await client.create(DEPLOYMENTS, deployment('web', 1));
  await eventually(() => isRolledOut(read(client), 1));
  await change(client, (d) => {
    d.spec.replicas = 4;
    d.spec.paused = true;
    setVersion('v2')(d);
  });
  await eventually(() => assert.equal(activePods(client).filter(isReady).length, 4));
  await steadily(() => assert.ok(activePods(client).every((p) => p.metadata.labels?.['version'] === 'v1')));
  assert.equal(read(client).status?.conditions?.find((c) => c.type === 'Progressing')?.reason, 'DeploymentPaused');
  await change(client, (d) => {
    d.spec.replicas = 0;
    d.spec.paused = false;
  });
  await eventually(() => assert.equal(activePods(client).length, 0));
});

test('deployment: keeps no more old ReplicaSets than revisionHistoryLimit', async (t) => {
  const { client } = await startCluster(t);
  await client.create(DEPLOYMENTS, deployment('web', 1, 'v1', { revisionHistoryLimit: 1 }));
  for (const version of ['v2', 'v3', 'v4']) {
    await eventually(() => isRolledOut(read(client), 1));
    await change(client, setVersion(version));
    await eventually(() => assert.ok(activePods(client).some((p) => p.metadata.labels?.['version'] === version)));
  }
  await eventually(() => {
    isRolledOut(read(client), 1);
    assert.deepEqual(
      sets(client)
        .map((rs) => rs.metadata.annotations?.['deployment.kubernetes.io/revision'])
        .sort(),
      ['3', '4'],
    );
  });
});

test('deployment: one that cannot be reconciled does not hold up another', async (t) => {
  const { client } = await startCluster(t);
  const taken = deployment('bad', 1);
  // somebody else's ReplicaSet of every name the controller tries cannot be had: an invalid pod template can
  taken.spec = {
    ...(taken.spec as object),
    template: { metadata: { labels: { app: 'bad' } }, spec: { containers: [] } },
  };
  await client.create(DEPLOYMENTS, taken).catch(() => undefined); // refused once the API server validates templates
  await client.create(DEPLOYMENTS, deployment('web', 2));
  await eventually(() => isRolledOut(read(client), 2));
});
