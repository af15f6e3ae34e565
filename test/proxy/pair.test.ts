import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allow, testMesh } from './mesh.ts';

test('pair: a request passes plain -> mutual TLS -> plain', { timeout: 20_000 }, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web');
  const cart = await mesh.workload('cart', {
    http: (req, res) => {
      res.setHeader('x-seen', JSON.stringify(req.headers));
      res.end(`${req.method} ${req.url} ${req.headers.host}`);
    },
  });
  mesh.service('cart', { to: [cart] });
  mesh.policy(cart, { mode: 'deny', rules: [allow(web)] });
  mesh.apply();
  const answer = await web.get('http://cart/a?b=c', { 'x-weft-service': 'forged' });
  assert.equal(answer.status, 200);
  assert.equal(answer.body, 'GET /a?b=c cart');
  assert.doesNotMatch(answer.headers['x-seen'] as string, /x-weft/);
});
