import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { Kube } from '../../conformance/kube.ts';

test('kube: a request that meets a kept connection which the server was closing is sent again', async () => {
  const used = new Set<Socket>();
  const server = createServer((request, response) => {
    if (used.has(request.socket)) return void request.socket.destroy(); // as if it had been closed while idle
    used.add(request.socket);
    response.end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const kube = await Kube.connect(
    JSON.stringify({
      clusters: [{ name: 'c', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'u', user: {} }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  try {
    for (let i = 0; i < 3; i++) assert.equal((await kube.get('/api')).code, 200);
    assert.equal(used.size, 3);
  } finally {
    kube.close();
    server.close();
    server.closeAllConnections();
  }
});
