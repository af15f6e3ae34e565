import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { FakeClock, systemClock } from '../../src/base/clock.ts';
import { createAuthority } from '../../src/identity/authority.ts';
import { buildCertificate } from '../../src/identity/certificate.ts';
import type { Credentials } from '../../src/mesh/credentials.ts';
import { byHand } from './by-hand.ts';
import { allow, APP_PORT, eventually, identityOf, testMesh, type TestMesh, type Workload } from './mesh.ts';

const LIMIT = { timeout: 30_000 };
const HOUR = 3_600_000;

async function scene(mesh: TestMesh): Promise<{ web: Workload; cart: Workload }> {
  const web = await mesh.workload('web');
  const cart = await mesh.workload('cart', { http: (_req, res) => res.end('ok') });
  mesh.service('cart', { to: [cart] });
  mesh.policy(cart, { mode: 'deny', rules: [allow(web)] });
  mesh.apply();
  return { web, cart };
}

test('tunnel: the peer of a good certificate is who it says', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { cart } = await scene(mesh);
  assert.equal(await byHand(cart, mesh.issue(identityOf('web'))), '200 served');
  assert.equal(await byHand(cart, mesh.issue(identityOf('other'))), '403 ACCESS_DENIED');
});

test('tunnel: callers without a valid certificate get no stream', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web, cart } = await scene(mesh);
  const stranger = createAuthority({ clock: systemClock, trustDomain: 'test.local' });
  const past = createAuthority({
    clock: new FakeClock(Date.now() - 48 * HOUR),
    trustDomain: 'test.local',
    state: mesh.authority.state.current()!,
  });
  const foreign = createAuthority({ clock: systemClock, trustDomain: 'evil.local' });
  const cases: [string, Credentials | undefined][] = [
    ['none', undefined],
    ['signed by a stranger', mesh.issue(web.identity, stranger)],
    ['expired', mesh.issue(web.identity, past)],
    ['of another trust domain', mesh.issue('spiffe://evil.local/ns/shop/sa/web', foreign)],
    ['with two names', twoNames(mesh)],
  ];
  for (const [name, credentials] of cases) assert.equal(await byHand(cart, credentials), 'refused', name);
  const refused = cart.proxy!.describe().tunnels;
  assert.deepEqual([refused.open, refused.refused], [0, cases.length]);
  const old = await byHand(cart, mesh.issue(web.identity), {}, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });
  assert.match(old, /^handshake/);
  assert.match(await byHand(cart, mesh.issue(web.identity), {}, { ALPNProtocols: ['http/1.1'] }), /^handshake/);
  assert.equal((await web.get('http://cart/')).status, 200, 'the others notice nothing');
});

function twoNames(mesh: TestMesh): Credentials {
  const good = mesh.issue(identityOf('web'));
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const state = mesh.authority.state.current()!;
  const now = Date.now();
  const uris = [identityOf('web'), identityOf('admin')];
  const fields = { commonName: 'web', publicKey, notBefore: now - HOUR, notAfter: now + HOUR, uris };
  return {
    ...good,
    certificateChain: buildCertificate(fields, {
      certificate: new X509Certificate(state.signing.certificate),
      privateKey: createPrivateKey(state.signing.privateKey),
    }),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

test(
  'tunnel: handshakes that lead to nothing, however many from one address, leave room for others',
  LIMIT,
  async (t) => {
    const mesh = testMesh(t);
    const { web, cart } = await scene(mesh);
    let [refused, lost] = [0, 0];
    const silent = Array.from({ length: 300 }, () => {
      const socket = net.connect({ ...cart.listener('tunnel'), localAddress: '127.77.0.1' });
      return socket.on('error', () => refused++).on('close', () => lost++);
    });
    t.after(() => silent.forEach((socket) => socket.destroy()));
    await eventually(() => refused >= 300 - 64); // reset at once: the others hold what one address may
    assert.equal((await web.get('http://cart/')).status, 200);
    silent.forEach((socket) => socket.destroy());
    await eventually(() => lost === 300);
    const opens = () =>
      new Promise<boolean>((resolve) => {
        const where = { ...cart.listener('tunnel'), localAddress: '127.77.0.1', ALPNProtocols: ['h2'] };
        const late = tls.connect({ ...where, rejectUnauthorized: false }, () => resolve(true));
        t.after(() => late.destroy());
        late.on('error', () => {}).on('close', () => resolve(false));
      });
    await eventually(opens); // the places are free again
  },
);

test('tunnel: it leads to the pod itself and to no port of the sidecar', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web, cart } = await scene(mesh);
  const mine = mesh.issue(web.identity);
  const to = (destination: string) => byHand(cart, mine, { 'x-weft-destination': destination });
  assert.equal(await to(`${web.address}:${APP_PORT}`), '421 MISDIRECTED');
  assert.equal(await to(`127.0.0.1:${APP_PORT}`), '421 MISDIRECTED');
  assert.equal(await to(`localhost:${APP_PORT}`), '421 MISDIRECTED');
  assert.equal(await to(`${cart.address}:15008`), '403 FORBIDDEN_DESTINATION');
  assert.equal(await to(`${cart.address}:15020`), '403 FORBIDDEN_DESTINATION');
  assert.equal(await to('nonsense'), '400 BAD_REQUEST');
  assert.equal(await byHand(cart, mine, {}), '400 BAD_REQUEST');
});

test('tunnel: an endpoint that proves to be somebody else gets nothing', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web');
  let reached = 0;
  const cart = await mesh.workload('cart', {
    http: (_req, res) => {
      reached++;
      res.end();
    },
    credentials: (issue) => issue(identityOf('thief')),
  });
  mesh.service('cart', { to: [cart] });
  mesh.apply();
  const answer = await web.get('http://cart/');
  assert.deepEqual([answer.status, answer.headers['x-weft-reason']], [503, 'IDENTITY_MISMATCH']);
  assert.equal(reached, 0);
});

test('tunnel: before credentials there are neither tunnels out nor in, afterwards both', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web', { credentials: () => undefined });
  const cart = await mesh.workload('cart', { http: (_req, res) => res.end(), credentials: () => undefined });
  mesh.service('cart', { to: [cart] });
  mesh.apply();
  assert.equal(web.proxy!.ready.current(), false);
  assert.equal((await web.get('http://cart/')).headers['x-weft-reason'], 'NOT_CONFIGURED');
  web.credentials.set(mesh.issue(web.identity));
  assert.equal(web.proxy!.ready.current(), true);
  assert.equal((await web.get('http://cart/')).headers['x-weft-reason'], 'CONNECT_FAILED');
  cart.credentials.set(mesh.issue(cart.identity));
  await eventually(async () => (await web.get('http://cart/')).status === 200);
});

test('rotation: new certificates and a new root cost no request', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web, cart } = await scene(mesh);
  let running = true;
  const statuses = new Set<number>();
  let requests = 0;
  const load = Array.from({ length: 4 }, async () => {
    while (running) {
      statuses.add((await web.get('http://cart/')).status);
      requests++;
    }
  });
  const renew = async () => {
    const before = requests;
    for (const workload of [web, cart]) {
      workload.credentials.set(mesh.issue(workload.identity));
      await eventually(() => requests > before + 20);
    }
  };
  await renew();
  await mesh.authority.rotate(); // both roots are trusted from here on
  await renew();
  running = false;
  await Promise.all(load);
  assert.deepEqual([...statuses], [200]);
  assert.equal(web.credentials.current()!.trustBundle.length, 2);
  await eventually(() => cart.proxy!.describe().tunnels.open <= 2); // old tunnels end when their streams have
});

test('rotation: a root that is trusted no more ends its tunnels', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web, cart } = await scene(mesh);
  assert.equal((await web.get('http://cart/')).status, 200);
  assert.equal(cart.proxy!.describe().tunnels.open, 1);
  const other = createAuthority({ clock: systemClock, trustDomain: 'test.local' });
  const trustBundle = other.trustBundle.current()!;
  cart.credentials.set({ ...mesh.issue(cart.identity, other), trustBundle });
  await eventually(() => cart.proxy!.describe().tunnels.open === 0);
  assert.equal((await web.get('http://cart/')).headers['x-weft-reason'], 'IDENTITY_MISMATCH');
});

test('tunnel: a certificate that expires while its tunnel is open is worth nothing from then on', LIMIT, async (t) => {
  const mesh = testMesh(t);
  let ahead = 0;
  const clock = { now: () => Date.now() + ahead, sleep: systemClock.sleep.bind(systemClock) };
  const web = await mesh.workload('web');
  const cart = await mesh.workload('cart', { http: (_req, res) => res.end('ok'), options: { clock } });
  mesh.service('cart', { to: [cart] });
  mesh.policy(cart, { mode: 'deny', rules: [allow(web)] });
  mesh.apply();
  assert.equal((await web.get('http://cart/')).status, 200);
  ahead = 25 * HOUR;
  const answer = await web.get('http://cart/');
  assert.deepEqual([answer.status, answer.headers['x-weft-reason']], [403, 'NO_IDENTITY']);
});
