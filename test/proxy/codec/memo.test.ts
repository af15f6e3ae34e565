import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HpackDecoder } from '../../../src/proxy/codec/hpack-decoder.ts';
import { HpackEncoder } from '../../../src/proxy/codec/hpack-encoder.ts';
import { encodeRequest, encodeResponse } from '../../../src/proxy/codec/http1-encode.ts';
import { beginsWith, Http1Memo } from '../../../src/proxy/codec/http1-memo.ts';
import { Http2HeadWriter } from '../../../src/proxy/codec/http2-head-writer.ts';
import { fieldsOfRequest, fieldsOfResponse, requestFromFields } from '../../../src/proxy/codec/http2-head.ts';
import { Section } from '../../../src/proxy/codec/http2-section.ts';
import { defaultLimits } from '../../../src/proxy/codec/limits.ts';
import { Recent } from '../../../src/proxy/codec/recent.ts';
import type { Headers, RequestHead, ResponseHead } from '../../../src/proxy/codec/stream.ts';
import { plainRequest } from './plain-request.ts';

const limits = { maxListBytes: 64 * 1024, maxFields: 100 };

function sectionOf(decoder: HpackDecoder, block: Buffer): Section {
  const padded = Buffer.concat([Buffer.from('junk'), block, Buffer.from('more junk')]);
  const section = decoder.section(padded, 4, 4 + block.length, limits);
  assert.ok(section instanceof Section, String(section));
  return section;
}

test('recent: gives back what was kept, forgets the oldest generation, and holds two at most', () => {
  const recent = new Recent<number, string>(10);
  for (let i = 0; i < 15; i++) recent.set(i, `value ${i}`);
  assert.equal(recent.get(14), 'value 14');
  assert.equal(recent.get(3), 'value 3', 'of the older generation');
  for (let i = 15; i < 40; i++) recent.set(i, 'x');
  assert.equal(recent.get(4), undefined);
});

test('recent: keeps nothing while keys never come again, and begins anew when they do', () => {
  const recent = new Recent<number, number>(100);
  for (let i = 0; i < 3000; i++) if (recent.get(i) === undefined) recent.set(i, i);
  recent.set(5, 5);
  assert.equal(recent.get(5), undefined, 'it has given up');
  let hits = 0;
  for (let i = 0; i < 20_000; i++) {
    if (recent.get(i % 10) === undefined) recent.set(i % 10, i);
    else hits++;
  }
  assert.ok(hits > 5000, `${hits} hits after the keys repeat`);
});

const name = fc.constantFrom('x-a', 'x-b', 'accept', 'cookie', 'date', 'content-type', 'authorization');
const value = fc.oneof(
  fc.constantFrom('', '1', 'text/html'),
  fc.nat(30).map(String),
  fc.nat(900).map((n) => 'v'.repeat(n)),
);
const list = fc.array(fc.tuple(name, value), { maxLength: 6 }).map((pairs) => pairs.flat());

test('hpack memory: the same blocks mean the same with it as without it, however the table changes in between', () => {
  const steps = fc.array(
    fc.record({ list: fc.nat(4), table: fc.option(fc.constantFrom(0, 100, 4096), { nil: undefined }) }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(fc.array(list, { minLength: 5, maxLength: 5 }), steps, (lists, sequence) => {
      const encoder = new HpackEncoder();
      const writer = new Http2HeadWriter(encoder);
      const remembering = new HpackDecoder();
      const plain = new HpackDecoder();
      for (const step of sequence) {
        if (step.table !== undefined) encoder.setMaxTable(step.table);
        const fields = lists[step.list]!;
        const block = writer.list(fields)!; // the very same list again and again
        const expected: string[] = [];
        assert.equal(plain.decode(block, limits, expected), undefined);
        assert.deepEqual(expected, fields);
        assert.deepEqual(sectionOf(remembering, block).fields, fields);
      }
    }),
    { numRuns: 300 },
  );
});

test('hpack memory: a block that means something else since the table has changed is decoded anew', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  sectionOf(decoder, encoder.encode(['x-a', '1']));
  const newest = Buffer.from([0xbe]); // the newest entry of the table
  assert.deepEqual(sectionOf(decoder, newest).fields, ['x-a', '1']);
  assert.deepEqual(sectionOf(decoder, newest).fields, ['x-a', '1']);
  sectionOf(decoder, encoder.encode(['x-a', '2']));
  assert.deepEqual(sectionOf(decoder, newest).fields, ['x-a', '2']);
});

test('hpack memory: a block that comes again is the same section', () => {
  const decoder = new HpackDecoder();
  const block = Buffer.from([0x82, 0x84]);
  const first = sectionOf(decoder, block);
  assert.equal(first.recurring, false);
  assert.equal(sectionOf(decoder, block), first);
  assert.equal(first.recurring, true);
});

function request(headers: Headers, over: Partial<RequestHead> = {}): RequestHead {
  return plainRequest('1.1', { authority: 'a.b', headers, recurring: true, ...over });
}

const variation = fc.record({
  method: fc.constantFrom('GET', 'POST'),
  path: fc.constantFrom('/', '/a?b'),
  authority: fc.constantFrom('a.b', 'c.d:80'),
  contentLength: fc.constantFrom(0, 7, -1),
  hop: fc.constantFrom<Headers | undefined>(undefined, ['x-weft-via', 'me'], ['x-weft-via', 'you']),
});

/** Fields of other heads, that move what the table holds. */
const others = fc.constantFrom<Headers>(
  [],
  ['x-o', '1'],
  ['x-o', '2'],
  ['x-p', 'v'.repeat(400)],
  ['x-q', 'w'.repeat(500)],
);

test('http/1 memory: a request is written as without it, whatever about it differs from the last one', () => {
  const headers = ['accept', '*/*', 'content-length', '7'];
  fc.assert(
    fc.property(fc.array(variation, { maxLength: 20 }), (variations) => {
      const memo = new Http1Memo();
      for (const over of variations) {
        const head = request(headers, over);
        assert.equal(
          memo.request(head, over.contentLength).toString('latin1'),
          encodeRequest(head, over.contentLength),
        );
      }
    }),
  );
});

test('http/1 memory: a response is written as without it, whatever about it differs from the last one', () => {
  const headers = ['server', 'x', 'content-length', '7'];
  const variations = fc.record({
    status: fc.constantFrom(200, 404),
    length: fc.constantFrom(undefined, 7, -1, -2),
    persistence: fc.constantFrom('default', 'close', 'keep-alive'),
  });
  fc.assert(
    fc.property(fc.array(variations, { maxLength: 20 }), (sequence) => {
      const memo = new Http1Memo();
      for (const { status, length, persistence } of sequence) {
        const head: ResponseHead = { status, headers, contentLength: 7, recurring: true };
        const expected = encodeResponse(head, length, persistence);
        assert.equal(memo.response(head, length, persistence).toString('latin1'), expected);
      }
    }),
  );
});

test('http/1 memory: a head is the same only when each of its bytes is', () => {
  const head = Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  assert.ok(beginsWith(Buffer.concat([head, Buffer.from('GET')]), head));
  assert.ok(!beginsWith(head.subarray(0, -1), head));
  for (let i = 0; i < head.length; i++) {
    const other = Buffer.from(head);
    other[i]! ^= 1;
    assert.ok(!beginsWith(other, head), `byte ${i}`);
  }
});

test('http/2 head writer: a request is decoded to what it says, whatever about it differs from the last one', () => {
  const headers = ['accept', '*/*'];
  fc.assert(
    fc.property(fc.array(fc.tuple(variation, fc.boolean(), others), { maxLength: 20 }), (variations) => {
      const writer = new Http2HeadWriter(new HpackEncoder());
      const decoder = new HpackDecoder();
      for (const [over, end, other] of variations) {
        sectionOf(decoder, writer.list(other)!);
        const head = request(headers, over);
        const block = Buffer.concat([writer.request(head, end)!, writer.list(head.hop)!]);
        const expected = [...fieldsOfRequest(head, end), ...(head.hop ?? [])];
        assert.deepEqual(sectionOf(decoder, block).fields, expected);
      }
    }),
  );
});

test('http/2 head writer: a response is decoded to what it says, whatever about it differs from the last one', () => {
  const headers = ['server', 'x', 'content-length', '7'];
  const variations = fc.tuple(
    ...([fc.constantFrom(200, 204, 404), fc.constantFrom(0, 7, -1), fc.boolean(), fc.boolean(), others] as const),
  );
  fc.assert(
    fc.property(fc.array(variations, { maxLength: 20 }), (sequence) => {
      const writer = new Http2HeadWriter(new HpackEncoder());
      const decoder = new HpackDecoder();
      for (const [status, contentLength, bodiless, tunnel, other] of sequence) {
        sectionOf(decoder, writer.list(other)!);
        const head: ResponseHead = { status, headers, contentLength, recurring: true };
        const section = sectionOf(decoder, writer.response(head, bodiless, tunnel)!);
        assert.deepEqual(section.fields, fieldsOfResponse(head, bodiless, tunnel));
      }
    }),
  );
});

test('http/2 head writer: what may not be written changes nothing', () => {
  const writer = new Http2HeadWriter(new HpackEncoder());
  const decoder = new HpackDecoder();
  assert.equal(writer.request(request(['x-a', 'a\nb']), true), undefined);
  assert.equal(writer.request(request(['x-a', 'fine'], { hop: ['x-b', 'a\nb'] }), true), undefined);
  const block = writer.request(request(['x-c', 'fine']), true)!;
  const head = requestFromFields(sectionOf(decoder, block).fields, true, defaultLimits);
  assert.deepEqual(typeof head === 'object' && head.headers, ['x-c', 'fine']);
});
