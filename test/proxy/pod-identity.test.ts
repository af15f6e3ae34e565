import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import type { AccessRule, HttpMatch } from '../../src/mesh/resources.ts';
import { byHand } from './by-hand.ts';
import { APP_PORT, identityOf, ownAddress, testMesh, type Workload, type WorkloadSpec } from './mesh.ts';

/*
 * Pods that share a ServiceAccount, told apart by what their certificates say (smi.md A20): what a podLabelSelector of an
 * IdentityBinding stands for at the sidecar of the destination.
 */

const LIMIT = { timeout: 30_000 };
const RED = 'pod-red';
const BLUE = 'pod-blue';

function onlyPods(pods: readonly string[], http?: readonly HttpMatch[]): AccessRule {
  return { name: 'TrafficTarget shop/red-only', principals: [], pods, ...(http && { http }) };
}

/** Two pods of one ServiceAccount, and an app that lets in what `rule` says. */
async function scene(t: TestContext, rule: AccessRule, app: WorkloadSpec = {}) {
  const mesh = testMesh(t);
  const reached: string[] = [];
  const pod = (name: string, uid: string | undefined) =>
    mesh.workload(name, {
      serviceAccount: 'web',
      credentials: (make) => make(identityOf('web'), undefined, uid),
    });
  const red = await pod('red', RED);
  const blue = await pod('blue', BLUE);
  const cart = await mesh.workload('cart', {
    http: (req, res) => {
      reached.push(String(req.url));
      res.end('ok');
    },
    ...app,
  });
  mesh.service('cart', { to: [cart] });
  const allow = (next: AccessRule) => {
    mesh.policy(cart, { mode: 'deny', rules: [next] });
    mesh.apply();
  };
  allow(rule);
  return { mesh, pod, red, blue, cart, reached, allow };
}

const code = async (from: Workload, path = '/', headers: Record<string, string> = {}) => {
  const { status, headers: answer } = await from.get(`http://cart${path}`, headers);
  return `${status} ${String(answer['x-weft-reason'] ?? 'served')}`;
};

test('pod identity: of two pods with one ServiceAccount only the selected one gets in (A20)', LIMIT, async (t) => {
  const { red, blue, reached } = await scene(t, onlyPods([RED]));
  assert.equal(await code(red, '/red'), '200 served');
  assert.equal(await code(blue, '/blue'), '403 ACCESS_DENIED');
  assert.deepEqual(reached, ['/red']);
});

test('pod identity: nothing that a caller says makes it another pod', LIMIT, async (t) => {
  const { mesh, blue, cart, reached } = await scene(t, onlyPods([RED]));
  const lies = {
    'x-weft-pod': RED,
    'x-weft-peer': RED,
    'x-forwarded-client-cert': `URI=${identityOf('web')};UID=${RED}`,
  };
  assert.equal(await code(blue, '/', lies), '403 ACCESS_DENIED');
  const destination = { 'x-weft-destination': `${cart.address}:${APP_PORT}` };
  const by = (pod: string | undefined) => mesh.issue(identityOf('web'), undefined, pod);
  assert.equal(await byHand(cart, by(BLUE), { ...destination, ...lies }), '403 ACCESS_DENIED');
  assert.equal(await byHand(cart, by(undefined), destination), '403 ACCESS_DENIED', 'a certificate that names no pod');
  assert.equal(await byHand(cart, by(`${RED}0`), destination), '403 ACCESS_DENIED');
  assert.deepEqual(reached, []);
  assert.equal(await byHand(cart, by(RED), destination), '200 served');
});

test('pod identity: the next pod with the same address is not the last one', LIMIT, async (t) => {
  const { mesh, cart } = await scene(t, onlyPods([RED]));
  const localAddress = ownAddress();
  const destination = { 'x-weft-destination': `${cart.address}:${APP_PORT}` };
  const from = (pod: string) =>
    byHand(cart, mesh.issue(identityOf('web'), undefined, pod), destination, { localAddress });
  assert.equal(await from(RED), '200 served');
  assert.equal(await from('pod-newcomer'), '403 ACCESS_DENIED');
});

test('pod identity: a pod that is selected no more is denied from its next request on', LIMIT, async (t) => {
  const http = [{ name: 'g/api', pathRegex: '/api' }];
  const { red, blue, allow, cart } = await scene(t, onlyPods([RED], http));
  assert.equal(await code(red, '/api'), '200 served');
  assert.equal(await code(red, '/other'), '403 ACCESS_DENIED');
  allow(onlyPods([BLUE], http));
  assert.equal(await code(red, '/api'), '403 ACCESS_DENIED');
  assert.equal(await code(blue, '/api'), '200 served');
  assert.equal(cart.proxy!.describe().tunnels.open, 2, 'each on the tunnel that it had');
});

test(
  'pod identity: the live connections of a pod that is selected no more end, those of others stay (A19)',
  LIMIT,
  async (t) => {
    const echo: WorkloadSpec = { tcp: (socket) => socket.pipe(socket) };
    const { red, blue, allow } = await scene(t, onlyPods([RED, BLUE]), echo);
    const [lost, kept] = [await red.connect('cart:80'), await blue.connect('cart:80')];
    for (const socket of [lost, kept]) {
      socket.resume();
      socket.write('hello');
      assert.equal(String((await once(socket, 'data'))[0]), 'hello');
    }
    const ended = once(lost, 'error') as Promise<[NodeJS.ErrnoException]>;
    allow(onlyPods([BLUE]));
    await ended;
    kept.write('still here');
    assert.equal(String((await once(kept, 'data'))[0]), 'still here');
    kept.destroy();
  },
);
