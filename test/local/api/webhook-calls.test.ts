import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import type { IncomingMessage } from 'node:http';
import { test, type TestContext } from 'node:test';
import { extension } from './extension.ts';
import { type Body, CONFIG_MAPS, configMap, serve } from './serve.ts';

/** An API server that asks a validating webhook, which must answer, about each ConfigMap that is created. */
async function asking(t: TestContext, onRequest: (request: IncomingMessage, asked: number) => void) {
  const sockets = new Set<Socket>();
  let asked = 0;
  const { url, caBundle } = await extension(t, (body: Body, request) => {
    sockets.add(request.socket);
    onRequest(request, ++asked);
    return request.socket.destroyed
      ? undefined
      : { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid: body['request']?.['uid'], allowed: true } }; // prettier-ignore
  });
  const { call } = await serve(t);
  await call('POST', '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations', {
    body: {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'hook' },
      webhooks: [
        {
          name: 'hook.test.weft.dev',
          clientConfig: { url, caBundle },
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          failurePolicy: 'Fail',
          rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
        },
      ],
    },
  });
  const create = async (name: string) => (await call('POST', CONFIG_MAPS, { body: configMap(name) })).code;
  return { create, asked: () => asked, connections: () => sockets.size };
}

test('webhook calls: one after the other they share a connection', async (t) => {
  const { create, asked, connections } = await asking(t, () => undefined);
  for (const name of ['a', 'b', 'c', 'd']) assert.equal(await create(name), 201);
  assert.deepEqual([asked(), connections()], [4, 1]);
});

test('webhook calls: a burst of them opens a few connections, not one each', async (t) => {
  const { create, asked, connections } = await asking(t, () => undefined);
  const codes = await Promise.all(Array.from({ length: 100 }, (_, i) => create(`burst${i}`)));
  assert.deepEqual(new Set(codes), new Set([201]));
  assert.equal(asked(), 100);
  assert.ok(connections() <= 16, `${connections()} connections`);
});

test('webhook calls: a kept connection that the webhook closes under the question costs nobody a request', async (t) => {
  const used = new Set<Socket>();
  const { create, connections } = await asking(t, ({ socket }) => {
    if (used.has(socket)) socket.destroy();
    used.add(socket);
  });
  for (const name of ['a', 'b', 'c']) assert.equal(await create(name), 201);
  assert.equal(connections(), 3);
});

test('webhook calls: a new connection that the webhook closes is an error, and nobody asks again', async (t) => {
  const { create, asked } = await asking(t, ({ socket }) => void socket.destroy());
  assert.equal(await create('a'), 500);
  assert.equal(asked(), 1);
});
