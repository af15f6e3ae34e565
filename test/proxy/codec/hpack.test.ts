import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { HpackDecoder } from '../../../src/proxy/codec/hpack-decoder.ts';
import { HpackEncoder } from '../../../src/proxy/codec/hpack-encoder.ts';
import { portOf } from './forwarder.ts';

const limits = { maxListBytes: 64 * 1024, maxFields: 100 };
const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');

function decode(decoder: HpackDecoder, block: Buffer): string[] | string {
  const out: string[] = [];
  return decoder.decode(block, limits, out) ?? out;
}

test('hpack decoder: the examples of RFC 7541 C.4 (Huffman, one table for three requests)', () => {
  const decoder = new HpackDecoder();
  const common = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'];
  assert.deepEqual(decode(decoder, hex('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff')), common);
  assert.deepEqual(decode(decoder, hex('8286 84be 5886 a8eb 1064 9cbf')), [...common, 'cache-control', 'no-cache']);
  assert.deepEqual(decode(decoder, hex('8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf')), [
    ...[':method', 'GET', ':scheme', 'https', ':path', '/index.html', ':authority', 'www.example.com'],
    ...['custom-key', 'custom-value'],
  ]);
});

test('hpack decoder: the examples of RFC 7541 C.3 (without Huffman)', () => {
  const decoder = new HpackDecoder();
  const common = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'];
  assert.deepEqual(decode(decoder, hex('8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d')), common);
  assert.deepEqual(decode(decoder, hex('8286 84be 5808 6e6f 2d63 6163 6865')), [
    ...common,
    'cache-control',
    'no-cache',
  ]);
});

test('hpack decoder: every byte in Huffman code as nghttp2 writes it', async () => {
  // All bytes that a value may hold, in strings long enough for nghttp2 to choose Huffman.
  const values = Array.from({ length: 256 }, (_, c) => c)
    .filter((c) => c === 9 || (c >= 32 && c !== 127))
    .map((c) => `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa${String.fromCharCode(c)}eeeeeeeeeeeeeeeeeeeee`);
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const session = http2.connect(`http://127.0.0.1:${portOf(server)}`);
  session.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  const stream = session.request({ ':path': '/', 'x-v': values });
  stream.on('error', () => {});
  let bytes = Buffer.alloc(0);
  const fields: string[] = [];
  const decoder = new HpackDecoder();
  for await (const part of socket) {
    bytes = Buffer.concat([bytes, part as Buffer]);
    const block = headerBlock(bytes.subarray(24));
    if (block === undefined) continue;
    assert.equal(decoder.decode(block, { maxListBytes: 1e6, maxFields: 1000 }, fields), undefined);
    break;
  }
  session.destroy();
  server.close();
  const seen = fields.filter((_, i) => i % 2 === 1 && fields[i - 1] === 'x-v');
  assert.deepEqual(seen, values);
});

/** The header block of the first HEADERS frame and its CONTINUATIONs, when all has come. */
function headerBlock(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; at + 9 <= bytes.length;) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) return undefined;
    const [type, flags] = [bytes[at + 3]!, bytes[at + 4]!];
    if (type === 1 || type === 9) {
      parts.push(bytes.subarray(at + 9 + ((flags & 0x20) === 0 ? 0 : 5), end));
      if ((flags & 4) !== 0) return Buffer.concat(parts);
    }
    at = end;
  }
  return undefined;
}

const name = fc.string({ unit: fc.constantFrom(...'abcxyz-'), minLength: 1, maxLength: 8 });
const known = fc.constantFrom(
  ':path',
  ':method',
  ':status',
  'content-type',
  'cookie',
  'authorization',
  'accept',
  'via',
);
const value = fc.oneof(
  fc.constantFrom('GET', '200', '/', 'gzip, deflate', ''),
  fc.uint8Array({ maxLength: 60 }).map((b) => Buffer.from(b).toString('latin1')),
  fc.nat(1500).map((n) => 'v'.repeat(n)),
);
const list = fc.array(fc.tuple(fc.oneof(name, known), value), { maxLength: 12 }).map((pairs) => pairs.flat());

test('hpack: what is encoded is decoded to the same, block after block, with tables of any size', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(list, fc.option(fc.nat(5000), { nil: undefined })), { maxLength: 20 }), (blocks) => {
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder();
      for (const [fields, table] of blocks) {
        if (table !== undefined) encoder.setMaxTable(table);
        assert.deepEqual(decode(decoder, encoder.encode(fields)), fields);
      }
    }),
    { numRuns: 300 },
  );
});

test('hpack: a long-lived table evicts what is old and stays in step', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  for (let i = 0; i < 3000; i++) {
    const fields = ['x-a', `value ${i % 200}`, `x-${i % 70}`, 'same', 'x-b', String(i)];
    assert.deepEqual(decode(decoder, encoder.encode(fields)), fields);
  }
});

test('hpack encoder: a table that shrinks and grows between two blocks announces both sizes', () => {
  const encoder = new HpackEncoder();
  encoder.encode(['x-a', '1']);
  encoder.setMaxTable(0);
  encoder.setMaxTable(4096);
  assert.equal(encoder.encode([':method', 'GET']).toString('hex'), '203fe11f82');
});

test('hpack encoder: a field that was sent before costs one byte, a secret is never indexed', () => {
  const encoder = new HpackEncoder();
  const fields = [':method', 'GET', 'user-agent', 'grpc-node', 'x-tenant', 'blue'];
  assert.ok(encoder.encode(fields).length > 20);
  assert.equal(encoder.encode(fields).length, 3);
  const secret = ['authorization', 'Bearer x'];
  assert.equal(encoder.encode(secret)[0]! & 0xf0, 0x10);
  assert.equal(encoder.encode(secret).length, encoder.encode(secret).length);
});

for (const [what, block] of [
  ['index 0', '80'],
  ['an index beyond the tables', 'be'],
  ['a name index beyond the tables', '7e 01 61'],
  ['an integer without an end', 'ff ff ff ff ff ff ff'],
  ['an integer that is cut off', 'ff'],
  ['a string that is cut off', '40 0a 61'],
  ['a string without a length', '40'],
  ['Huffman padding of zeros', '40 81 00 01 61'],
  ['Huffman padding of a whole byte', '40 82 1f ff 01 61'],
  ['EOS inside of Huffman', '40 85 ff ff ff ff ff 01 61'],
  ['a table larger than we allow', '3f e2 1f'],
  ['a table size behind a field', '82 20'],
  ['three table sizes', '20 20 20'],
] as const) {
  test(`hpack decoder: ${what} is broken`, () => assert.equal(decode(new HpackDecoder(), hex(block)), 'broken'));
}

test('hpack decoder: a bomb is cut while it unfolds, and the table stays good', () => {
  const decoder = new HpackDecoder();
  const large = new HpackEncoder().encode(['x', 'y'.repeat(500)]);
  assert.notEqual(decode(decoder, large), 'broken');
  const out: string[] = [];
  const bomb = Buffer.alloc(60_000, 0xbe);
  assert.equal(decoder.decode(bomb, { maxListBytes: 32_768, maxFields: 1000 }, out), 'too large');
  assert.ok(out.length < 200);
  assert.deepEqual(decode(decoder, hex('be')), ['x', 'y'.repeat(500)]);
});

test('hpack decoder: no bytes make it throw', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }), (blocks) => {
      const decoder = new HpackDecoder();
      for (const block of blocks) if (decode(decoder, Buffer.from(block)) === 'broken') return;
    }),
    { numRuns: 3000 },
  );
});
