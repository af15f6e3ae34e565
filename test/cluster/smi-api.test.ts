import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kubernetesClient } from '../../src/kubernetes/client.ts';
import { smiApiSteps } from './smi-api-steps.ts';
import { webhooksFor } from './webhooks.ts';

const kubeconfigPath = process.env.WEFT_TEST_KUBECONFIG;
const skip =
  kubeconfigPath === undefined &&
  'set WEFT_TEST_KUBECONFIG to a cluster without SMI objects, and run this where its API server runs: it has to reach 127.0.0.1';

test('SMI API on a real API server: CRDs, conversion and admission', { skip }, async (t) => {
  const client = kubernetesClient({ kubeconfigPath: kubeconfigPath ?? '' });
  const ending = new AbortController();
  const { signal } = ending;
  const webhooks = await webhooksFor(client.api, signal);
  const namespace = `smi-api-${process.pid}`;
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
  await client.api.call({ method: 'POST', path: '/api/v1/namespaces', body }, signal);
  t.after(async () => {
    await client.api.call({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` }, signal).catch(() => undefined);
    ending.abort();
    client.close();
    await webhooks.server.close();
  });
  // CRDs that were just changed are served by the new definition a moment later
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  for (const [name, step] of Object.entries(smiApiSteps(client.api, namespace, signal))) {
    await t.test(name, step);
  }
  await t.test('registering again writes nothing', async () => {
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const versions = async () => {
      const { items } = (await client.api.call({ method: 'GET', path }, signal)) as {
        items: { metadata: { name: string; resourceVersion: string } }[];
      };
      return items.map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`);
    };
    const before = await versions();
    await webhooks.register();
    assert.deepEqual(await versions(), before);
  });
});
