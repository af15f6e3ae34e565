import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { OutBuffer } from '../../../src/proxy/codec/out-buffer.ts';
import { portOf } from './forwarder.ts';

test('out buffer: says that it has room even when the socket itself was never over its mark', async (t) => {
  const server = createServer((peer) => peer.resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket: Socket = connect(portOf(server), '127.0.0.1');
  t.after(() => {
    socket.destroy();
    server.close();
  });
  await once(socket, 'connect');
  const mark = socket.writableHighWaterMark;
  let drains = 0;
  let told = -1;
  socket.on('drain', () => drains++);
  const flushed = new Promise<void>((resolve) => {
    const out = new OutBuffer(socket, () => resolve(void (told = out.waiting)), true);
    socket.cork(); // the kernel is slow: what was written stays with the socket
    socket.write(Buffer.alloc(mark - 1000));
    out.push(Buffer.alloc(2000));
    assert.ok(out.waiting > mark, 'over the mark together');
    socket.uncork();
  });
  await flushed;
  assert.ok(told >= 0 && told < mark, `${told} bytes wait`);
  assert.equal(drains, 0, 'nobody else would have told');
});
