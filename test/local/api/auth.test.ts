import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../../src/base/clock.ts';
import { CONFIG_MAPS, configMap, serve, type Served } from './serve.ts';

const ACCOUNTS = '/api/v1/namespaces/default/serviceaccounts';
const PODS = '/api/v1/namespaces/default/pods';
const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';

async function tokenFor(served: Served, spec: object = {}): Promise<string> {
  await served.call('POST', ACCOUNTS, {
    body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'robot' } },
  });
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
  const answer = await served.call('POST', `${ACCOUNTS}/robot/token`, { body });
  assert.equal(answer.code, 201, answer.text);
  return String(answer.body['status']?.['token']);
}

async function reviewed(served: Served, token: string, audiences?: string[]) {
  const spec = { token, ...(audiences === undefined ? {} : { audiences }) };
  const { body } = await served.call('POST', REVIEWS, {
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec },
  });
  return body['status'];
}

test('tokens: a service account can use its own, until it is deleted', async (t) => {
  const served = await serve(t);
  const token = await tokenFor(served);
  assert.equal((await served.call('GET', '/api/v1/pods', { token })).code, 200);
  const who = await served.call('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    token,
  });
  assert.equal(String(who.body['status']?.['userInfo']?.['username']), 'system:serviceaccount:default:robot');
  await served.call('DELETE', `${ACCOUNTS}/robot`);
  assert.equal((await served.call('GET', '/api/v1/pods', { token })).code, 401);
});

test('tokens: one for another audience is no key to the API, and TokenReview says for whom it is good', async (t) => {
  const served = await serve(t);
  const token = await tokenFor(served, { audiences: ['weft'] });
  assert.equal((await served.call('GET', '/api/v1/pods', { token })).code, 401);
  const good = await reviewed(served, token, ['weft', 'other']);
  assert.deepEqual([good?.['authenticated'], good?.['audiences']], [true, ['weft']]);
  assert.equal((await reviewed(served, token, ['other']))?.['authenticated'], false);
  assert.equal((await reviewed(served, token))?.['authenticated'], false);
});

test('tokens: one that is bound to a pod dies with the pod and names it', async (t) => {
  const served = await serve(t);
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [{ name: 'c' }] } };
  const made = await served.call('POST', PODS, { body: pod });
  const uid = made.body['metadata']?.['uid'];
  const token = await tokenFor(served, {
    audiences: ['weft'],
    boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p', uid },
  });
  const extra = (await reviewed(served, token, ['weft']))?.['user']?.['extra'];
  assert.deepEqual(extra?.['authentication.kubernetes.io/pod-name'], ['p']);
  await served.call('DELETE', `${PODS}/p`);
  assert.equal((await reviewed(served, token, ['weft']))?.['authenticated'], false);
});

test('tokens: they expire, and cannot be altered', async (t) => {
  const clock = new FakeClock(Date.now());
  const served = await serve(t, { clock });
  const token = await tokenFor(served, { expirationSeconds: 600 });
  const [head = '', body = '', mac = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
  const forged = Buffer.from(JSON.stringify({ ...claims, exp: 9e9 })).toString('base64url');
  assert.equal((await served.call('GET', '/api/v1/pods', { token: `${head}.${forged}.${mac}` })).code, 401);
  const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
  assert.equal((await served.call('GET', '/api/v1/pods', { token: `${none}.${body}.` })).code, 401);
  assert.equal((await served.call('GET', '/api/v1/pods', { token })).code, 200);
  await clock.advance(601_000);
  assert.equal((await served.call('GET', '/api/v1/pods', { token })).code, 401);
  assert.equal(
    (await served.call('POST', `${ACCOUNTS}/robot/token`, { body: { spec: { expirationSeconds: 5 } } })).code,
    422,
  );
});

test('authorization: with rbac, a token may do what its roles say and nothing else', async (t) => {
  const served = await serve(t, { authorization: 'rbac' });
  const token = await tokenFor(served);
  const refused = await served.call('GET', CONFIG_MAPS, { token });
  assert.equal(refused.code, 403);
  assert.match(
    refused.text,
    /User \\"system:serviceaccount:default:robot\\" cannot list resource \\"configmaps\\" in API group \\"\\" in the namespace \\"default\\"/,
  );
  const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
  const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list', 'create'] }];
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  await served.call('POST', `${rbac}/roles`, { body: { apiVersion, kind: 'Role', metadata: { name: 'r' }, rules } });
  const subjects = [{ kind: 'ServiceAccount', name: 'robot', namespace: 'default' }];
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' };
  await served.call('POST', `${rbac}/rolebindings`, {
    body: { apiVersion, kind: 'RoleBinding', metadata: { name: 'b' }, subjects, roleRef },
  });
  assert.equal((await served.call('GET', CONFIG_MAPS, { token })).code, 200);
  assert.equal((await served.call('POST', CONFIG_MAPS, { token, body: configMap('a') })).code, 201);
  assert.equal((await served.call('DELETE', `${CONFIG_MAPS}/a`, { token })).code, 403);
  assert.equal((await served.call('GET', CONFIG_MAPS.replace('default', 'kube-system'), { token })).code, 403);
});

test('impersonation: for administrators only', async (t) => {
  const served = await serve(t);
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const headers = { 'impersonate-user': 'jane', 'impersonate-group': 'devs' };
  const as = await served.call('POST', path, { body: review, headers });
  assert.deepEqual(as.body['status']?.['userInfo'], { username: 'jane', groups: ['devs', 'system:authenticated'] });
  const token = await tokenFor(served);
  assert.equal((await served.call('POST', path, { body: review, headers, token })).code, 403);
});
