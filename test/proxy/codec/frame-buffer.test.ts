import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { FrameBuffer } from '../../../src/proxy/codec/frame-buffer.ts';
import * as h2 from '../../../src/proxy/codec/http2-frames.ts';
import { portOf } from './forwarder.ts';

async function wire(t: TestContext): Promise<{ out: FrameBuffer; seen: () => Buffer }> {
  const pieces: Buffer[] = [];
  const server = createServer((peer) => peer.on('data', (bytes: Buffer) => pieces.push(bytes))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket: Socket = connect(portOf(server), '127.0.0.1');
  t.after(() => {
    socket.destroy();
    server.close();
  });
  await once(socket, 'connect');
  return { out: new FrameBuffer(socket, () => {}), seen: () => Buffer.concat(pieces) };
}

async function arrived(seen: () => Buffer, bytes: number): Promise<Buffer> {
  while (seen().length < bytes) await new Promise(setImmediate);
  return seen();
}

test('frame buffer: what is written arrives as it was written, whatever its size and whenever it leaves', async (t) => {
  const step = fc.oneof(
    fc.record({ size: fc.oneof(fc.nat(300), fc.nat(16_384)), flush: fc.constant(false), turn: fc.constant(false) }),
    fc.record({ size: fc.constant(0), flush: fc.boolean(), turn: fc.boolean() }),
  );
  const { out, seen } = await wire(t);
  const expected: Buffer[] = [];
  let bytes = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      for (const { size, flush, turn } of steps) {
        const payload = Buffer.alloc(size, bytes & 255);
        out.frame(h2.DATA, 0, 5, size);
        out.push(payload);
        expected.push(h2.frameHeader(h2.DATA, 0, 5, size), payload);
        bytes += 9 + size;
        if (flush) out.flush();
        if (turn) await new Promise(setImmediate);
      }
    }),
    { numRuns: 30 },
  );
  assert.ok((await arrived(seen, bytes)).equals(Buffer.concat(expected)));
});

test('frame buffer: END_STREAM goes on the last frame of its stream, as long as that has not left', async (t) => {
  const { out, seen } = await wire(t);
  out.frame(h2.DATA, 0, 1, 5000);
  out.push(Buffer.alloc(5000)); // too large to be copied behind its header
  out.numbers(h2.WINDOW_UPDATE, 0, 1);
  assert.equal(out.endLast(3, true), false, 'another stream');
  assert.equal(out.endLast(1, true), true);
  const bytes = await arrived(seen, 9 + 5000 + 13);
  assert.equal(bytes[4], h2.END_STREAM);
  assert.equal(out.endLast(1, true), false, 'it has left');
  out.frame(h2.DATA, 0, 1, 0);
  out.numbers(h2.RST_STREAM, 1, h2.CANCEL);
  assert.equal(out.endLast(1, true), false, 'it was reset');
  out.frame(h2.HEADERS, h2.END_HEADERS, 5, 0);
  assert.equal(out.endLast(5, false), false, 'it is a head');
  assert.equal(out.endLast(5, true), true);
});

test('frame buffer: pieces of one stream share a frame, but none across another frame', async (t) => {
  const { out, seen } = await wire(t);
  const settings = h2.settingsFrame([h2.SETTINGS_INITIAL_WINDOW_SIZE, 1]);
  for (const text of ['a', 'b']) out.data(1, Buffer.from(text), 100);
  out.whole(settings);
  out.data(1, Buffer.from('c'), 100);
  const data = (text: string) => [h2.frameHeader(h2.DATA, 0, 1, text.length), Buffer.from(text)];
  const expected = Buffer.concat([...data('ab'), settings, ...data('c')]);
  assert.ok((await arrived(seen, expected.length)).equals(expected));
});
