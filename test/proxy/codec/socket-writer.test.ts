import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { SocketWriter } from '../../../src/proxy/codec/socket-writer.ts';
import { portOf } from './forwarder.ts';

const MANY = 16 * 1024 * 1024; // more than the kernel keeps for a reader that does not read

/** Two ends of one connection; nobody reads at `far` yet. */
async function pair(t: TestContext) {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const near = connect({ port: portOf(server), host: '127.0.0.1', allowHalfOpen: true });
  const [far] = await accepted;
  near.on('error', () => {});
  far.on('error', () => {});
  t.after(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  if (near.connecting) await once(near, 'connect');
  return { near, far };
}

/** Bytes that tell where they belong. */
function numbered(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 7 + (i >> 8) + seed;
  return bytes;
}

async function readAll(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

test('socket writer: a small write is with the kernel at once', async (t) => {
  const { near, far } = await pair(t);
  const writer = new SocketWriter(near, () => {});
  const memory = Buffer.from('hello ');
  writer.write([memory]);
  assert.equal(writer.unsent, 0);
  memory.fill('x'); // it may be used again
  writer.write([Buffer.from('wor'), Buffer.from('ld')]);
  near.end();
  assert.equal((await readAll(far)).toString(), 'hello world');
});

test('socket writer: what the kernel does not take waits, in order, and room is told when it has gone', async (t) => {
  const { near, far } = await pair(t);
  const told: number[] = [];
  const writer: SocketWriter = new SocketWriter(near, () => told.push(writer.unsent));
  const parts = [numbered(MANY, 1), numbered(1000, 2), numbered(MANY, 3)];
  writer.write([parts[0]!]);
  assert.equal(writer.unsent, MANY, 'all of it must stay as it is');
  writer.write([parts[1]!]);
  near.write(parts[2]!); // whoever writes in another way comes after it
  near.end();
  assert.deepEqual(told, []);
  const read = await readAll(far);
  assert.ok(read.equals(Buffer.concat(parts)));
  assert.equal(told.at(-1), MANY, 'what the other way wrote still waits');
  assert.equal(writer.unsent, 0);
});

test('socket writer: after a peer that resets the connection there is an error, and nothing more is tried', async (t) => {
  const { near, far } = await pair(t);
  const writer = new SocketWriter(near, () => {});
  const closed = new Promise((resolve) => near.once('close', resolve));
  writer.write([numbered(MANY, 1)]);
  far.resetAndDestroy();
  await closed;
  assert.match(String(near.errored), /ECONNRESET|EPIPE/);
  writer.write([Buffer.from('late')]);
  assert.equal(writer.unsent, 0);
});

test('socket writer: a socket that is not connected yet keeps what it is given', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect(portOf(server), '127.0.0.1');
  t.after(() => {
    near.destroy();
    server.close();
  });
  const writer = new SocketWriter(near, () => {});
  writer.write([Buffer.from('early')]);
  assert.equal(writer.unsent, 5);
  near.end();
  const [far] = (await once(server, 'connection')) as [Socket];
  assert.equal((await readAll(far)).toString(), 'early');
});
