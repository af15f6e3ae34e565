import assert from 'node:assert/strict';
import { request } from 'node:https';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { systemClock } from '../../src/base/clock.ts';
import { serverCertificate } from '../../src/identity/server-certificate.ts';
import { type KubernetesClient, kubernetesClient } from '../../src/kubernetes/client.ts';
import { createApiServer } from '../../src/local/api/server.ts';
import { smiApiSteps } from '../cluster/smi-api-steps.ts';
import { webhooksFor } from '../cluster/webhooks.ts';
import { split } from '../spec/objects.ts';

// The embedded API server with Weft's webhooks, over TLS, as in `weft local`. test/cluster/smi-api.test.ts does the same
// with a real one.

const ending = new AbortController();
const { signal } = ending;
const { ca, certificate, privateKey } = serverCertificate({ clock: systemClock, hosts: ['127.0.0.1'] });
const apiServer = await createApiServer({ tls: { ca, certificate, privateKey } });
let running: Promise<unknown>;
let client: KubernetesClient;
let webhooks: Awaited<ReturnType<typeof webhooksFor>>;

before(async () => {
  await apiServer.listen({ host: '127.0.0.1', port: 0 });
  running = apiServer.run(signal);
  client = await kubernetesClient({ kubeconfigText: apiServer.kubeconfig() });
  webhooks = await webhooksFor(client.api, signal);
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } };
  await client.api.call({ method: 'POST', path: '/api/v1/namespaces', body }, signal);
});

after(async () => {
  await webhooks.server.close();
  client.close();
  ending.abort(new Error('the test is over'));
  await running;
});

const names = Object.keys(smiApiSteps({} as KubernetesClient['api'], '', signal)) as (keyof ReturnType<typeof smiApiSteps>)[]; // prettier-ignore
for (const name of names) {
  test(`webhooks: ${name}`, () => smiApiSteps(client.api, 'shop', signal)[name]());
}

test('webhooks: registering again changes nothing', async () => {
  const paths = [
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
  ];
  const look = () => Promise.all(paths.map((path) => client.api.call({ method: 'GET', path }, signal)));
  const was = await look();
  await webhooks.register();
  assert.deepEqual(await look(), was);
});

test('webhooks: objects that another mesh stored in the oldest version are read in every one (smi.md check 20)', async (t) => {
  const old = await createApiServer({ tls: { ca, certificate, privateKey } });
  await old.listen({ host: '127.0.0.1', port: 0 });
  const stop = new AbortController();
  const ended = old.run(stop.signal);
  const { api, close } = await kubernetesClient({ kubeconfigText: old.kubeconfig() });
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  const names = { kind: 'TrafficSplit', plural: 'trafficsplits' };
  const versions = [{ name: 'v1alpha1', served: true, storage: true, schema }];
  const crd = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'trafficsplits.split.smi-spec.io' },
    spec: { group: 'split.smi-spec.io', scope: 'Namespaced', names, versions },
  };
  await api.call({ method: 'POST', path: crds, body: crd }, stop.signal);
  const path = (version: string) => `/apis/split.smi-spec.io/${version}/namespaces/default/trafficsplits`;
  const object = { ...split('1', '500m'), apiVersion: 'split.smi-spec.io/v1alpha1', metadata: { name: 'old' } };
  await api.call({ method: 'POST', path: path('v1alpha1'), body: object }, stop.signal);
  const { server } = await webhooksFor(api, stop.signal);
  t.after(async () => {
    await server.close();
    close();
    stop.abort(new Error('the test is over'));
    await ended;
  });
  for (const [version, weights] of [
    ['v1alpha1', ['1', '500m']],
    ['v1alpha2', [1000, 500]],
    ['v1alpha4', [1000, 500]],
  ] as const) {
    const seen = (await api.call({ method: 'GET', path: `${path(version)}/old` }, stop.signal)) as Record<
      string,
      unknown
    >;
    const { backends } = seen['spec'] as { backends: { weight: unknown }[] };
    assert.deepEqual(
      [seen.apiVersion, backends.map(({ weight }) => weight)],
      [`split.smi-spec.io/${version}`, weights],
    );
  }
});

test('webhooks: another root reaches every registration, and calls go on', async () => {
  const other = serverCertificate({ clock: systemClock, hosts: ['127.0.0.1'] }).ca;
  await webhooks.register([webhooks.ca, other]);
  const bundle = Buffer.from([webhooks.ca, other].join('\n')).toString('base64');
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const configurations = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
  const { spec } = (await client.api.call(
    { method: 'GET', path: `${crds}/trafficsplits.split.smi-spec.io` },
    signal,
  )) as {
    spec: { conversion: { webhook: { clientConfig: { caBundle: string } } } };
  };
  const { webhooks: hooks } = (await client.api.call({ method: 'GET', path: `${configurations}/weft` }, signal)) as {
    webhooks: { clientConfig: { caBundle: string }; failurePolicy: string }[];
  };
  assert.deepEqual([spec.conversion.webhook.clientConfig.caBundle, hooks[0]?.clientConfig.caBundle], [bundle, bundle]);
  assert.equal(hooks[0]?.failurePolicy, 'Ignore');
  const path = '/apis/split.smi-spec.io/v1alpha1/namespaces/shop/trafficsplits';
  const object = { ...split('500m'), apiVersion: 'split.smi-spec.io/v1alpha1', metadata: { name: 'rotated' } };
  await client.api.call({ method: 'POST', path, body: object }, signal);
});

function post(path: string, body: string | Buffer, headers: Record<string, string | number> = {}) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const options = { host: '127.0.0.1', port: webhooks.port, ca: webhooks.ca, path, method: 'POST', headers };
    const outgoing = request({ ...options, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

test('webhook server: answers reviews, and says what is wrong with other requests', async () => {
  const review = JSON.stringify({ request: { uid: 'u', operation: 'CREATE', object: split(1), oldObject: null } });
  const answer = await post('/validate?timeout=5s', review);
  assert.equal(answer.status, 200);
  assert.deepEqual((JSON.parse(answer.body) as Record<string, unknown>)['response'], { uid: 'u', allowed: true });
  assert.equal((await post('/validate', 'no JSON')).status, 400);
  assert.equal((await post('/else', '{}')).status, 404);
});

test('webhook server: inflates nothing', async () => {
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 0x20));
  const answer = await post('/validate', bomb, { 'content-encoding': 'gzip', 'content-length': bomb.length });
  assert.deepEqual([answer.status, answer.body], [415, '{"error":"send the body without Content-Encoding"}']);
});

test('webhook server: takes 3 MiB for an admission and no more, whether or not the length is said', async () => {
  const much = Buffer.alloc(3 * 1024 * 1024 + 1, 0x20);
  const refused = await post('/validate', much, { 'content-length': much.length }).catch((error: unknown) => error);
  // the server answers before it has read everything, which a client may see as a reset
  if (!(refused instanceof Error)) assert.equal((refused as { status: number }).status, 413);
  await assert.rejects(post('/validate', much, { 'transfer-encoding': 'chunked' }));
  assert.equal((await post('/convert', much, { 'content-length': much.length })).status, 400);
});
