import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { byHand } from './by-hand.ts';
import { eventually, testMesh } from './mesh.ts';

test(
  'inbound: one peer has no more under way than its share, on all tunnels together; others are served',
  { timeout: 30_000 },
  async (t) => {
    const mesh = testMesh(t);
    let held = 0;
    const cart = await mesh.workload('cart', {
      http(req, res) {
        if (req.url !== '/held') return void res.end('ok');
        held++;
        res.on('close', () => held--);
      },
      options: { limits: { maxRequestsPerPeer: 3 } },
    });
    const web = await mesh.workload('web');
    const other = await mesh.workload('other');
    mesh.service('cart', { to: [cart] });
    mesh.apply();
    const { host, port } = web.listener('explicit');
    const open = Array.from({ length: 3 }, () => {
      const request = http.get({ host, port, path: 'http://cart/held', headers: { host: 'cart' }, agent: false });
      return request.on('error', () => {});
    });
    await eventually(() => held === 3);
    const refused = await web.get('http://cart/');
    assert.deepEqual([refused.status, refused.headers['x-weft-reason']], [503, 'PEER_OVERLOADED']);
    assert.equal(
      await byHand(cart, mesh.issue(web.identity)),
      '503 PEER_OVERLOADED',
      'another tunnel of the same peer',
    );
    assert.equal((await other.get('http://cart/')).status, 200);
    open[0]!.socket!.resetAndDestroy(); // a mere end could be a half-close
    await eventually(async () => (await web.get('http://cart/')).status === 200);
    for (const request of open) request.socket!.resetAndDestroy();
    await eventually(() => held === 0);
  },
);
