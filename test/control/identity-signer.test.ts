import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { FakeClock } from '../../src/base/clock.ts';
import { identitySigner, type TokenVerdict } from '../../src/control/identity-signer.ts';
import { RateLimiter } from '../../src/control/rate-limiter.ts';
import { createAuthority } from '../../src/identity/authority.ts';
import { buildSigningRequest } from '../../src/identity/certificate.ts';
import type { Pod } from '../../src/spec/kubernetes.ts';
import { shop } from './cluster.ts';

const request = buildSigningRequest(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
const body = JSON.stringify({ request });
const never = new AbortController().signal;
const good: TokenVerdict = {
  authenticated: true,
  namespace: 'shop',
  serviceAccount: 'web',
  podName: 'web-1',
  podUid: 'uid-web-1',
};

function setup(verdict: TokenVerdict | Error = good, change: (pod: Pod) => Pod | undefined = (pod) => pod) {
  const clock = new FakeClock();
  const authority = createAuthority({ clock, trustDomain: 'cluster.local' });
  const cluster = shop();
  const asked: string[] = [];
  const signer = identitySigner({
    authority,
    clock,
    reviewToken: (token, audience) => {
      asked.push(`${token} ${audience}`);
      return verdict instanceof Error ? Promise.reject(verdict) : Promise.resolve(verdict);
    },
    findPod: (_, name) => {
      const pod = cluster.pod(name);
      return Promise.resolve(pod && change(pod));
    },
  });
  return { signer, asked, clock, handle: (auth = 'Bearer t', text = body) => signer.handle(auth, text, never) };
}

test('identity signer: the identity is what token and pod say', async () => {
  const { handle, asked } = setup();
  const reply = await handle();
  assert.equal(reply.status, 200);
  const certificate = new X509Certificate(String(reply.body['certificateChain']));
  assert.equal(certificate.subjectAltName, 'URI:spiffe://cluster.local/ns/shop/sa/web');
  assert.match(certificate.subject, /^UID=uid-web-1$/m);
  assert.equal((reply.body['trustBundle'] as string[]).length, 1);
  assert.deepEqual(asked, ['t weft']);
});

const bound = good as Extract<TokenVerdict, { authenticated: true }>;
const { podName: _name, podUid: _uid, ...unbound } = bound;
const refusals: [string, TokenVerdict | Error, ((pod: Pod) => Pod | undefined) | undefined, number, RegExp][] = [
  [
    'a token of another audience',
    { authenticated: false, reason: 'the token is not for "weft"' },
    undefined,
    401,
    /not for "weft"/,
  ],
  ['a token that is bound to no pod', unbound, undefined, 403, /not bound to a pod/],
  ['a pod that is gone', good, () => undefined, 403, /pod shop\/web-1 does not exist/],
  [
    'a pod of the same name that came later',
    { ...bound, podUid: 'uid-old' },
    undefined,
    403,
    /another pod that was called/,
  ],
  ['a pod of another namespace', { ...bound, podName: 'nowhere-1' }, undefined, 403, /does not exist/],
  [
    'a pod that is terminating',
    good,
    (pod) => ({ ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }),
    403,
    /terminating/,
  ],
  [
    'a pod that has ended',
    good,
    (pod) => ({ ...pod, status: { ...pod.status, phase: 'Succeeded' } }),
    403,
    /has ended/,
  ],
  ['another service account than the pod has', { ...bound, serviceAccount: 'cart' }, undefined, 403, /does not run as/],
  ['an API server that cannot be asked', new Error('ECONNREFUSED'), undefined, 503, /try again/],
];
for (const [what, verdict, change, status, reason] of refusals) {
  test(`identity signer: refuses ${what} (${status})`, async () => {
    const reply = await setup(verdict, change).handle();
    assert.equal(reply.status, status);
    assert.match(String(reply.body['error']), reason);
    assert.equal(reply.body['certificateChain'], undefined);
  });
}

test('identity signer: requests without a token or of another form are refused before anybody is asked', async () => {
  const { handle, signer, asked } = setup();
  assert.equal((await signer.handle(undefined, body, never)).status, 401);
  for (const auth of ['', 'Basic dDp0', 'Bearer ', 'Bearer a b', `Bearer ${'x'.repeat(20_000)}`]) {
    assert.equal((await handle(auth)).status, 401);
  }
  for (const text of ['', '[]', '{"request":1}', 'null']) assert.equal((await handle('Bearer t', text)).status, 400);
  assert.deepEqual(asked, []);
  assert.equal((await handle('Bearer t', '{"request":"rubbish"}')).status, 400);
});

test('identity signer: a pod that asks too often waits, others do not', async () => {
  const { handle, clock } = setup();
  const statuses = [];
  for (let i = 0; i < 12; i++) statuses.push((await handle()).status);
  assert.deepEqual(statuses, [...Array<number>(10).fill(200), 429, 429]);
  await clock.advance(61_000);
  assert.equal((await handle()).status, 200);
  assert.equal((await handle()).status, 429);
});

test('identity signer: a swarm of requests is bounded', async () => {
  const clock = new FakeClock();
  const authority = createAuthority({ clock, trustDomain: 'cluster.local' });
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  let reviews = 0;
  const reviewToken = async () => {
    reviews++;
    await gate;
    return { authenticated: false, reason: 'unknown' } as const;
  };
  const signer = identitySigner({ authority, clock, reviewToken, findPod: () => Promise.resolve(undefined) });
  const replies = Array.from({ length: 1000 }, (_, i) => signer.handle(`Bearer ${i}`, body, never));
  release();
  const statuses = (await Promise.all(replies)).map((r) => r.status);
  assert.equal(reviews, 100);
  assert.equal(statuses.filter((s) => s === 503).length, 900);
});

test('rate limiter: forgets keys that are full again, and the oldest when there are too many', () => {
  const clock = new FakeClock();
  const limiter = new RateLimiter(clock, { burst: 1, refillMs: 1000, maxKeys: 2 });
  assert.deepEqual([limiter.take('a'), limiter.take('a')], [true, false]);
  assert.equal(limiter.take('b'), true);
  assert.equal(limiter.take('c'), true); // pushes a out
  assert.equal(limiter.take('b'), false);
  assert.equal(limiter.take('a'), true);
});
