import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { fail, reply } from './fake-api-server.ts';
import { setup } from './setup.ts';

const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';
const AUDIENCE = 'weft.dev/ca';

/** Reviews one token while the server answers with `status`. */
async function review(t: TestContext, status: unknown, token = 'abc') {
  const { server, client, signal } = await setup(t);
  server.intercept = (request, response) => {
    if (request.path === REVIEWS) reply(response, 201, { ...(request.body as object), status });
    return request.path === REVIEWS;
  };
  return { result: await client.reviewToken(token, AUDIENCE, signal), server };
}

const user = {
  username: 'system:serviceaccount:shop:web',
  extra: {
    'authentication.kubernetes.io/pod-name': ['web-1'],
    'authentication.kubernetes.io/pod-uid': ['u-1'],
  },
};

test('token review: a token for the audience is its service account and pod', async (t) => {
  const { result, server } = await review(t, { authenticated: true, audiences: [AUDIENCE], user });
  assert.deepEqual(result, {
    authenticated: true,
    namespace: 'shop',
    serviceAccount: 'web',
    podName: 'web-1',
    podUid: 'u-1',
  });
  const { body } = server.requests.at(-1) ?? assert.fail();
  assert.deepEqual((body as { spec: unknown }).spec, { token: 'abc', audiences: [AUDIENCE] });
});

const refusals: readonly (readonly [string, unknown, RegExp])[] = [
  ['a token that the server does not know', { authenticated: false, error: 'token is expired' }, /expired/],
  ['a reply without status', undefined, /does not know/],
  ['authenticated that is a text', { authenticated: 'true', audiences: [AUDIENCE], user }, /does not know/],
  ['a token for another audience', { authenticated: true, audiences: ['other'], user }, /not for audience/],
  ['a server that knows no audiences', { authenticated: true, user }, /not for audience/],
  ['a person', { authenticated: true, audiences: [AUDIENCE], user: { username: 'jane' } }, /service account/],
  [
    'a name that only looks like a service account',
    { authenticated: true, audiences: [AUDIENCE], user: { username: 'system:serviceaccount:a:b:c' } },
    /service account/,
  ],
];

for (const [what, status, reason] of refusals) {
  test(`token review: refuses ${what}`, async (t) => {
    const { result } = await review(t, status);
    assert.ok(!result.authenticated);
    assert.match(result.reason, reason);
  });
}

test('token review: an empty token and an endless one are refused without asking', async (t) => {
  for (const token of ['', 'x'.repeat(20_000)]) {
    const { result, server } = await review(t, { authenticated: true, audiences: [AUDIENCE], user }, token);
    assert.equal(result.authenticated, false);
    assert.equal(server.requests.length, 0);
  }
});

test('token review: an API server that fails is an error, not a refusal', async (t) => {
  const { server, client, signal } = await setup(t);
  server.intercept = (_, response) => {
    fail(response, 500, 'InternalError', 'no etcd');
    return true;
  };
  await assert.rejects(client.reviewToken('abc', AUDIENCE, signal), /no etcd/);
});

test('token request: asks for audience, life and pod, and gives back token and expiry', async (t) => {
  const { server, client, signal } = await setup(t);
  server.intercept = (_, response) => {
    reply(response, 201, { status: { token: 'xyz', expirationTimestamp: '2026-01-01T01:00:00Z' } });
    return true;
  };
  const request = { namespace: 'shop', serviceAccount: 'web', audience: AUDIENCE, expirationSeconds: 600 };
  const issued = await client.requestToken({ ...request, pod: { name: 'web-1', uid: 'u-1' } }, signal);
  assert.deepEqual(issued, { token: 'xyz', expiresAtMs: Date.UTC(2026, 0, 1, 1) });
  const { path, body } = server.requests[0] ?? assert.fail();
  assert.equal(path, '/api/v1/namespaces/shop/serviceaccounts/web/token');
  assert.deepEqual((body as { spec: unknown }).spec, {
    audiences: [AUDIENCE],
    expirationSeconds: 600,
    boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'web-1', uid: 'u-1' },
  });
});

test('token request: a reply without a token is an error', async (t) => {
  const { server, client, signal } = await setup(t);
  server.intercept = (_, response) => {
    reply(response, 201, {});
    return true;
  };
  const request = { namespace: 'shop', serviceAccount: 'web', audience: AUDIENCE, expirationSeconds: 600 };
  await assert.rejects(client.requestToken(request, signal), /without a token/);
});

test('pod lookup: finds a pod, and nobody for one that is not there', async (t) => {
  const { server, client, signal } = await setup(t);
  server.put('/api/v1/namespaces/shop/pods/web-1', { metadata: { name: 'web-1', namespace: 'shop' }, spec: {} });
  assert.equal((await client.pod('shop', 'web-1', signal))?.spec.serviceAccountName, 'default');
  assert.equal(await client.pod('shop', 'web-2', signal), undefined);
});
