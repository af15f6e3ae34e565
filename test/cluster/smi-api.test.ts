import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kubernetesClient } from '../../src/kubernetes/client.ts';
import { type KubernetesApi, MERGE_PATCH } from '../../src/kubernetes/api.ts';
import { isConflict, isInvalid, isNotFound } from '../../src/kubernetes/error.ts';
import { split } from '../spec/objects.ts';
import { smiApiSteps } from './smi-api-steps.ts';
import { webhooksFor } from './webhooks.ts';

const kubeconfigPath = process.env.WEFT_TEST_KUBECONFIG;
const skip =
  kubeconfigPath === undefined &&
  'set WEFT_TEST_KUBECONFIG to a disposable cluster, and run this where its API server runs: it has to reach 127.0.0.1';

test('SMI API on a real API server: CRDs, conversion and admission', { skip }, async (t) => {
  const client = await kubernetesClient({ kubeconfigPath: kubeconfigPath ?? '' });
  const ending = new AbortController();
  const { signal } = ending;
  const namespace = `smi-api-${process.pid}`;
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
  await client.api.call({ method: 'POST', path: '/api/v1/namespaces', body }, signal);
  const old = await splitFromBefore(client.api, namespace, signal);
  const webhooks = await webhooksFor(client.api, signal);
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
  await t.test('an object from before that cannot be read takes a status, and keeps what it says', async () => {
    const status = { conditions: [{ ...ACCEPTED, lastTransitionTime: '2026-01-01T00:00:00Z', observedGeneration: 1 }] };
    const request = { method: 'PATCH', path: `${old}/status`, body: { status }, contentType: MERGE_PATCH } as const;
    const stored = (await client.api.call(request, signal)) as { spec: unknown; status: unknown };
    assert.deepEqual(stored.status, status);
    assert.deepEqual(stored.spec, split('90')['spec']);
  });
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

const ACCEPTED = { type: 'Accepted', status: 'False', reason: 'SMI0001', message: 'a weight is a text' };

/** A split with a text for a weight, as a CRD without a schema admits it. Gives back its path. */
async function splitFromBefore(api: KubernetesApi, namespace: string, signal: AbortSignal): Promise<string> {
  await defineWithoutSchema(api, signal);
  const path = `/apis/split.smi-spec.io/v1alpha4/namespaces/${namespace}/trafficsplits`;
  const body = { ...split('90'), metadata: { name: 'from-before' } };
  for (let tries = 1; ; tries++) {
    try {
      await api.call({ method: 'POST', path, body }, signal);
      return `${path}/from-before`;
    } catch (error) {
      // a definition is served a moment after it is stored
      if (!(isNotFound(error) || isInvalid(error)) || tries === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** Stored in v1alpha4 and without a schema: what another mesh, or nobody, checks. */
async function defineWithoutSchema(api: KubernetesApi, signal: AbortSignal): Promise<void> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const name = 'trafficsplits.split.smi-spec.io';
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  const versions = [{ name: 'v1alpha4', served: true, storage: true, schema }];
  const names = { kind: 'TrafficSplit', plural: 'trafficsplits' };
  const crd = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name },
    spec: { group: 'split.smi-spec.io', scope: 'Namespaced', names, versions },
  };
  try {
    await api.call({ method: 'POST', path, body: crd }, signal);
  } catch (error) {
    if (!isConflict(error)) throw error;
    const there = (await api.call({ method: 'GET', path: `${path}/${name}` }, signal)) as CustomResourceDefinition;
    for (const version of there.spec.versions) Object.assign(version, { schema });
    await api.call({ method: 'PUT', path: `${path}/${name}`, body: there }, signal);
  }
}

interface CustomResourceDefinition {
  readonly spec: { readonly versions: object[] };
}
