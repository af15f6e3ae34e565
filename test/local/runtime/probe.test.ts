import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { PODS } from '../../../src/local/controllers/resources.ts';
import { probe, type ProbeTarget } from '../../../src/local/runtime/probe.ts';
import { dial } from '../../../src/local/runtime/process-isolation.ts';
import { eventually } from '../controllers/cluster.ts';
import { conditionOf, eventsOf, mainState, shellPod, startMachine } from './machine.ts';

async function listen(t: TestContext, server: Server | ReturnType<typeof createHttp2>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

function target(port: number): ProbeTarget {
  return {
    container: { name: 'main', ports: [{ name: 'web', containerPort: port }] },
    host: () => '127.0.0.1',
    connect: (p, host, signal) => dial(p, host ?? '127.0.0.1', signal),
    exec: () => Promise.resolve({ code: 3, output: ' went wrong \n' }),
  };
}

const never = new AbortController().signal;

test('probe: httpGet succeeds from 200 to 399, by port name too, and sends its headers', async (t) => {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers['x-mine']} ${request.headers['user-agent']}`);
    response.writeHead(request.url === '/moved' ? 302 : request.url === '/ok' ? 200 : 503).end('body');
  });
  const port = await listen(t, server);
  const httpHeaders = [{ name: 'X-Mine', value: 'yes' }];
  assert.equal(await probe({ httpGet: { path: '/ok', port: 'web', httpHeaders } }, target(port), never), undefined);
  assert.equal(await probe({ httpGet: { path: '/moved', port } }, target(port), never), undefined);
  assert.equal(await probe({ httpGet: { port } }, target(port), never), 'HTTP probe failed with statuscode: 503');
  assert.equal(seen[0], 'GET /ok yes kube-probe/1.35');
  assert.match((await probe({ httpGet: { port: 'nope' } }, target(port), never)) ?? '', /has no port named "nope"/);
});

test('probe: tcpSocket connects, exec tells its output, silence times out', async (t) => {
  const port = await listen(
    t,
    createServer(() => {}),
  );
  assert.equal(await probe({ tcpSocket: { port } }, target(port), never), undefined);
  assert.match((await probe({ tcpSocket: { port: 1 } }, target(port), never)) ?? '', /ECONNREFUSED/);
  assert.equal(await probe({ exec: { command: ['x'] } }, target(port), never), 'went wrong');
  assert.equal(await probe({ httpGet: { port }, timeoutSeconds: 1 }, target(port), never), 'probe timed out after 1s');
});

test('probe: grpc asks the health service', async (t) => {
  const asked: Buffer[] = [];
  const status = { value: 1 };
  const server = createHttp2();
  server.on('stream', (stream, headers) => {
    assert.equal(headers[':path'], '/grpc.health.v1.Health/Check');
    stream.on('data', (chunk: Buffer) => asked.push(chunk));
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, status.value]));
    });
  });
  const port = await listen(t, server);
  assert.equal(await probe({ grpc: { port, service: 'shop' } }, target(port), never), undefined);
  assert.deepEqual(Buffer.concat(asked), Buffer.from([0, 0, 0, 0, 6, 0x0a, 4, ...Buffer.from('shop')]));
  status.value = 2;
  assert.match((await probe({ grpc: { port } }, target(port), never)) ?? '', /NOT_SERVING/);
});

test('probes: readiness follows the app both ways, its container is not restarted', async (t) => {
  const { client } = await startMachine(t);
  const readinessProbe = { periodSeconds: 1, failureThreshold: 1 };
  const script = 'sleep 0.3; touch $FLAG; sleep 1.2; rm $FLAG; sleep 100';
  const volumes = [{ name: 'v', emptyDir: {} }];
  const probed = { exec: { command: ['sh', '-c', 'test -e $WEFT_VOLUME_V/flag'] } };
  const body = script.replaceAll('$FLAG', '$WEFT_VOLUME_V/flag');
  await client.create(PODS, shellPod('web', body, { readinessProbe: { ...readinessProbe, ...probed } }, { volumes }));
  await eventually(() => assert.equal(mainState(client, 'web').state.running === undefined, false));
  assert.equal(mainState(client, 'web').ready, false);
  assert.equal(conditionOf(client, 'web', 'Ready')?.message, 'containers with unready status: [main]');
  await eventually(() => assert.equal(conditionOf(client, 'web', 'Ready')?.status, 'True'));
  await eventually(() => assert.equal(conditionOf(client, 'web', 'Ready')?.status, 'False'));
  assert.equal(mainState(client, 'web').restartCount, 0);
  assert.ok(eventsOf(client, 'web').some((e) => e.startsWith('Unhealthy: Readiness probe failed: ')));
});

test('probes: a failing liveness probe restarts the container, a failing startup probe too', async (t) => {
  const { client } = await startMachine(t);
  const failing = { exec: { command: ['false'] }, periodSeconds: 1, failureThreshold: 1 };
  await client.create(PODS, shellPod('alive', 'sleep 100', { livenessProbe: failing }));
  await client.create(PODS, shellPod('start', 'sleep 100', { startupProbe: failing, readinessProbe: failing }));
  for (const name of ['alive', 'start']) {
    await eventually(() => assert.ok(mainState(client, name).restartCount > 0));
    const kind = name === 'alive' ? 'liveness' : 'startup';
    const message = `Killing: Container main failed ${kind} probe, will be restarted`;
    await eventually(() => assert.ok(eventsOf(client, name).includes(message)));
    assert.equal(mainState(client, name).lastState.terminated?.exitCode, 143);
  }
});
