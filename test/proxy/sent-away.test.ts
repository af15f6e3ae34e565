import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import net, { type Socket } from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import * as h2 from '../../src/proxy/codec/http2-frames.ts';
import type { Credentials } from '../../src/mesh/credentials.ts';
import { byHand } from './by-hand.ts';
import { APP_PORT, eventually, identityOf, testMesh, type Workload } from './mesh.ts';

const LIMIT = { timeout: 30_000 };
const PINGS = Buffer.concat(
  Array.from({ length: 100 }, () => Buffer.concat([h2.frameHeader(h2.PING, 0, 0, 8), Buffer.alloc(8)])),
);

/** A tunnel that says nothing but PING until it is closed. */
async function pingFlood(cart: Workload, { certificateChain, privateKey }: Credentials): Promise<void> {
  const socket = tls.connect({
    host: cart.address,
    port: 15008,
    rejectUnauthorized: false,
    ALPNProtocols: ['weft/1'],
    cert: certificateChain,
    key: privateKey,
  });
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  await once(socket, 'secureConnect');
  socket.resume();
  socket.write(Buffer.concat([h2.PREFACE, h2.settingsFrame([])]));
  for (let i = 0; i < 20; i++) socket.write(PINGS);
  await closed;
}

test('tunnel: a peer that was sent away is not welcome for a moment, others from elsewhere are', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web');
  const cart = await mesh.workload('cart', {
    http: (_req, res) => res.end('ok'),
    options: { limits: { unwelcomeMs: 60_000 } },
  });
  mesh.service('cart', { to: [cart] });
  mesh.apply();
  assert.equal((await web.get('http://cart/')).status, 200);
  const evil = mesh.issue(identityOf('evil'));
  assert.equal(await byHand(cart, evil), '200 served');
  await pingFlood(cart, evil);
  assert.match(await byHand(cart, evil), /^handshake/);
  const elsewhere = { localAddress: web.address };
  const destination = { 'x-weft-destination': `${cart.address}:${APP_PORT}` };
  assert.equal(await byHand(cart, mesh.issue(web.identity), destination, elsewhere), '200 served');
  assert.equal((await web.get('http://cart/')).status, 200, 'from the same address, but its tunnel was there before');
});

test('tunnel: after that moment the peer is welcome again', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const cart = await mesh.workload('cart', {
    http: (_req, res) => res.end('ok'),
    options: { limits: { unwelcomeMs: 1 } },
  });
  mesh.apply();
  const evil = mesh.issue(identityOf('evil'));
  await pingFlood(cart, evil);
  await eventually(async () => (await byHand(cart, evil)) === '200 served');
});

test('http/2: a request that the server has left behind goes over another connection', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web', { forward: 'cart:80' });
  const server = http2.createServer((_req, res) => res.end('ok'));
  let connections = 0;
  const accept = (socket: Socket) => {
    socket.on('error', () => {});
    if (++connections > 1) return server.emit('connection', socket);
    // It looks at none, and stays open: what was sent to it would never be answered
    const goaway = Buffer.concat([h2.frameHeader(h2.GOAWAY, 0, 0, 8), Buffer.alloc(8)]);
    return socket.once('data', () => socket.resume().write(Buffer.concat([h2.settingsFrame([]), goaway])));
  };
  await mesh
    .workload('cart', {
      unmeshed: true,
      async listen(address, port) {
        const listener = net.createServer(accept).listen(port, address);
        await once(listener, 'listening');
        return listener;
      },
    })
    .then((cart) => mesh.service('cart', { to: [cart] }));
  mesh.apply();
  const { host, port } = web.listener('forward');
  const session = http2.connect(`http://${host}:${port}`);
  const stream = session.request({ ':path': '/', ':authority': 'cart' });
  const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  assert.equal(answer[':status'], 200);
  assert.equal(connections, 2);
  session.destroy();
});
