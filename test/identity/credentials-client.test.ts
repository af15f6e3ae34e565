import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { FakeClock } from '../../src/base/clock.ts';
import { silentLog, type LogFields, type Logger } from '../../src/base/log.ts';
import { seeded } from '../../src/base/random.ts';
import { until } from '../../src/base/watch.ts';
import { createAuthority, type Authority } from '../../src/identity/authority.ts';
import { credentialsClient, type Signed } from '../../src/identity/credentials-client.ts';
import type { Credentials } from '../../src/mesh/credentials.ts';
import { trustBundle, verifyTlsPeer } from '../../src/mesh/verify-peer.ts';

const HOUR = 3600_000;
const DAY = 24 * HOUR;
const TRUST_DOMAIN = 'cluster.local';
const id = (name: string) => `spiffe://${TRUST_DOMAIN}/ns/shop/sa/${name}`;

function party(clock: FakeClock, name: string, sign: (request: string) => Promise<Signed>, log: Logger = silentLog) {
  const client = credentialsClient({ clock, random: seeded(name.length), trustDomain: TRUST_DOMAIN, sign, log });
  const stop = new AbortController();
  const done = client.run(stop.signal);
  return {
    ...client,
    async end() {
      stop.abort();
      await done;
    },
  };
}

function signer(authority: Authority, name: string) {
  return (publicKey: string) => Promise.resolve(authority.sign({ identity: id(name), publicKey }));
}

/** Lets key generation, which runs on real threads, come to its end. */
async function later(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

function judge(socket: TLSSocket, own: Credentials, now: number): string {
  const verdict = verifyTlsPeer(socket, trustBundle(TRUST_DOMAIN, own.trustBundle), now);
  return verdict.ok ? verdict.identity : verdict.reason;
}

/** A server that answers each connection with who it thinks the client is, or why not. */
async function echo(credentials: () => Credentials, clock: FakeClock) {
  const sockets = new Set<TLSSocket>();
  const context = () => ({ cert: credentials().certificateChain, key: credentials().privateKey });
  const options = { ...context(), requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.3' } as const;
  const server = createServer(options, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    socket.on('data', () => socket.write(`${judge(socket, credentials(), clock.now())}\n`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    renew: () => server.setSecureContext(context()),
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** One request; resolves with [who the client sees, who the server sees]. */
async function call(port: number, own: Credentials, now: number): Promise<[string, string]> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    cert: own.certificateChain,
    key: own.privateKey,
    rejectUnauthorized: false, // verifyTlsPeer decides: OpenSSL would look at the real clock
  });
  try {
    await once(socket, 'secureConnect');
    const server = judge(socket, own, now);
    socket.write('?');
    const [reply] = (await once(socket, 'data')) as [Buffer];
    return [server, reply.toString().trim()];
  } finally {
    socket.destroy();
  }
}

test('credentials: a week of leaf renewals and a root rotation pass without a failed request', async () => {
  const clock = new FakeClock();
  const authority = createAuthority({ clock, trustDomain: TRUST_DOMAIN });
  const stop = new AbortController();
  const tending = authority.run(stop.signal);
  const cart = party(clock, 'cart', signer(authority, 'cart'));
  await later(() => cart.credentials.current() !== undefined);
  await clock.advance(8 * HOUR); // out of step: each lives through a stage with leaves of the stage before around
  const web = party(clock, 'web', signer(authority, 'web'));
  await later(() => web.credentials.current() !== undefined);
  const server = await echo(() => cart.credentials.current()!, clock);
  cart.credentials.subscribe(() => server.renew());
  const seen = { web: new Set<string>(), cart: new Set<string>(), roots: new Set<string>(), stages: new Set<string>() };
  try {
    for (let hour = 0; hour < 7 * 24; hour += 2) {
      if (hour === 30) await authority.rotate();
      await clock.advance(2 * HOUR);
      const now = clock.now();
      // Key generation needs real time, in which the fake clock stands still: wait for what is due by now.
      await later(() => [web, cart].every((p) => p.credentials.current()!.notAfter - now > DAY / 4));
      const own = web.credentials.current()!;
      assert.deepEqual(await call(server.port, own, now), [id('cart'), id('web')], `hour ${hour}`);
      seen.web.add(own.certificateChain);
      seen.cart.add(cart.credentials.current()!.certificateChain);
      seen.stages.add(authority.state.current()!.stage);
      for (const root of own.trustBundle) seen.roots.add(root);
    }
  } finally {
    server.close();
    stop.abort();
    await Promise.all([web.end(), cart.end(), tending]);
  }
  assert.deepEqual([...seen.stages], ['steady', 'distributing', 'switched']);
  assert.equal(seen.roots.size, 2);
  assert.ok(seen.web.size >= 10 && seen.cart.size >= 10, `${seen.web.size} and ${seen.cart.size} certificates`);
  assert.equal(web.credentials.current()!.trustBundle.length, 1);
});

test('verifyTlsPeer: sees no certificate, a foreign root and an expired leaf over real connections', async () => {
  const clock = new FakeClock();
  const authority = createAuthority({ clock, trustDomain: TRUST_DOMAIN });
  const foreign = createAuthority({ clock, trustDomain: TRUST_DOMAIN });
  const parties = [signer(authority, 'cart'), signer(authority, 'web'), signer(foreign, 'web')].map((s) =>
    party(clock, 'x', s),
  );
  const [cart, web, evil] = await Promise.all(
    parties.map((p) => until(p.credentials, () => true, new AbortController().signal)),
  );
  const server = await echo(() => cart!, clock);
  try {
    const now = clock.now();
    assert.deepEqual(await call(server.port, web!, now), [id('cart'), id('web')]);
    assert.deepEqual(await call(server.port, evil!, now), ['UNTRUSTED', 'UNTRUSTED']);
    const anonymous = connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(anonymous, 'secureConnect');
    anonymous.write('?');
    assert.equal(((await once(anonymous, 'data')) as [Buffer])[0].toString(), 'NO_CERTIFICATE\n');
    anonymous.destroy();
    await Promise.all(parties.map((p) => p.end()));
    await clock.advance(DAY);
    assert.deepEqual(await call(server.port, web!, clock.now()), ['EXPIRED', 'EXPIRED']);
  } finally {
    server.close();
  }
});

test('credentials: a failing signer is asked again with growing pauses and the old certificate stays', async () => {
  const clock = new FakeClock();
  const authority = createAuthority({ clock, trustDomain: TRUST_DOMAIN });
  const attempts: number[] = [];
  const pauses: number[] = [];
  const log = {
    ...silentLog,
    warn: (_: string, fields?: LogFields) => void pauses.push(Number(fields?.['backoffMs'])),
  };
  let down = false;
  const sign = async (request: string) => {
    attempts.push(clock.now());
    if (down) throw new Error('connection refused');
    return signer(authority, 'web')(request);
  };
  const web = party(clock, 'web', sign, log);
  await later(() => web.credentials.current() !== undefined);
  const first = web.credentials.current()!;
  down = true;
  const begin = clock.now();
  while (pauses.length < 7) {
    await later(() => clock.sleeping > 0);
    await clock.advance(pauses.length === 0 ? HOUR : 1000);
  }
  assert.equal(web.credentials.current(), first);
  const renewal = attempts[1]! - begin;
  assert.ok(renewal > 0.55 * DAY && renewal < 0.8 * DAY, `renewed after ${renewal / HOUR} h`);
  for (const [i, pause] of pauses.entries()) {
    const middle = Math.min(60_000, 500 * 2 ** i);
    assert.ok(Math.abs(pause / middle - 1) <= 0.2 + 1e-9, `pause ${i}: ${pause} ms`);
  }
  down = false;
  while (web.credentials.current() === first) {
    await later(() => clock.sleeping > 0);
    await clock.advance(1000);
  }
  assert.ok(web.credentials.current()!.notAfter > first.notAfter);
  await web.end();
});

test('credentials: what a peer would refuse is not taken', async () => {
  const clock = new FakeClock();
  const authority = createAuthority({ clock, trustDomain: TRUST_DOMAIN });
  const foreign = createAuthority({ clock, trustDomain: TRUST_DOMAIN });
  const stale = await signer(
    authority,
    'web',
  )(
    '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEBiXOXXV776zCVuEBiH++dNJZQKqa\n/QHVkUI9Uwh5YjqHlR4kw42Dv2/X5C1giWypplJ+3+WiTwLLbdsfQM+aLQ==\n-----END PUBLIC KEY-----\n',
  );
  const answers: ((request: string) => Promise<Signed>)[] = [
    () => Promise.resolve(stale), // somebody else's key
    async (request) => ({ ...(await signer(foreign, 'web')(request)), trustBundle: authority.trustBundle.current()! }),
    () => Promise.resolve({ certificateChain: '', trustBundle: [] }),
    () => new Promise(() => undefined), // never answers
  ];
  let asked = 0;
  const web = party(clock, 'web', (request) => (answers[asked++] ?? signer(authority, 'web'))(request));
  while (asked <= answers.length) {
    assert.equal(web.credentials.current(), undefined);
    await later(() => clock.sleeping > 0);
    await clock.advance(1000);
  }
  await later(() => web.credentials.current() !== undefined);
  assert.equal(web.credentials.current()!.identity, id('web'));
  await web.end();
});
