import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kubernetesClient } from '../../src/kubernetes/client.ts';
import { KubernetesError } from '../../src/kubernetes/error.ts';
import { fail, reply } from './fake-api-server.ts';
import { eventually, setup } from './setup.ts';

test('client: knows server and namespace of its kubeconfig', async (t) => {
  const { client } = await setup(t);
  assert.match(client.server, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(client.namespace, 'weft-system');
});

test('client: a kubeconfig that cannot be read is named', async () => {
  await assert.rejects(
    kubernetesClient({ kubeconfigPath: '/nowhere/kubeconfig' }),
    /\/nowhere\/kubeconfig cannot be read/,
  );
  await assert.rejects(kubernetesClient({ kubeconfigText: '{' }), /the given kubeconfig cannot be read/);
  const empty = 'apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\n';
  await assert.rejects(kubernetesClient({ kubeconfigText: empty }), /names no cluster/);
});

test('client: without a cluster around it, inCluster says what to do instead', async (t) => {
  if (process.env['KUBERNETES_SERVICE_HOST'] !== undefined) return t.skip('runs in a cluster');
  await assert.rejects(
    kubernetesClient({ inCluster: true }),
    /leads to no API server .*: outside of a cluster give a kubeconfig/,
  );
});

test('client: a refusal carries status, reason, message and how long to wait', async (t) => {
  const { server, client, signal } = await setup(t);
  server.intercept = (_, response) => {
    response.setHeader('retry-after', '2');
    fail(response, 429, 'TooManyRequests', 'slow down');
    return true;
  };
  await assert.rejects(client.api.call({ method: 'GET', path: '/version' }, signal), (error: unknown) => {
    assert.ok(error instanceof KubernetesError);
    const { status, reason, message, retryAfterMs } = error;
    assert.deepEqual({ status, reason, message, retryAfterMs }, {
      status: 429,
      reason: 'TooManyRequests',
      message: 'slow down',
      retryAfterMs: 2_000,
    }); // prettier-ignore
    return true;
  });
});

test('client: calls share connections', async (t) => {
  const { server, client, signal } = await setup(t);
  for (let i = 0; i < 20; i += 1) await client.api.call({ method: 'GET', path: '/api/v1/pods' }, signal);
  assert.equal(server.connections, 1);
});

test('client: a kept connection that died while idle is not an error for those who read', async (t) => {
  const { server, client, signal } = await setup(t);
  for (let i = 0; i < 20; i += 1) {
    await client.api.call({ method: 'GET', path: '/api/v1/pods' }, signal);
    const answered = client.api.call({ method: 'GET', path: '/api/v1/pods' }, signal);
    if (i % 2 === 0) server.cut(); // while the request is on its way, or a moment before it is written
    await answered.catch((error: NodeJS.ErrnoException) => assert.match(String(error), /hang up|ECONNRESET|aborted/));
  }
  await client.api.call({ method: 'GET', path: '/api/v1/pods' }, signal);
});

test('client: a call ends with its signal', async (t) => {
  const { server, client } = await setup(t);
  server.intercept = () => true; // never answers
  const ending = new AbortController();
  const call = client.api.call({ method: 'GET', path: '/api/v1/pods' }, ending.signal);
  await eventually(() => server.requests.length === 1);
  ending.abort();
  await assert.rejects(call, { name: 'AbortError' });
});

test('client: a call whose reply stops half-way ends with its signal', async (t) => {
  const { server, client } = await setup(t);
  server.intercept = (_, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('{"items":');
    return true;
  };
  const ending = new AbortController();
  const call = client.api.call({ method: 'GET', path: '/api/v1/pods' }, ending.signal);
  await eventually(() => server.requests.length === 1);
  setTimeout(() => ending.abort(), 20);
  await assert.rejects(call);
});

test('client: a success that is no JSON is an error', async (t) => {
  const { server, client, signal } = await setup(t);
  server.intercept = (_, response) => {
    response.end('<html>');
    return true;
  };
  await assert.rejects(client.api.call({ method: 'GET', path: '/api/v1/pods' }, signal), /not JSON/);
  server.intercept = (_, response) => {
    reply(response, 200, { fine: true });
    return true;
  };
  assert.deepEqual(await client.api.call({ method: 'GET', path: '/api/v1/pods' }, signal), { fine: true });
});
