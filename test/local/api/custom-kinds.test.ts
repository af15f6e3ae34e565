import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CRDS, gadget, gadgetCrd, GADGETS, serve } from './serve.ts';

const SPEC = {
  type: 'object',
  required: ['size'],
  properties: {
    size: { type: 'integer', minimum: 1 },
    color: { type: 'string', enum: ['red', 'green'], default: 'red' },
    nested: { type: 'object', default: {}, properties: { depth: { type: 'integer', default: 3 } } },
    any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    port: { 'x-kubernetes-int-or-string': true },
    names: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
  },
};

test('custom kind: unknown fields are dropped, kept or refused as schema and client say', async (t) => {
  const { call } = await serve(t);
  await call('POST', CRDS, { body: gadgetCrd(SPEC) });
  const odd = { size: 1, shape: 'round', any: { thing: 1 } };
  const warned = await call('POST', GADGETS, { body: gadget('a', odd) });
  assert.equal(warned.code, 201);
  assert.match(String(warned.headers['warning']), /299 - "unknown field \\"spec.shape\\""/);
  assert.deepEqual(warned.body['spec'], { size: 1, any: { thing: 1 }, color: 'red', nested: { depth: 3 } });
  const ignored = await call('POST', `${GADGETS}?fieldValidation=Ignore`, { body: gadget('b', odd) });
  assert.equal(ignored.headers['warning'], undefined);
  const strict = await call('POST', `${GADGETS}?fieldValidation=Strict`, { body: gadget('c', odd) });
  assert.equal(strict.code, 400);
  assert.match(strict.text, /strict decoding error: unknown field \\"spec.shape\\"/);
});

test('custom kind: an object that breaks its schema is 422 with one cause per field', async (t) => {
  const { call } = await serve(t);
  await call('POST', CRDS, { body: gadgetCrd(SPEC) });
  const bad = await call('POST', GADGETS, {
    body: gadget('a', { size: 0, color: 'blue', port: true, names: ['x', 'x'] }),
  });
  assert.equal(bad.code, 422);
  const causes = bad.body['details']?.['causes'] as unknown as { field: string; reason: string }[];
  assert.deepEqual(causes.map(({ field, reason }) => `${field} ${reason}`).sort(), [
    'spec.color FieldValueNotSupported',
    'spec.names[1] FieldValueDuplicate',
    'spec.port FieldValueTypeInvalid',
    'spec.size FieldValueInvalid',
  ]);
});

test('custom kind: what an object had before its schema was made narrower stays until it is touched', async (t) => {
  const { call } = await serve(t);
  const items = { type: 'object', properties: { name: { type: 'string' }, size: { type: 'integer' } } };
  const parts = { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'], items };
  const wide = { type: 'object', properties: { size: {}, list: { type: 'array', items: {} }, parts } };
  const odd = { size: 'big', list: ['x', 1], parts: [{ name: 'a', size: -1 }, { name: 'b' }] };
  for (const schema of [wide.properties.size, wide.properties.list.items]) {
    Object.assign(schema, { 'x-kubernetes-preserve-unknown-fields': true });
  }
  await call('POST', CRDS, { body: gadgetCrd(wide) });
  await call('POST', GADGETS, { body: gadget('a', odd) });
  const narrow = structuredClone({ ...wide, required: ['size', 'color'] });
  Object.assign(narrow.properties, { size: { type: 'integer' }, list: { type: 'array', items: { type: 'string' } } });
  Object.assign(narrow.properties.parts.items.properties.size, { minimum: 0 });
  const crd = `${CRDS}/gadgets.test.weft.dev`;
  const resourceVersion = (await call('GET', crd)).body['metadata']?.['resourceVersion'];
  const next = gadgetCrd(narrow);
  const put = await call('PUT', crd, { body: { ...next, metadata: { ...next.metadata, resourceVersion } } });
  assert.equal(put.code, 200, put.text);
  const merge = (path: string, body: object) =>
    call('PATCH', `${GADGETS}/a${path}`, { body, type: 'application/merge-patch+json' });
  const status = await merge('/status', { status: { ready: true } });
  assert.deepEqual([status.code, status.body['status']], [200, { ready: true }]);
  assert.equal((await merge('', { metadata: { labels: { a: 'b' } } })).code, 200);
  const causes = async (spec: object) => {
    const { code, body } = await merge('', { spec });
    assert.equal(code, 422, JSON.stringify(spec));
    return (body['details']?.['causes'] as unknown as { field: string }[]).map(({ field }) => field);
  };
  assert.deepEqual(
    await causes({ parts: [{ name: 'b' }, { name: 'a', size: -1 }] }),
    ['spec.color'],
    'unchanged members',
  );
  assert.deepEqual(await causes({ parts: [{ name: 'a', size: -2 }] }), ['spec.color', 'spec.parts[0].size']);
  assert.deepEqual(
    await causes({ list: ['x', 1, 'y'] }),
    ['spec.color', 'spec.list[1]'],
    'no keys, nothing to compare',
  );
  const created = await call('POST', GADGETS, { body: gadget('b', odd) });
  assert.equal(created.code, 422, 'what is new is judged as a whole');
});

test('custom kind: spec counts generations, status has its own door', async (t) => {
  const { call } = await serve(t);
  await call('POST', CRDS, { body: gadgetCrd(SPEC) });
  await call('POST', GADGETS, { body: { ...gadget('a', { size: 1 }), status: { ready: true } } });
  const merge = (path: string, body: object) =>
    call('PATCH', `${GADGETS}/a${path}`, { body, type: 'application/merge-patch+json' });
  const made = (await call('GET', `${GADGETS}/a`)).body;
  assert.equal(made['status'], undefined, 'a status that is sent on creation is dropped');
  assert.equal((await merge('', { status: { ready: true }, spec: { size: 2 } })).body['status'], undefined);
  const status = (
    await merge('/status', { status: { ready: true }, spec: { size: 9 }, metadata: { labels: { a: 'b' } } })
  ).body;
  assert.deepEqual(
    [status['status'], status['spec']?.['size'], status['metadata']?.['labels']],
    [{ ready: true }, 2, undefined],
  );
  assert.equal(Number(status['metadata']?.['generation']), 2);
});

test('custom kind: columns come from the CRD, with JSONPath', async (t) => {
  const { call } = await serve(t);
  const additionalPrinterColumns = [
    { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
    { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    { name: 'Names', type: 'string', jsonPath: '.spec.names[*]', priority: 1 },
  ];
  await call('POST', CRDS, { body: gadgetCrd(SPEC, { additionalPrinterColumns }) });
  await call('POST', GADGETS, { body: gadget('a', { size: 4, names: ['x', 'y'] }) });
  const conditions = [
    { type: 'Other', status: 'False' },
    { type: 'Ready', status: 'True' },
  ];
  await call('PATCH', `${GADGETS}/a/status`, {
    body: { status: { conditions } },
    type: 'application/merge-patch+json',
  });
  const table = (
    await call('GET', GADGETS, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' })
  ).body;
  assert.deepEqual(table['rows']?.[0]?.['cells'], ['a', 4, 'True', 'x,y']);
  assert.equal(String(table['rows']?.[0]?.['object']?.['kind']), 'PartialObjectMetadata');
});

test('custom kind: deleting the CRD deletes its objects first, finalizers included', async (t) => {
  const { call } = await serve(t);
  await call('POST', CRDS, { body: gadgetCrd(SPEC) });
  const held = gadget('a', { size: 1 });
  await call('POST', GADGETS, { body: { ...held, metadata: { ...held.metadata, finalizers: ['test.dev/hold'] } } });
  await call('POST', GADGETS, { body: gadget('b', { size: 1 }) });
  await call('DELETE', `${CRDS}/gadgets.test.weft.dev`);
  const left = (await call('GET', GADGETS)).body['items'] as unknown as { metadata: { name: string } }[];
  assert.deepEqual(
    left.map((o) => o.metadata.name),
    ['a'],
  );
  await call('PATCH', `${GADGETS}/a`, { body: { metadata: { finalizers: [] } }, type: 'application/merge-patch+json' });
  await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 50 && (await call('GET', GADGETS)).code !== 404; i++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal((await call('GET', GADGETS)).code, 404);
  assert.equal((await call('GET', `${CRDS}/gadgets.test.weft.dev`)).code, 404);
});

test('custom kind: a CRD that is not structural or misnamed is refused with the places', async (t) => {
  const { call } = await serve(t);
  const bad = gadgetCrd({ type: 'object', properties: { x: { description: 'no type' } } }, {}, { scope: 'Everywhere' });
  const answer = await call('POST', CRDS, { body: { ...bad, metadata: { name: 'wrong' } } });
  assert.equal(answer.code, 422);
  const fields = (answer.body['details']?.['causes'] as unknown as { field: string }[]).map((c) => c.field);
  assert.ok(fields.includes('metadata.name') && fields.includes('spec.scope'), fields.join());
  assert.ok(
    fields.some((f) => f.endsWith('properties[spec].properties[x].type')),
    fields.join(),
  );
});

test('custom kind: discovery, OpenAPI and versions follow the CRD', async (t) => {
  const { call } = await serve(t);
  const base = gadgetCrd(SPEC).spec.versions[0];
  const old = { ...base, name: 'v1beta1', storage: false, deprecated: true };
  await call('POST', CRDS, { body: gadgetCrd(SPEC, {}, { versions: [old, base] }) });
  const group = (await call('GET', '/apis/test.weft.dev')).body;
  assert.equal(String(group['preferredVersion']?.['version']), 'v1');
  const paths = (await call('GET', '/openapi/v3')).body['paths'];
  assert.ok(paths?.['apis/test.weft.dev/v1'] !== undefined);
  const made = await call('POST', GADGETS.replace('/v1/', '/v1beta1/'), {
    body: gadget('a', { size: 1 }, 'test.weft.dev/v1beta1'),
  });
  assert.match(String(made.headers['warning']), /test.weft.dev\/v1beta1 Gadget is deprecated/);
  assert.equal(String((await call('GET', `${GADGETS}/a`)).body['apiVersion']), 'test.weft.dev/v1');
});
