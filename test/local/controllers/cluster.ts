import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLog } from '../../../src/base/log.ts';
import { seeded } from '../../../src/base/random.ts';
import { runReconciler } from '../../../src/base/reconcile.ts';
import type { ApiClient, ApiObject, ResourceName } from '../../../src/local/api-client.ts';
import { createApiServer } from '../../../src/local/api/server.ts';
import { createControllers, runControllers } from '../../../src/local/controllers/controllers.ts';
import type { Pod } from '../../../src/local/controllers/objects.ts';
import { PODS } from '../../../src/local/controllers/resources.ts';
import { putStatus, watchOf } from '../../../src/local/controllers/work.ts';

export interface Cluster {
  readonly client: ApiClient;
  /** Whether a pod becomes ready; a test may replace it, and `poke` makes the nodes look again. */
  becomesReady: (pod: Pod) => boolean;
  /** The phase that a started pod ends up in. */
  phaseOf: (pod: Pod) => 'Running' | 'Succeeded' | 'Failed';
  poke(): void;
}

/** The embedded API server with all controllers and a node that runs nothing: pods become ready at once. */
export async function startCluster(t: TestContext): Promise<Cluster> {
  const { client } = await createApiServer({});
  const stop = new AbortController();
  const listeners = new Set<() => void>();
  const cluster: Cluster = {
    client,
    becomesReady: () => true,
    phaseOf: () => 'Running',
    poke: () => listeners.forEach((listener) => listener()),
  };
  const base = { clock: systemClock, random: seeded(1), log: silentLog };
  const controllers = createControllers({ client, ...base, caCertificate: 'PEM' });
  const poked = {
    subscribe(listener: () => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const node = {
    name: 'node',
    watches: [watchOf(client, PODS), poked],
    async reconcile() {
      for (const pod of client.list(PODS) as readonly Pod[]) await play(pod, cluster);
    },
  };
  const running = Promise.all([
    runControllers(controllers, base, stop.signal),
    runReconciler(node, { ...base, minBackoffMs: 5, maxBackoffMs: 20 }, stop.signal),
  ]);
  t.after(async () => {
    stop.abort();
    await running;
  });
  return cluster;
}

async function play(pod: Pod, { client, becomesReady, phaseOf }: Cluster): Promise<void> {
  const { namespace = '', name, uid = '' } = pod.metadata;
  if (pod.metadata.deletionTimestamp !== undefined) {
    return client.delete(PODS, namespace, name, { uid, gracePeriodSeconds: 0 });
  }
  let current: ApiObject = pod;
  if (pod.spec.nodeName === undefined) {
    current = await client.update(PODS, { ...pod, spec: { ...pod.spec, nodeName: 'local' } });
  }
  const phase = phaseOf(pod);
  const ready = phase === 'Running' && becomesReady(pod) ? 'True' : 'False';
  const old = pod.status?.conditions?.find((c) => c.type === 'Ready');
  const lastTransitionTime =
    old?.status === ready ? (old.lastTransitionTime ?? '') : new Date().toISOString().replace(/\.\d+/, '');
  const octets = Number.parseInt(uid.slice(0, 4), 16);
  const ip = `10.1.${octets >> 8}.${octets & 255}`;
  await putStatus(client, PODS, current, {
    ...pod.status,
    phase,
    podIP: ip,
    podIPs: [{ ip }],
    conditions: [{ type: 'Ready', status: ready, lastTransitionTime }],
  });
}

/** Waits until `look` stops throwing, for at most ten seconds, and gives back what it returned. */
export async function eventually<T>(look: () => T): Promise<T> {
  for (let i = 0; ; i++) {
    try {
      return look();
    } catch (error) {
      if (i >= 1000) throw error;
      await pause(10);
    }
  }
}

/** Whether `look` holds for a while: for what must not happen. */
export async function steadily(look: () => void, ms = 100): Promise<void> {
  for (let i = 0; i < ms; i += 10) {
    look();
    await pause(10);
  }
}

export function mustGet<T extends ApiObject>(
  client: ApiClient,
  resource: ResourceName,
  namespace: string,
  name: string,
): T {
  const object = client.get(resource, namespace, name);
  assert.ok(object, `${resource.resource} ${namespace}/${name} is missing`);
  return object as T;
}

export function deployment(name: string, replicas: number, version = 'v1', spec: object = {}): ApiObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name, version } },
        spec: { containers: [{ name: 'main', image: 'none', command: ['sleep', '1000'] }] },
      },
      ...spec,
    },
  };
}

export function service(name: string, spec: object): ApiObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec: spec };
}

export function pod(name: string, labels: Record<string, string>, spec: object = {}): ApiObject {
  const containers = [{ name: 'main', image: 'none' }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels },
    spec: { containers, ...spec },
  };
}
