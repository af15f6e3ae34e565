import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { SocketReader } from '../../../src/proxy/codec/socket-reader.ts';
import { portOf } from './forwarder.ts';

async function pair(t: TestContext): Promise<[here: Socket, there: Socket]> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const there = connect({ port: portOf(server), host: '127.0.0.1', allowHalfOpen: true });
  const [here] = (await once(server, 'connection')) as [Socket];
  t.after(() => {
    here.destroy();
    there.destroy();
    server.close();
  });
  return [here, there];
}

/** Bytes of which each says where it stands. */
function pattern(length: number, from = 0): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => ((from + i) * 7 + ((from + i) >> 8)) & 255));
}

test('socket reader: every byte arrives once and in order, in reads of all sizes', async (t) => {
  const [here, there] = await pair(t);
  const pieces: Buffer[] = [];
  new SocketReader(here, (bytes) => pieces.push(Buffer.from(bytes)));
  here.resume();
  let at = 0;
  for (const size of [1, 100, 70_000, 5, 8191, 8192, 300_000, 20, 20, 65_536, 1]) {
    there.write(pattern(size, at));
    at += size;
    while (pieces.reduce((sum, piece) => sum + piece.length, 0) < at) await new Promise(setImmediate);
  }
  assert.ok(Buffer.concat(pieces).equals(pattern(at)), 'nothing is lost or comes twice');
});

test('socket reader: reads in place where Node lets it, without a queue between', async (t) => {
  const [here, there] = await pair(t);
  let pushed = 0;
  const push = here.push.bind(here);
  here.push = (...chunk: Parameters<typeof push>) => (pushed++, push(...chunk));
  const read = new Promise((resolve) => new SocketReader(here, resolve));
  here.resume();
  there.write('x');
  await read;
  assert.equal(pushed, 0, 'this Node reads into our memory');
});

test('socket reader: a pause holds, also one that follows a resume in the same turn', async (t) => {
  const [here, there] = await pair(t);
  let read = 0;
  new SocketReader(here, (bytes) => (read += bytes.length));
  here.resume();
  here.pause(); // Node has begun to resume, and starts to read in the next tick all the same
  for (let i = 0; i < 64; i++) there.write(Buffer.alloc(64 * 1024));
  for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
  assert.ok(read <= 64 * 1024, `${read} bytes came through a pause`);
  here.resume();
  while (read < 64 * 64 * 1024) await new Promise(setImmediate);
});

test('socket reader: bytes that were read before come first, also before an end', async (t) => {
  const [here, there] = await pair(t);
  there.end('first');
  here.on('readable', () => {}); // somebody looks at the connection, and leaves what there is
  while (here.readableLength < 5) await new Promise(setImmediate);
  here.removeAllListeners('readable');
  const heard: string[] = [];
  here.on('end', () => heard.push('end'));
  new SocketReader(here, (bytes) => heard.push(bytes.toString()));
  here.resume();
  await once(here, 'end');
  assert.deepEqual(heard, ['first', 'end']);
});

test('socket reader: a paused socket is not read, and goes on where it was', async (t) => {
  const [here, there] = await pair(t);
  let read = 0;
  new SocketReader(here, (bytes) => {
    read += bytes.length;
    here.pause();
  });
  here.resume();
  const all = 64 * 1024 * 1024;
  there.write(Buffer.alloc(all));
  while (read === 0) await new Promise(setImmediate);
  const before = read;
  for (let i = 0; i < 50; i++) await new Promise(setImmediate);
  assert.equal(read, before);
  assert.ok(there.writableLength > 0, 'the sender had to wait');
  here.resume();
  while (read === before) await new Promise(setImmediate);
});

test('socket reader: a released socket is an ordinary stream, and can be taken again', async (t) => {
  const [here, there] = await pair(t);
  const heard: string[] = [];
  const reader = new SocketReader(here, (bytes) => heard.push(`one ${bytes.toString()}`));
  here.resume();
  there.write('a');
  while (heard.length < 1) await new Promise(setImmediate);
  here.pause();
  reader.release();
  here.once('data', (bytes) => {
    heard.push(`data ${String(bytes)}`);
    here.pause();
    new SocketReader(here, (more) => heard.push(`two ${more.toString()}`));
    here.resume();
    there.write('c');
  });
  here.resume();
  there.write('b');
  while (heard.length < 3) await new Promise(setImmediate);
  assert.deepEqual(heard, ['one a', 'data b', 'two c']);
});
