import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extension } from './extension.ts';
import { type Body, CONFIG_MAPS, configMap, CRDS, gadget, gadgetCrd, GADGETS, serve } from './serve.ts';

const HOOKS = '/apis/admissionregistration.k8s.io/v1';

function hook(clientConfig: object, more: object = {}) {
  return {
    name: 'hook.test.weft.dev',
    clientConfig,
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    timeoutSeconds: 1,
    rules: [{ operations: ['CREATE', 'DELETE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
    ...more,
  };
}

function configuration(kind: 'Mutating' | 'Validating', webhook: object) {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: `${kind}WebhookConfiguration`,
    metadata: { name: 'hook' },
    webhooks: [webhook],
  };
}

function review(request: Body, response: object) {
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    response: { uid: request['request']?.['uid'], ...response },
  };
}

test('webhooks: a mutating one changes the object, and its warnings reach the client', async (t) => {
  const { call } = await serve(t);
  const patch = Buffer.from(JSON.stringify([{ op: 'add', path: '/data/added', value: 'yes' }])).toString('base64');
  const { url, caBundle } = await extension(t, (body) =>
    review(body, { allowed: true, patchType: 'JSONPatch', patch, warnings: ['careful'] }),
  );
  await call('POST', `${HOOKS}/mutatingwebhookconfigurations`, {
    body: configuration('Mutating', hook({ url, caBundle })),
  });
  const made = await call('POST', CONFIG_MAPS, { body: configMap('a', { x: '1' }) });
  assert.deepEqual(made.body['data'], { added: 'yes', x: '1' });
  assert.match(String(made.headers['warning']), /careful/);
});

test('webhooks: a validating one sees who asks for what, and can refuse creation and deletion', async (t) => {
  const { call } = await serve(t);
  const seen: string[] = [];
  const { url, caBundle } = await extension(t, (body) => {
    const request = body['request'];
    seen.push(
      `${String(request?.['operation'])} ${String(request?.['name'])} ${String(request?.['userInfo']?.['username'])}`,
    );
    const object = request?.['object'] as unknown;
    return review(body, {
      allowed: object !== null && String(request?.['name']) !== 'bad',
      status: { message: 'not today' },
    });
  });
  await call('POST', `${HOOKS}/validatingwebhookconfigurations`, {
    body: configuration('Validating', hook({ url, caBundle })),
  });
  assert.equal((await call('POST', CONFIG_MAPS, { body: configMap('good') })).code, 201);
  const refused = await call('POST', CONFIG_MAPS, { body: configMap('bad') });
  assert.equal(refused.code, 403);
  assert.match(refused.text, /admission webhook \\"hook.test.weft.dev\\" denied the request: not today/);
  assert.equal((await call('DELETE', `${CONFIG_MAPS}/good`)).code, 403);
  assert.deepEqual(seen, ['CREATE good admin', 'CREATE bad admin', 'DELETE good admin']);
});

test('webhooks: one that does not answer fails the request or is passed over, as its failurePolicy says', async (t) => {
  const { call } = await serve(t);
  const { url, caBundle } = await extension(t, () => undefined);
  const configured = configuration('Validating', hook({ url, caBundle }));
  await call('POST', `${HOOKS}/validatingwebhookconfigurations`, { body: configured });
  const failed = await call('POST', CONFIG_MAPS, { body: configMap('a') });
  assert.equal(failed.code, 500);
  assert.match(failed.text, /failed calling webhook .*context deadline exceeded/);
  const ignoring = configuration('Validating', hook({ url, caBundle }, { failurePolicy: 'Ignore' }));
  await call('PUT', `${HOOKS}/validatingwebhookconfigurations/hook`, { body: ignoring });
  assert.equal((await call('POST', CONFIG_MAPS, { body: configMap('a') })).code, 201);
});

test('webhooks: selectors and rules say which objects concern it', async (t) => {
  const { call } = await serve(t);
  const { url, caBundle } = await extension(t, (body) => review(body, { allowed: false }));
  const selective = hook({ url, caBundle }, { objectSelector: { matchLabels: { watched: 'yes' } } });
  await call('POST', `${HOOKS}/validatingwebhookconfigurations`, { body: configuration('Validating', selective) });
  assert.equal((await call('POST', CONFIG_MAPS, { body: configMap('a') })).code, 201);
  assert.equal((await call('POST', CONFIG_MAPS, { body: configMap('b', {}, { watched: 'yes' }) })).code, 403);
  const secret = { ...configMap('c', {}, { watched: 'yes' }), kind: 'Secret' };
  assert.equal((await call('POST', '/api/v1/namespaces/default/secrets', { body: secret })).code, 201);
});

test('webhooks: a server whose certificate another authority signed is not believed', async (t) => {
  const { call } = await serve(t);
  const { url } = await extension(t, (body) => review(body, { allowed: true }));
  const { caBundle } = await extension(t, () => ({}));
  await call('POST', `${HOOKS}/validatingwebhookconfigurations`, {
    body: configuration('Validating', hook({ url, caBundle })),
  });
  assert.equal((await call('POST', CONFIG_MAPS, { body: configMap('a') })).code, 500);
});

test('conversion: a webhook converts between versions on reads, lists and writes', async (t) => {
  const { call } = await serve(t);
  const { url, caBundle } = await extension(t, (body) => {
    const { uid, desiredAPIVersion, objects } = body['request'] as unknown as {
      uid: string;
      desiredAPIVersion: string;
      objects: { spec: Record<string, unknown> }[];
    };
    const convertedObjects = objects.map(({ spec, ...object }) => {
      const size = spec['size'] ?? spec['length'];
      return {
        ...object,
        apiVersion: desiredAPIVersion,
        spec: desiredAPIVersion.endsWith('v2') ? { length: size } : { size },
      };
    });
    return {
      kind: 'ConversionReview',
      apiVersion: 'apiextensions.k8s.io/v1',
      response: { uid, result: { status: 'Success' }, convertedObjects },
    };
  });
  const integer = (name: string) => ({ type: 'object', properties: { [name]: { type: 'integer' } } });
  const v1 = gadgetCrd(integer('size')).spec.versions[0];
  const v2 = { ...gadgetCrd(integer('length')).spec.versions[0], name: 'v2', storage: false };
  const conversion = {
    strategy: 'Webhook',
    webhook: { clientConfig: { url, caBundle }, conversionReviewVersions: ['v1'] },
  };
  await call('POST', CRDS, { body: gadgetCrd({}, {}, { versions: [v1, v2], conversion }) });
  const second = GADGETS.replace('/v1/', '/v2/');
  await call('POST', GADGETS, { body: gadget('a', { size: 3 }) });
  assert.deepEqual((await call('GET', `${second}/a`)).body['spec'], { length: 3 });
  await call('POST', second, { body: gadget('b', { length: 5 }, 'test.weft.dev/v2') });
  assert.deepEqual((await call('GET', `${GADGETS}/b`)).body['spec'], { size: 5 });
  const items = (await call('GET', second)).body['items'] as unknown as { spec: object }[];
  assert.deepEqual(
    items.map((o) => o.spec),
    [{ length: 3 }, { length: 5 }],
  );
});

test('aggregation: a group that an APIService sends elsewhere is served from there, with the name of who asks', async (t) => {
  const headers: Record<string, unknown>[] = [];
  const resources = [
    { name: 'readings', singularName: 'reading', namespaced: true, kind: 'Reading', verbs: ['get', 'list'] },
  ];
  const { port, caBundle } = await extension(
    t,
    (_body, request) => {
      headers.push(request.headers);
      return request.url === '/apis/metrics.test.weft.dev/v1'
        ? { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: 'metrics.test.weft.dev/v1', resources }
        : { kind: 'Reading', path: request.url };
    },
    ['metrics.default.svc'],
  );
  const { call } = await serve(t, { serviceAddress: () => ({ host: '127.0.0.1', port }) });
  const spec = {
    group: 'metrics.test.weft.dev',
    version: 'v1',
    groupPriorityMinimum: 100,
    versionPriority: 10,
    caBundle,
    service: { namespace: 'default', name: 'metrics' },
  };
  const services = '/apis/apiregistration.k8s.io/v1/apiservices';
  const apiService = {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: 'v1.metrics.test.weft.dev' },
    spec,
  };
  assert.equal((await call('POST', services, { body: apiService })).code, 201);
  const forged = { 'x-remote-user': 'root', 'x-remote-group': 'system:masters', 'x-remote-extra-scopes': 'all' };
  const answer = await call('GET', '/apis/metrics.test.weft.dev/v1/namespaces/default/readings?limit=1', {
    headers: forged,
  });
  assert.equal(String(answer.body['path']), '/apis/metrics.test.weft.dev/v1/namespaces/default/readings?limit=1');
  assert.equal(headers.at(-1)?.['x-remote-user'], 'admin', 'what a client claims about itself is not handed on');
  assert.equal(headers.at(-1)?.['x-remote-extra-scopes'], undefined);
  assert.equal(headers.at(-1)?.['authorization'], undefined);
  for (let i = 0; i < 200; i++) {
    const { body } = await call('GET', `${services}/v1.metrics.test.weft.dev`);
    if (body['status']?.['conditions']?.[0]?.['status'] !== undefined) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const discovered = (
    await call('GET', '/apis', { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' })
  ).text;
  assert.match(discovered, /"resource":"readings"/);
});
