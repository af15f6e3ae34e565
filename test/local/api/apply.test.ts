import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, type Body, CONFIG_MAPS, configMap, serve, type Served } from './serve.ts';

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';

function deployment(containers: object[], more: object = {}) {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers } },
      ...more,
    },
  };
}

function applyAs({ call }: Served, manager: string, body: object, force = false): Promise<Answer> {
  const path = `${DEPLOYMENTS}/web?fieldManager=${manager}${force ? '&force=true' : ''}`;
  return call('PATCH', path, { body, type: 'application/apply-patch+yaml' });
}

function containersOf(body: Body): { name: string; image?: string; env?: { name: string; value: string }[] }[] {
  return body['spec']?.['template']?.['spec']?.['containers'] as never;
}

test('apply: what a manager no longer sends goes, what others set stays', async (t) => {
  const served = await serve(t);
  const env = [
    { name: 'A', value: '1' },
    { name: 'B', value: '2' },
  ];
  assert.equal((await applyAs(served, 'one', deployment([{ name: 'app', image: 'x', env }]))).code, 201);
  await applyAs(served, 'two', deployment([{ name: 'side', image: 'y' }]));
  const after = await applyAs(served, 'one', deployment([{ name: 'app', image: 'x', env: env.slice(0, 1) }]));
  assert.equal(after.code, 200, after.text);
  assert.deepEqual(
    containersOf(after.body).map((c) => [c.name, c.env]),
    [
      ['app', env.slice(0, 1)],
      ['side', undefined],
    ],
  );
  const gone = await applyAs(served, 'two', deployment([]));
  assert.deepEqual(
    containersOf(gone.body).map((c) => c.name),
    ['app'],
  );
});

test('apply: another manager is a conflict with its causes; force takes the field over', async (t) => {
  const served = await serve(t);
  await applyAs(served, 'one', deployment([{ name: 'app', image: 'x' }], { replicas: 2 }));
  const scaled = { spec: { replicas: 5 } };
  await served.call('PATCH', `${DEPLOYMENTS}/web?fieldManager=scaler`, {
    body: scaled,
    type: 'application/merge-patch+json',
  });
  const refused = await applyAs(served, 'one', deployment([{ name: 'app', image: 'x' }], { replicas: 2 }));
  assert.equal(refused.code, 409);
  assert.deepEqual(refused.body['details']?.['causes'], [
    { reason: 'FieldManagerConflict', message: 'conflict with "scaler" using apps/v1', field: '.spec.replicas' },
  ]);
  const forced = await applyAs(served, 'one', deployment([{ name: 'app', image: 'x' }], { replicas: 2 }), true);
  assert.equal(Number(forced.body['spec']?.['replicas']), 2);
  const managers = forced.body['metadata']?.['managedFields'] as unknown as { manager: string }[];
  assert.deepEqual(
    managers.map((m) => m.manager),
    ['one'],
  );
});

test('apply: the same value is shared without conflict, and outlives one of its owners', async (t) => {
  const served = await serve(t);
  const app = [{ name: 'app', image: 'x' }];
  await applyAs(served, 'one', deployment(app, { replicas: 3 }));
  assert.equal((await applyAs(served, 'two', deployment(app, { replicas: 3 }))).code, 200);
  const { body } = await applyAs(served, 'one', deployment(app));
  assert.equal(Number(body['spec']?.['replicas']), 3);
  assert.equal(
    Number((await applyAs(served, 'two', deployment(app))).body['spec']?.['replicas']),
    1,
    'nobody sends it: the default is back',
  );
});

test('apply: doing it again changes nothing, not even the version', async (t) => {
  const served = await serve(t);
  const first = await applyAs(served, 'one', deployment([{ name: 'app', image: 'x' }]));
  const second = await applyAs(served, 'one', deployment([{ name: 'app', image: 'x' }]));
  assert.equal(second.body['metadata']?.['resourceVersion'], first.body['metadata']?.['resourceVersion']);
});

test('apply: a request without field manager, or with managedFields, is refused', async (t) => {
  const served = await serve(t);
  const body = configMap('a');
  const type = 'application/apply-patch+yaml';
  assert.equal((await served.call('PATCH', `${CONFIG_MAPS}/a`, { body, type })).code, 422);
  const managed = { ...body, metadata: { name: 'a', managedFields: [] } };
  assert.equal((await served.call('PATCH', `${CONFIG_MAPS}/a?fieldManager=x`, { body: managed, type })).code, 400);
});

test('managedFields: plain writes own what they change, others lose it; the list can be cleared', async (t) => {
  const { call } = await serve(t);
  const write = (manager: string, body: object) =>
    call('PATCH', `${CONFIG_MAPS}/a?fieldManager=${manager}`, { body, type: 'application/merge-patch+json' });
  await call('POST', `${CONFIG_MAPS}?fieldManager=maker`, { body: configMap('a', { x: '1', y: '1' }) });
  const { body } = await write('second', { data: { y: '2' } });
  const entries = body['metadata']?.['managedFields'] as unknown as { manager: string; fieldsV1: object }[];
  assert.deepEqual(
    entries.map((e) => [e.manager, e.fieldsV1]),
    [
      ['maker', { 'f:data': { '.': {}, 'f:x': {} } }],
      ['second', { 'f:data': { 'f:y': {} } }],
    ],
  );
  const cleared = await call('PATCH', `${CONFIG_MAPS}/a`, {
    body: [{ op: 'replace', path: '/metadata/managedFields', value: [{}] }],
    type: 'application/json-patch+json',
  });
  assert.equal(cleared.body['metadata']?.['managedFields'], undefined);
});
