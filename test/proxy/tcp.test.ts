import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { test } from 'node:test';
import { allow, APP_PORT, eventually, readAll, testMesh, type TestMesh, type Workload } from './mesh.ts';

const LIMIT = { timeout: 30_000 };

/** Speaks first, then echoes; says `bye` when its client has ended. */
function greeter(socket: Socket): void {
  socket.write('hello ');
  socket.on('data', (chunk) => socket.write(chunk));
  socket.on('end', () => socket.end(' bye'));
}

async function scene(mesh: TestMesh): Promise<{ web: Workload; db: Workload }> {
  const web = await mesh.workload('web');
  const db = await mesh.workload('db', { tcp: greeter });
  mesh.service('db', { to: [db], port: 5432, protocol: 'tcp' });
  return { web, db };
}

/** How a connection ends: the error's code, or `end`. */
function fate(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    socket.on('end', () => resolve('end'));
    socket.resume();
  });
}

async function said(socket: Socket, text: string): Promise<void> {
  let all = '';
  await new Promise<void>((resolve, reject) => {
    socket.on('close', () => reject(new Error(`closed after ${JSON.stringify(all)}`)));
    socket.on('data', function listen(chunk) {
      all += String(chunk);
      if (!all.includes(text)) return;
      socket.pause().removeListener('data', listen);
      resolve();
    });
    socket.resume();
  });
}

test(
  'tcp: a server that speaks first is heard at once on an opaque port, and both directions half-close',
  LIMIT,
  async (t) => {
    const mesh = testMesh(t);
    const { web, db } = await scene(mesh);
    mesh.policy(db, { mode: 'deny', rules: [allow(web)] });
    mesh.apply();
    const socket = await web.connect('db:5432');
    await said(socket, 'hello ');
    socket.end('one');
    assert.equal(await readAll(socket), 'one bye');
    await eventually(() => db.total((s) => s.tcpOpen) === 0 && web.total((s) => s.tcpOpen) === 0);
    for (const side of [web, db]) {
      assert.deepEqual([side.total((s) => s.tcpOpened), side.total((s) => s.tcpClosed)], [1, 1]);
      assert.deepEqual([side.total((s) => s.bytesWritten), side.total((s) => s.bytesRead)], [3, 13]);
    }
  },
);

test('tcp: large transfers arrive whole in both directions at once', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web } = await scene(mesh);
  mesh.apply();
  const socket = await web.connect('db:5432');
  const chunk = Buffer.alloc(64 * 1024, 7);
  let received = 0;
  socket.on('data', (data: Buffer) => (received += data.length)).resume();
  for (let i = 0; i < 200; i++) if (!socket.write(chunk)) await once(socket, 'drain');
  socket.end();
  await once(socket, 'end');
  assert.equal(received, 'hello '.length + 200 * chunk.length + ' bye'.length);
});

test('tcp: when nobody speaks in time the connection counts as opaque', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web', { options: { limits: { detectTimeoutMs: 50 } } });
  const db = await mesh.workload('db', { tcp: greeter });
  mesh.service('db', { to: [db], port: 5432, protocol: 'detect' });
  mesh.apply();
  const socket = await web.connect('db:5432');
  await said(socket, 'hello ');
  socket.destroy();
});

test('tcp: bytes that are no HTTP pass as they are on a port without a protocol', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web, db } = await scene(mesh);
  mesh.service('db', { to: [db], port: 5432, protocol: 'detect' });
  mesh.apply();
  const socket = await web.connect('db:5432');
  socket.end('\x16\x03\x01 not HTTP');
  assert.equal(await readAll(socket), 'hello \x16\x03\x01 not HTTP bye');
});

test('tcp: a refusal is a reset, and rules for HTTP grant no raw connection (A7, A13)', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web, db } = await scene(mesh);
  const rules = [[], [allow(web, [{ name: 'all' }])]];
  for (const granted of rules) {
    mesh.policy(db, { mode: 'deny', rules: granted });
    mesh.apply();
    const socket = await web.connect('db:5432');
    assert.equal(await fate(socket), 'ECONNRESET');
  }
  await eventually(() => db.total((s) => s.refused.get('ACCESS_DENIED') ?? 0) === 2);
  const plain = net.connect(APP_PORT, db.address);
  assert.equal(await fate(plain), 'ECONNRESET');
});

test('tcp: a revoked grant ends the connections that it let in, and no others (A19)', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web, db } = await scene(mesh);
  const other = await mesh.workload('other');
  mesh.policy(db, { mode: 'deny', rules: [allow(web), allow(other)] });
  mesh.apply();
  const revoked = await web.connect('db:5432');
  const kept = await other.connect('db:5432');
  await Promise.all([said(revoked, 'hello '), said(kept, 'hello ')]);
  mesh.policy(db, { mode: 'deny', rules: [allow(other)] });
  mesh.apply();
  await new Promise((resolve) => revoked.resume().once('close', resolve));
  kept.write('still here');
  await said(kept, 'still here');
  kept.destroy();
});

test('tcp: a split is decided per connection, and never by a route with matches (S15, S16)', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web } = await scene(mesh);
  const v2 = await mesh.workload('v2', { tcp: (socket) => socket.end('v2') });
  mesh.service('v2', { to: [v2], port: 5432, protocol: 'tcp' });
  mesh.split('db', { v2: 1 });
  mesh.apply();
  assert.equal(await readAll(await web.connect('db:5432')), 'v2');
  mesh.split('db', { v2: 1 }, [{ name: 'g/all' }]);
  mesh.apply();
  const socket = await web.connect('db:5432');
  socket.end();
  assert.equal(await readAll(socket), 'hello  bye');
});

test('tcp: an endpoint that is down resets the caller', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web, db } = await scene(mesh);
  mesh.apply();
  await db.stop();
  const socket = await web.connect('db:5432');
  assert.equal(await fate(socket), 'ECONNRESET');
});

test('socks5: connects by name and by address, refuses what it does not do', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web, db } = await scene(mesh);
  mesh.service('db', { to: [db], port: 5432, protocol: 'tcp', address: '10.96.0.9' });
  mesh.apply();
  const name = Buffer.from('\x05\x01\x00\x05\x01\x00\x03\x02db\x15\x38', 'latin1');
  const address = Buffer.from([5, 2, 2, 0, 5, 1, 0, 1, 10, 96, 0, 9, 0x15, 0x38]);
  for (const bytes of [name, address]) {
    const socket = net.connect({ ...web.listener('explicit'), allowHalfOpen: true });
    socket.end(Buffer.concat([bytes, Buffer.from('hi')]));
    assert.equal(await readAll(socket), '\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00hello hi bye');
  }
  const bind = net.connect(web.listener('explicit'));
  bind.write(Buffer.from([5, 1, 0, 5, 2, 0, 1, 10, 96, 0, 9, 0x15, 0x38]));
  assert.equal((await readAll(bind)).charCodeAt(3), 7);
  const password = net.connect(web.listener('explicit'));
  password.write(Buffer.from([5, 1, 2]));
  assert.equal(await readAll(password), '\x05ÿ'.replace('ÿ', '\ufffd'));
});

test('connect: HTTP inside of CONNECT is routed as HTTP', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web');
  const cart = await mesh.workload('cart', { http: (req, res) => res.end(`got ${req.url}`) });
  mesh.service('cart', { to: [cart] });
  mesh.policy(cart, { mode: 'deny', rules: [allow(web, [{ name: 'ok', pathRegex: '/ok' }])] });
  mesh.apply();
  const socket = await web.connect('cart:80');
  socket.write('GET /ok HTTP/1.1\r\nhost: cart\r\n\r\nGET /no HTTP/1.1\r\nhost: cart\r\nconnection: close\r\n\r\n');
  const all = await readAll(socket);
  assert.match(all, /got \/ok/);
  assert.match(all, /403 Forbidden/);
  const nonsense = net.connect(web.listener('explicit'));
  nonsense.write('CONNECT 127.1:x HTTP/1.1\r\n\r\n');
  assert.match(await readAll(nonsense), /^HTTP\/1.1 400 [\s\S]*x-weft-reason: BAD_REQUEST/);
});

test(
  'tcp: an end that comes while the far side cannot take more waits for what was said before it',
  LIMIT,
  async (t) => {
    const mesh = testMesh(t);
    const bytes = randomBytes(4 * 1024 * 1024); // more than all windows and buffers between the ends take
    const accepted = Promise.withResolvers<Socket>();
    const web = await mesh.workload('web');
    const db = await mesh.workload('db', { tcp: (socket) => accepted.resolve(socket.pause()) });
    mesh.service('db', { to: [db], port: 5432, protocol: 'tcp' });
    mesh.apply();
    const client = await web.connect('db:5432');
    client.end(bytes);
    const server = await accepted.promise;
    const chunks: Buffer[] = [];
    let heldAt = -1;
    await eventually(() => heldAt === (heldAt = client.bytesWritten - client.writableLength)); // nothing moves any more
    server.on('data', (chunk) => chunks.push(chunk)).resume();
    await once(server, 'end');
    server.end('thanks');
    assert.equal(await readAll(client), 'thanks');
    assert.ok(bytes.equals(Buffer.concat(chunks)));
  },
);
