import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { silentLog } from '../../src/base/log.ts';
import type { KubernetesApi } from '../../src/kubernetes/api.ts';
import { kubernetesClient } from '../../src/kubernetes/client.ts';
import { runController } from '../../src/main/controller.ts';
import { loadCrds } from '../../src/spec/crds.ts';
import { trafficSplit } from '../spec/objects.ts';
import { smiApiSteps } from './smi-api-steps.ts';

const kubeconfig = process.env.WEFT_TEST_KUBECONFIG;
/** An endpoint of a Service cannot lie on loopback. */
const ownAddress = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address;
const skip =
  kubeconfig === undefined
    ? 'set WEFT_TEST_KUBECONFIG to a disposable cluster, and run this where its API server reaches addresses of this machine'
    : ownAddress === undefined && 'this machine has no address but loopback';

const NAMESPACE = 'weft-system';
const SERVICE = 'weft-webhooks';

test('weft controller on a real cluster: the API server reaches its webhooks by a Service', { skip }, async (t) => {
  const client = await kubernetesClient({ kubeconfigPath: kubeconfig ?? '' });
  const { api } = client;
  const ending = new AbortController();
  const { signal } = ending;
  const namespace = `webhook-service-${process.pid}`;
  const port = await freePort();
  await createNamespace(api, NAMESPACE, signal);
  await createNamespace(api, namespace, signal);
  await createService(api, ownAddress ?? '', port, signal);
  const stop = new AbortController();
  const running = runController(
    {
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      listen: { host: '127.0.0.1', port: 0 },
      admin: { host: '127.0.0.1', port: 0 },
      webhookListen: { host: ownAddress ?? '', port },
      webhookService: SERVICE,
      namespace: NAMESPACE,
      trustDomain: 'cluster.local',
      clusterDomain: 'cluster.local',
      policy: 'permissive',
    },
    silentLog,
    () => undefined,
    stop.signal,
  );
  running.catch(() => undefined); // it is awaited below
  t.after(async () => {
    stop.abort();
    for (const name of [namespace, NAMESPACE]) {
      await api.call({ method: 'DELETE', path: `/api/v1/namespaces/${name}` }, signal).catch(() => undefined);
    }
    ending.abort();
    client.close();
    await running;
  });

  await t.test('CRDs and the admission webhook name the Service, and nothing else', async () => {
    const service = { namespace: NAMESPACE, name: SERVICE, port: 443 };
    for (const { metadata, spec } of loadCrds()) {
      if (spec.versions.length === 1) continue;
      const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${metadata.name}`;
      const configured = await eventually(async () => {
        const { conversion } = ((await api.call({ method: 'GET', path }, signal)) as { spec: Conversion }).spec;
        assert.deepEqual(conversion.webhook?.clientConfig.service, { ...service, path: '/convert' });
        return conversion.webhook?.clientConfig;
      });
      assert.equal(configured?.url, undefined);
    }
    const path = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/weft';
    await eventually(async () => {
      const { webhooks } = (await api.call({ method: 'GET', path }, signal)) as Validation;
      const configs = webhooks.map(({ clientConfig }) => [clientConfig.service, clientConfig.url]);
      assert.deepEqual(configs, [[{ ...service, path: '/validate' }, undefined]]);
    });
  });
  // CRDs that were just changed are served by the new definition a moment later
  await pause(2_000);
  for (const [name, step] of Object.entries(smiApiSteps(api, namespace, signal))) await t.test(name, step);

  await t.test('the controller writes the status of objects that came in as an older version', async () => {
    const split = trafficSplit({ service: 'web', backends: [{ service: 'web-v1', weight: '1' }] });
    const at = `/apis/split.smi-spec.io/v1alpha1/namespaces/${namespace}/trafficsplits`;
    const body = { ...split, apiVersion: 'split.smi-spec.io/v1alpha1', metadata: { name: 'told', namespace } };
    await api.call({ method: 'POST', path: at, body }, signal);
    await eventually(async () => {
      const { status } = (await api.call({ method: 'GET', path: `${at}/told` }, signal)) as Told;
      const found = status?.conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`).sort();
      assert.deepEqual(found, ['Accepted=True Accepted', 'Conflicted=False NoConflict', 'Programmed=False NoSidecars', 'ResolvedRefs=False SMI1202']); // prettier-ignore
    });
  });
});

interface ClientConfig {
  readonly url?: string;
  readonly service?: unknown;
}
interface Conversion {
  readonly conversion: { readonly webhook?: { readonly clientConfig: ClientConfig } };
}
interface Validation {
  readonly webhooks: readonly { readonly clientConfig: ClientConfig }[];
}
interface Told {
  readonly status?: {
    readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
  };
}

async function createNamespace(api: KubernetesApi, name: string, signal: AbortSignal): Promise<void> {
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
  await eventually(() => api.call({ method: 'POST', path: '/api/v1/namespaces', body }, signal));
}

/** A Service without a selector, whose one endpoint is this process. */
async function createService(api: KubernetesApi, address: string, port: number, signal: AbortSignal): Promise<void> {
  const at = `/api/v1/namespaces/${NAMESPACE}/services`;
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: SERVICE },
    spec: { ports: [{ name: 'https', port: 443, targetPort: port }] },
  };
  await api.call({ method: 'POST', path: at, body: service }, signal);
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: SERVICE, labels: { 'kubernetes.io/service-name': SERVICE } },
    addressType: 'IPv4',
    ports: [{ name: 'https', port, protocol: 'TCP' }],
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
  };
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`;
  await api.call({ method: 'POST', path: slices, body: slice }, signal);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, ownAddress);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Tries until it does not throw, for a minute. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  const end = Date.now() + 60_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await pause(200);
    }
  }
}
