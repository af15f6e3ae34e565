import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { WatchSource } from '../../src/base/watch.ts';
import type { Credentials } from '../../src/mesh/credentials.ts';
import type { ProxyConfig, WorkloadResource } from '../../src/mesh/resources.ts';
import { createProxy } from '../../src/proxy/assemble.ts';

// Runs in a network namespace with one ephemeral port: a client's connection to a sidecar, and that of the sidecar to an
// app, have the same local address and port. Prints the statuses of three requests.
const app = http.createServer((_request, response) => response.end('ok')).listen(8080, '127.0.0.2');
await once(app, 'listening');
const labels = { namespace: 'shop', pod: 'web-1', serviceAccount: 'web', ownerKind: 'pod', owner: 'web-1' };
const workload: WorkloadResource = {
  type: 'workload',
  key: 'workload',
  trustDomain: 'test.local',
  identity: 'spiffe://test.local/ns/shop/sa/web',
  labels,
  opaquePorts: [],
};
const proxy = createProxy({
  listeners: { forward: [{ address: '127.0.0.1', port: 9000, destination: '127.0.0.2:8080' }] },
  config: new WatchSource<ProxyConfig>(new Map([[workload.key, workload]])),
  credentials: new WatchSource<Credentials>(),
  clock: systemClock,
  random: Math.random,
  log: silentLog,
});
const stop = new AbortController();
const running = proxy.run(stop.signal);
while (proxy.ready.current() !== true) await new Promise((resolve) => setTimeout(resolve, 5));
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const statuses: (number | undefined)[] = [];
const ports = new Set<number>();
for (let i = 0; i < 3; i++) {
  const request = http.get({ host: '127.0.0.1', port: 9000, agent });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  statuses.push(response.statusCode);
  ports.add((response.socket.address() as AddressInfo).port);
  await once(response.resume(), 'end');
}
console.log(JSON.stringify({ statuses, ports: [...ports] }));
agent.destroy();
app.close().closeAllConnections();
stop.abort();
await running;
