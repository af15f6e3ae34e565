import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BodyWriter } from '../../../src/proxy/codec/body-writer.ts';
import { Http1Buffer } from '../../../src/proxy/codec/http1-buffer.ts';
import { MEMORY_SIZES } from '../../../src/proxy/codec/memory.ts';
import { socketTo, ticks, turn } from './written-socket.ts';

test('http1 buffer: a head without a body leaves behind the callback that wrote it', async (t) => {
  const { socket, writes } = await socketTo(t);
  const out = new Http1Buffer(socket, () => {});
  out.push('head ');
  new BodyWriter(out).start(0);
  await ticks();
  assert.deepEqual(writes, ['head ']);
});

test('http1 buffer: the pieces of a body that come in one turn leave in one write', async (t) => {
  const { socket, writes } = await socketTo(t);
  const out = new Http1Buffer(socket, () => {});
  const body = new BodyWriter(out);
  out.push('head ');
  body.start(12);
  for (const piece of ['one ', 'two ']) {
    body.data(Buffer.from(piece));
    await ticks(); // each piece comes with a callback of its own
  }
  assert.deepEqual(writes, []);
  await turn();
  assert.deepEqual(writes, ['head one two ']);
  body.data(Buffer.from('end.'));
  body.end(undefined);
  await turn();
  assert.deepEqual(writes, ['head one two ', 'end.']);
});

/** What a chunked body says, and in how many chunks. */
function dechunked(text: string): { body: string; chunks: number } {
  let [at, chunks, body] = [0, 0, ''];
  for (;;) {
    const line = text.indexOf('\r\n', at);
    const size = Number.parseInt(text.slice(at, line), 16);
    assert.match(text.slice(at, line), /^(0|[1-9a-f][0-9a-f]*)$/);
    body += text.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
    assert.equal(text.slice(at - 2, at), '\r\n');
    if (size === 0) return { body, chunks };
    chunks++;
  }
}

test('http1 buffer: small chunks of one turn are one chunk', async (t) => {
  const { socket, writes } = await socketTo(t);
  const body = new BodyWriter(new Http1Buffer(socket, () => {}));
  body.start(-1);
  for (let i = 0; i < 300; i++) body.data(Buffer.from(String(i % 10)));
  await turn();
  for (let i = 0; i < 3; i++) body.data(Buffer.from('x'));
  body.data(Buffer.alloc(1000, 'y'));
  body.data(Buffer.from('z'));
  body.end(undefined);
  await turn();
  const { body: said, chunks } = dechunked(writes.join(''));
  assert.equal(said, `${'0123456789'.repeat(30)}xxx${'y'.repeat(1000)}z`);
  assert.equal(chunks, 4);
});

test('http1 buffer: what the socket still has to write is not joined', async (t) => {
  const { socket, writes } = await socketTo(t);
  const body = new BodyWriter(new Http1Buffer(socket, () => {}));
  body.start(-1);
  socket.cork();
  body.data(Buffer.from('x'));
  await turn();
  body.data(Buffer.from('y'));
  await turn();
  assert.deepEqual(writes, ['1\r\nx\r\n', '1\r\ny\r\n']);
});

test('http1 buffer: a chunk that ends where another ended in the memory before does not join that', async (t) => {
  const { socket, writes } = await socketTo(t);
  const body = new BodyWriter(new Http1Buffer(socket, () => {}));
  body.start(-1);
  body.data(Buffer.from('x')); // 6 bytes with its framing
  body.data(Buffer.alloc(MEMORY_SIZES[0] - 7, 'y')); // the last 6 of it, with its CRLF, come into the next memory
  body.data(Buffer.from('z'));
  body.end(undefined);
  await turn();
  assert.equal(dechunked(writes.join('')).body, `x${'y'.repeat(MEMORY_SIZES[0] - 7)}z`);
});

test('http1 buffer: a chunked body is what was written, however its pieces and turns fall', async (t) => {
  const pieces = fc.array(fc.oneof(fc.nat(20), fc.nat(200), fc.nat(9000), fc.constant('turn' as const)), {
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(pieces, async (pieces) => {
      const { socket, writes } = await socketTo(t);
      const body = new BodyWriter(new Http1Buffer(socket, () => {}));
      let expected = '';
      body.start(-1);
      for (const [i, piece] of pieces.entries()) {
        if (piece === 'turn') await turn();
        else {
          const text = String.fromCharCode(97 + (i % 26)).repeat(piece);
          expected += text;
          body.data(Buffer.from(text));
        }
      }
      body.end(undefined);
      await turn();
      await turn();
      assert.equal(dechunked(writes.join('')).body, expected);
      socket.destroy();
    }),
    { numRuns: 60 },
  );
});
