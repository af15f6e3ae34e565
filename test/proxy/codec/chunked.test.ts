import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChunkedDecoder } from '../../../src/proxy/codec/chunked.ts';
import { encodeRequest, encodeResponse } from '../../../src/proxy/codec/http1-encode.ts';
import { FieldBlock } from '../../../src/proxy/codec/http1-fields.ts';
import { readRequestHead } from '../../../src/proxy/codec/http1-request.ts';
import { readResponseHead } from '../../../src/proxy/codec/http1-response.ts';
import { defaultLimits } from '../../../src/proxy/codec/limits.ts';
import type { Headers, RequestHead } from '../../../src/proxy/codec/stream.ts';

interface Decoded {
  readonly body: string;
  readonly left: string;
  readonly done: boolean;
  readonly error: boolean;
  readonly trailers: Headers | undefined;
}

/** Decodes pieces; stops the decoder after every `stopAfter`th piece of payload, as a paused stream does. */
function decode(pieces: readonly Buffer[], stopAfter = Infinity): Decoded {
  const decoder = new ChunkedDecoder();
  let body = '';
  let left = '';
  let heard = 0;
  const sink = {
    onChunk(piece: Buffer): boolean {
      body += piece.toString('latin1');
      return ++heard % stopAfter !== 0;
    },
  };
  for (const piece of pieces) {
    let at = 0;
    while (at < piece.length && !decoder.done && decoder.error === undefined) at = decoder.decode(piece, at, sink);
    left += piece.toString('latin1', at);
  }
  const error = decoder.error !== undefined;
  return { body: error ? '' : body, left: error ? '' : left, done: decoder.done, error, trailers: decoder.trailers };
}

const split = (bytes: Buffer, at: readonly number[]): Buffer[] => {
  const edges = [0, ...at.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return edges.slice(1).map((end, i) => bytes.subarray(edges[i], end));
};

const latin1 = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const positions = fc.array(fc.nat(2000), { maxLength: 12 });

test('chunked decoder: what is chunked in any way is decoded to the same, cut and stopped anywhere', () => {
  const chunk = fc.record({
    payload: latin1.filter((s) => s !== ''),
    ext: fc.constantFrom('', ';a', ';a="b c"'),
    zeros: fc.nat(4),
  });
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 8 }), positions, fc.nat(3), latin1, (chunks, at, stop, rest) => {
      const wire = chunks
        .map(({ payload, ext, zeros }) => `${'0'.repeat(zeros)}${payload.length.toString(16)}${ext}\r\n${payload}\r\n`)
        .join('');
      const bytes = Buffer.from(`${wire}0\r\nx-t: 1\r\n\r\n${rest}`, 'latin1');
      const expected = {
        body: chunks.map((c) => c.payload).join(''),
        left: rest,
        done: true,
        error: false,
        trailers: ['x-t', '1'],
      };
      assert.deepEqual(decode([bytes]), expected);
      assert.deepEqual(decode(split(bytes, at), stop + 1), expected);
    }),
  );
});

test('chunked decoder: any bytes give the same verdict however they are cut', () => {
  const noise = fc.array(
    fc.constantFrom('0', '1', '3', 'a', 'x', ';', '\r\n', '\r', '\n', ' ', ':', '0\r\n\r\n', '2\r\nab\r\n'),
    {
      maxLength: 20,
    },
  );
  fc.assert(
    fc.property(noise, positions, fc.nat(3), (parts, at, stop) => {
      const bytes = Buffer.from(parts.join(''), 'latin1');
      assert.deepEqual(decode(split(bytes, at), stop + 1), decode([bytes]));
    }),
    { numRuns: 2000 },
  );
});

test('chunked decoder: an extension flood is refused after 4 KB, one-byte chunks are not', () => {
  const flood = Buffer.from(`1;${'e'.repeat(60)}\r\nx\r\n`.repeat(100), 'latin1');
  assert.equal(decode([flood]).error, true);
  const small = decode([Buffer.from(`${'1\r\nx\r\n'.repeat(10_000)}0\r\n\r\n`, 'latin1')]);
  assert.deepEqual([small.error, small.done, small.body.length], [false, true, 10_000]);
});

const tokenChars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
const token = fc.string({ unit: fc.constantFrom(...tokenChars), minLength: 1, maxLength: 12 });
const special = new Set(
  'te host connection keep-alive upgrade expect content-length transfer-encoding proxy-connection http2-settings'.split(
    ' ',
  ),
);
const name = token.filter((n) => !special.has(n));
const value = fc
  .uint8Array({ maxLength: 30 })
  .map((bytes) => Buffer.from(bytes.filter((c) => c === 9 || (c >= 32 && c !== 127))).toString('latin1'))
  .map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''));
const headers = fc.array(fc.tuple(name, value), { maxLength: 20 }).map((pairs) => pairs.flat());
const target = fc.string({ unit: fc.constantFrom(...'abc/?&=%20;,.~-_:@'), maxLength: 30 }).map((s) => `/${s}`);

const rules = { limits: defaultLimits, scheme: 'http', explicitProxy: false } as const;

test('http1 heads: a request that is written is read as what it was', () => {
  fc.assert(
    fc.property(token, target, headers, fc.option(fc.nat(), { nil: undefined }), (method, path, list, length) => {
      fc.pre(method !== 'CONNECT');
      const head: RequestHead = {
        method,
        path,
        authority: 'shop.example:8080',
        scheme: 'http',
        headers: list,
        version: '1.1',
        protocol: undefined,
        destination: undefined,
        contentLength: length ?? 0,
      };
      const text = encodeRequest(head, length);
      assert.ok(text.endsWith('\r\n\r\n'));
      const read = readRequestHead(text.slice(0, -2), new FieldBlock(), rules);
      const written = length === undefined ? list : [...list, 'content-length', String(length)];
      assert.deepEqual(read, { ...head, headers: written });
    }),
  );
});

test('http1 heads: no value that a filter could make splits a head; it is refused instead', () => {
  const any = fc.string({
    unit: fc.constantFrom('a', ' ', '\r', '\n', '\0', ':', '\t', 'Ċ', '\u010d', '\x7f', 'é'),
    maxLength: 6,
  });
  fc.assert(
    fc.property(any, any, fc.boolean(), (field, text, request) => {
      const list = [field, text];
      let wire: string;
      try {
        wire = request
          ? encodeRequest(
              {
                method: 'GET',
                path: '/',
                authority: 'a',
                scheme: 'http',
                headers: list,
                version: '1.1',
                protocol: undefined,
                destination: undefined,
                contentLength: 0,
              },
              undefined,
            )
          : encodeResponse({ status: 200, headers: list, contentLength: 0 }, 0, 'default');
      } catch (error) {
        assert.ok(error instanceof RangeError);
        return;
      }
      const bytes = Buffer.from(wire, 'latin1').toString('latin1');
      assert.equal(bytes.split('\r\n').length, 5, JSON.stringify(bytes));
      assert.equal(/[^\r]\n|\r[^\n]|\0/.test(bytes), false);
    }),
    { numRuns: 2000 },
  );
  for (const path of ['/a b', '/\r\nx: y', '/é', '', '/a#b']) {
    const head = { method: 'GET', path, authority: 'a', scheme: 'http', headers: [], version: '1.1' } as const;
    const rest = { protocol: undefined, destination: undefined, contentLength: 0 };
    assert.throws(() => encodeRequest({ ...head, headers: [], ...rest }, undefined), RangeError);
  }
});

test('http1 heads: a response that is written is read as what it was', () => {
  fc.assert(
    fc.property(fc.integer({ min: 200, max: 599 }), headers, fc.nat(), (status, list, length) => {
      fc.pre(status !== 204 && status !== 304);
      const text = encodeResponse({ status, headers: list, contentLength: length }, length, 'default');
      const frame = { length: 0, persistent: false };
      const asked = { headRequest: false, tunnel: undefined };
      const read = readResponseHead(text.slice(0, -2), new FieldBlock(), defaultLimits, asked, frame);
      assert.deepEqual(read, { status, headers: [...list, 'content-length', String(length)], contentLength: length });
      assert.deepEqual(frame, { length, persistent: true });
    }),
  );
});

test('http1 heads: no bytes make the readers throw or hang', () => {
  const piece = fc.constantFrom(
    'GET',
    ' ',
    '/',
    'HTTP/1.1',
    '\r\n',
    '\r',
    '\n',
    'Host',
    ':',
    'a',
    '\t',
    '\xa0',
    '\0',
    ',',
    'chunked',
    'Transfer-Encoding',
    'Connection',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (parts) => {
      const text = `${parts.join('')}\r\n`;
      const head = readRequestHead(text, new FieldBlock(), rules);
      assert.ok(typeof head === 'string' || head.method !== '');
      const frame = { length: 0, persistent: false };
      readResponseHead(
        `HTTP/1.1 200 OK\r\n${text}`,
        new FieldBlock(),
        defaultLimits,
        { headRequest: false, tunnel: undefined },
        frame,
      );
    }),
    { numRuns: 3000 },
  );
});
