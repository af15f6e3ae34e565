import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isApiError } from '../../../src/local/api-error.ts';
import { protobufDecoder } from '../../../src/local/api/protobuf/decode.ts';

const decode = protobufDecoder();

/** One length-delimited or varint field. */
function field(number: number, value: string | number | Buffer): Buffer {
  if (typeof value === 'number') return Buffer.concat([varint(number << 3), varint(value)]);
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const out: number[] = [];
  for (; value > 0x7f; value = Math.floor(value / 128)) out.push((value % 128) | 0x80);
  return Buffer.from([...out, value]);
}

function body(apiVersion: string, kind: string, raw: Buffer): Buffer {
  const type = Buffer.concat([field(1, apiVersion), field(2, kind)]);
  return Buffer.concat([Buffer.from('k8s\0'), field(1, type), field(2, raw)]);
}

test('protobuf: names, maps, pointers, times, quantities and int-or-strings become the JSON of Kubernetes', () => {
  const metadata = Buffer.concat([
    field(1, 'web'),
    field(8, field(1, 1_700_000_000)), // creationTimestamp
    field(11, Buffer.concat([field(1, 'app'), field(2, 'web')])), // labels
  ]);
  const rolling = field(1, Buffer.concat([field(1, 1), field(2, 0), field(3, '25%')])); // maxUnavailable
  const strategy = Buffer.concat([field(1, 'RollingUpdate'), field(2, rolling)]);
  const limits = field(1, Buffer.concat([field(1, 'cpu'), field(2, field(1, '500m'))]));
  const container = Buffer.concat([field(1, 'app'), field(2, ''), field(3, 'run'), field(3, 'it'), field(8, limits)]);
  const template = field(2, field(2, container));
  const spec = Buffer.concat([field(1, 0), field(3, template), field(4, strategy), field(5, 0), field(7, 0)]);
  assert.deepEqual(decode(body('apps/v1', 'Deployment', Buffer.concat([field(1, metadata), field(2, spec)]))), {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', creationTimestamp: '2023-11-14T22:13:20Z', labels: { app: 'web' } },
    spec: {
      replicas: 0, // a pointer: the zero was meant; minReadySeconds and paused were not
      template: {
        spec: { containers: [{ name: 'app', command: ['run', 'it'], resources: { limits: { cpu: '500m' } } }] },
      },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%' } },
    },
  });
});

test('protobuf: bytes of Secrets are base64', () => {
  const entry = Buffer.concat([field(1, 'token'), field(2, 's3cret')]);
  assert.deepEqual(decode(body('v1', 'Secret', field(2, entry)))['data'], { token: 'czNjcmV0' });
});

test('protobuf: any bytes are an object or a refusal, never a crash', () => {
  assert.throws(
    () => decode(Buffer.from('{}')),
    (e) => isApiError(e, 'BadRequest'),
  );
  assert.throws(
    () => decode(body('weft.dev/v1', 'Thing', Buffer.alloc(0))),
    (e) => isApiError(e, 'UnsupportedMediaType'),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        assert.equal(typeof decode(body('v1', 'Pod', Buffer.from(bytes))), 'object');
      } catch (error) {
        assert.ok(isApiError(error), String(error));
      }
    }),
  );
});
