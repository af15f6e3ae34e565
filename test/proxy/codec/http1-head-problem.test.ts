import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FieldBlock } from '../../../src/proxy/codec/http1-fields.ts';
import { headProblem } from '../../../src/proxy/codec/http1-head-problem.ts';
import { readRequestHead } from '../../../src/proxy/codec/http1-request.ts';
import { defaultLimits as limits } from '../../../src/proxy/codec/limits.ts';

/** What a refused head is told; undefined when it is not refused. */
function told(text: string): string | undefined {
  const head = readRequestHead(text, new FieldBlock(), { limits, scheme: 'http', explicitProxy: false });
  return typeof head === 'string' ? headProblem(text, head, limits) : undefined;
}

const POST = 'POST / HTTP/1.1\r\nHost: a\r\n';

test('head problem: says what is wrong with a refused head', () => {
  const cases: [string, RegExp][] = [
    ['GET / HTTP/1.1\r\n', /no Host field/],
    ['GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n', /more than one Host/],
    ['GET / HTTP/1.1\r\nHost: a@b\r\n', /Host field is no host name/],
    ['GET / HTTP/1.1\nHost: a\n\r\n', /ends with LF alone/],
    ['GET /  HTTP/1.1\r\nHost: a\r\n', /request line/],
    ['GET  HTTP/1.1\r\nHost: a\r\n', /has no target/],
    ['G(T / HTTP/1.1\r\nHost: a\r\n', /does not begin with a method/],
    ['GET / HTTP/1.10\r\nHost: a\r\n', /request line does not end/],
    ['GET / HTTP/3.0\r\nHost: a\r\n', /only HTTP\/1.0 and HTTP\/1.1/],
    ['GET /a\x80 HTTP/1.1\r\nHost: a\r\n', /characters that have to be encoded/],
    ['GET http://b/ HTTP/1.1\r\nHost: a\r\n', /target does not fit/],
    ['CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n', /CONNECT is for explicit proxy/],
    [`${POST}A: b\r\n c\r\n`, /header line 3 is folded/],
    [`${POST}A : b\r\n`, /header line 2 has no proper name/],
    [`${POST}Ab\r\n`, /header line 2 has no colon/],
    [`${POST}A: b\x00c\r\n`, /header line 2 has control characters/],
    [`${POST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n`, /both Content-Length and Transfer-Encoding/],
    [`${POST}Content-Length: 1\r\nContent-Length: 1\r\n`, /more than one Content-Length/],
    [`${POST}Content-Length: +1\r\n`, /Content-Length is no decimal/],
    [`${POST}Transfer-Encoding: chunked, x\r\n`, /only transfer coding|not chunked alone/],
    [`${POST}Transfer-Encoding: gzip, chunked\r\n`, /only transfer coding/],
    [`${POST}Connection: a b\r\n`, /Connection field is no list/],
    [`${POST}Expect: cake\r\n`, /100-continue/],
    [POST + 'A: b\r\n'.repeat(100), /more than 100 header fields/],
    [`GET /${'a'.repeat(limits.maxTargetBytes)} HTTP/1.1\r\nHost: a\r\n`, /target is longer than/],
  ];
  for (const [text, expected] of cases) assert.match(told(text) ?? 'not refused', expected, JSON.stringify(text));
});

test('head problem: of any head it repeats nothing', () => {
  const part = fc.constantFrom(
    'GET',
    ' ',
    '/',
    'HTTP/1.1',
    '\r\n',
    '\n',
    'Host',
    ':',
    'a',
    'secret',
    '\x00',
    'Content-Length',
    '1',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
      assert.doesNotMatch(told(parts.join('')) ?? '', /secret|\p{Cc}/u);
    }),
  );
});
