import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessEntry } from '../../src/proxy/filter/record.ts';
import { allow, APP_PORT, eventually, testMesh } from './mesh.ts';

test('access log: both sides say what became of an exchange and why', { timeout: 20_000 }, async (t) => {
  const mesh = testMesh(t);
  const entries: AccessEntry[] = [];
  const accessLog = (entry: AccessEntry) => void entries.push(entry);
  const web = await mesh.workload('web', { options: { accessLog } });
  const cart = await mesh.workload('cart', { http: (_req, res) => res.end('12345'), options: { accessLog } });
  mesh.service('cart', { to: [cart] });
  mesh.policy(cart, { mode: 'deny', rules: [allow(web, [{ name: 'api', pathRegex: '/api' }])] });
  mesh.apply();
  await web.request('POST', 'http://cart/api?x=1', {}, 'body');
  await web.get('http://cart/admin');
  await eventually(() => entries.length === 4);
  const find = (direction: string, path: string) => entries.find((e) => e.direction === direction && e.path === path)!;
  const out = find('outbound', '/api?x=1');
  const { method, status, service, route, backend, endpoint, bytesSent, bytesReceived } = out;
  assert.deepEqual(
    [method, status, service, route, backend, endpoint, bytesSent, bytesReceived],
    ['POST', 200, 'shop/cart/80', 'Service shop/cart', 'cart', `${cart.address}:${APP_PORT}`, 4, 5],
  );
  const granted = find('inbound', '/api?x=1');
  assert.deepEqual(
    [granted.peer, granted.grantedBy, granted.reason],
    [web.identity, 'TrafficTarget shop/test', undefined],
  );
  const denied = find('inbound', '/admin');
  assert.deepEqual([denied.status, denied.reason, denied.grantedBy], [403, 'ACCESS_DENIED', undefined]);
  assert.equal(denied.message, `no TrafficTarget allows ${web.identity} GET on port ${APP_PORT}`);
});

test('metrics off: nothing is counted, everything else goes on', { timeout: 20_000 }, async (t) => {
  const mesh = testMesh(t);
  const entries: AccessEntry[] = [];
  const options = { metrics: false, accessLog: (entry: AccessEntry) => void entries.push(entry) };
  const web = await mesh.workload('web', { options });
  const cart = await mesh.workload('cart', { http: (_req, res) => res.end('12345'), options });
  mesh.service('cart', { to: [cart] });
  mesh.policy(cart, { mode: 'deny', rules: [] });
  mesh.apply();
  const { status } = await web.get('http://cart/');
  assert.equal(status, 403);
  await eventually(() => entries.length === 2);
  assert.equal(web.total((s) => s.requests) + cart.total((s) => s.requests), 0);
});
