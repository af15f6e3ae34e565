import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { type Body, CRDS, gadgetCrd, serve } from './serve.ts';

const GNOSTIC = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'; // as kubectl asks, with its `@`

/** A protobuf message as its fields by number; lengths and varints are all that the document uses. */
type Message = ReadonlyMap<number, readonly (Buffer | number)[]>;

function message(bytes: Buffer): Message {
  const fields = new Map<number, (Buffer | number)[]>();
  let at = 0;
  const varint = () => {
    let [value, factor, byte] = [0, 1, 0x80];
    for (; byte >= 0x80; factor *= 128) {
      byte = bytes[at++] ?? assert.fail('a varint goes beyond the end');
      value += (byte & 0x7f) * factor;
    }
    return value;
  };
  while (at < bytes.length) {
    const key = varint();
    const [field, wire] = [key >> 3, key & 7];
    assert.ok(wire === 0 || wire === 2, `wire type ${wire}`);
    const read = () => {
      if (wire === 0) return varint();
      const length = varint();
      assert.ok(at + length <= bytes.length, 'a field goes beyond the end');
      at += length;
      return bytes.subarray(at - length, at);
    };
    fields.set(field, [...(fields.get(field) ?? []), read()]);
  }
  return fields;
}

const many = (m: Message, field: number) => (m.get(field) ?? []).map((v) => message(v as Buffer));
const one = (m: Message, field: number) => many(m, field)[0];
const texts = (m: Message, field: number) => (m.get(field) ?? []).map((v) => (v as Buffer).toString('utf8'));

/** `openapi.v2.Schema` of google/gnostic's openapiv2/OpenAPIv2.proto, as the JSON that it stands for. */
function schema(m: Message): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  const [ref, format, description, required] = [texts(m, 1)[0], texts(m, 2)[0], texts(m, 4)[0], texts(m, 19)];
  if (ref !== undefined) out['$ref'] = ref;
  if (format !== undefined) out['format'] = format;
  if (description !== undefined) out['description'] = description;
  if (required.length > 0) out['required'] = required;
  const additional = one(m, 21); // AdditionalPropertiesItem: schema 1, boolean 2
  if (additional !== undefined) {
    const inner = one(additional, 1);
    out['additionalProperties'] = inner === undefined ? additional.get(2)?.[0] === 1 : schema(inner);
  }
  const [type, items, allOf, properties] = [one(m, 22), one(m, 23), many(m, 24), one(m, 25)];
  if (type !== undefined) out['type'] = texts(type, 1)[0];
  if (items !== undefined) out['items'] = schema(one(items, 1) ?? new Map());
  if (allOf.length > 0) out['allOf'] = allOf.map(schema);
  if (properties !== undefined) out['properties'] = named(properties);
  for (const extension of many(m, 31)) {
    out[texts(extension, 1)[0] ?? ''] = JSON.parse(texts(one(extension, 2) ?? new Map(), 2)[0] ?? 'null');
  }
  return out;
}

/** A list of NamedSchema. */
function named(m: Message): Record<string, unknown> {
  return Object.fromEntries(many(m, 1).map((n) => [texts(n, 1)[0], schema(one(n, 2) ?? new Map())]));
}

const KEPT = [
  '$ref',
  'format',
  'description',
  'required',
  'additionalProperties',
  'type',
  'items',
  'allOf',
  'properties',
];

/** What of a JSON schema is carried over. */
function carried(value: Body): Record<string, unknown> {
  const entries = Object.entries(value).filter(([key]) => KEPT.includes(key) || key.startsWith('x-'));
  return Object.fromEntries(
    entries.map(([key, member]): [string, unknown] => {
      if (key === 'properties')
        return [key, Object.fromEntries(Object.entries(member).map(([name, v]) => [name, carried(v)]))];
      if (key === 'allOf') return [key, (member as unknown as Body[]).map(carried)];
      const nested = key === 'items' || (key === 'additionalProperties' && typeof member === 'object');
      return [key, nested ? carried(member) : member];
    }),
  );
}

test("openapi: gnostic's protobuf says of every definition what the JSON says", async (t) => {
  const { call } = await serve(t);
  const json = (await call('GET', '/openapi/v2', { accept: 'application/json' })).body;
  const answer = await call('GET', '/openapi/v2', { accept: GNOSTIC });
  assert.equal(answer.code, 200);
  assert.equal(answer.headers['content-type'], 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf');
  const document = message(answer.bytes);
  assert.deepEqual(texts(document, 1), ['2.0']);
  assert.deepEqual(texts(one(document, 2) ?? new Map(), 1), [json['info']?.['title']]);
  assert.ok(document.has(8), 'readers want paths');
  const definitions = named(one(document, 9) ?? new Map());
  assert.ok('io.k8s.api.apps.v1.Deployment' in definitions);
  const wanted = Object.entries(json['definitions'] ?? {}).map(([name, value]) => [name, carried(value)]);
  assert.deepEqual(definitions, Object.fromEntries(wanted));
});

test('openapi: version 2 in a format that nobody knows is 406', async (t) => {
  const { call } = await serve(t);
  const answer = await call('GET', '/openapi/v2', { accept: 'application/xml' });
  assert.equal(answer.code, 406);
  assert.equal(String(answer.body['reason']), 'NotAcceptable');
});

test('openapi: a client that has a document gets it again only when a CRD has changed it', async (t) => {
  const { call } = await serve(t);
  const paths = ['/openapi/v2', '/openapi/v2', '/openapi/v3/apis/apiextensions.k8s.io/v1'];
  const accepts = ['application/json', GNOSTIC, 'application/json'];
  const ask = (i: number, etag?: string) =>
    call('GET', paths[i]!, { accept: accepts[i]!, ...(etag === undefined ? {} : { headers: { 'if-none-match': etag } }) }); // prettier-ignore
  const etags = await Promise.all(paths.map(async (_, i) => String((await ask(i)).headers['etag'])));
  assert.equal(new Set(etags).size, 3);
  for (const [i, etag] of etags.entries()) {
    const again = await ask(i, etag);
    assert.deepEqual([again.code, again.bytes.length], [304, 0]);
  }
  await call('POST', CRDS, { body: gadgetCrd({ type: 'object' }) });
  const codes = await Promise.all(etags.map(async (etag, i) => (await ask(i, etag)).code));
  assert.deepEqual(codes, [200, 200, 304]);
});

test('openapi: what lies at a path with the hash of its content may be kept for ever, and at no other', async (t) => {
  const { call } = await serve(t);
  const { paths } = (await call('GET', '/openapi/v3')).body;
  const at = String(paths?.['api/v1']?.['serverRelativeURL']);
  assert.match(String((await call('GET', at)).headers['cache-control']), /immutable/);
  for (const other of [at.replace(/hash=.*/, 'hash=ABC'), '/openapi/v3/api/v1']) {
    const { code, headers } = await call('GET', other);
    assert.deepEqual([code, headers['cache-control']], [200, 'no-cache, private']);
  }
});
