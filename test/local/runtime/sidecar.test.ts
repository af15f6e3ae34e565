import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ApiObject } from '../../../src/local/api-client.ts';
import { PODS } from '../../../src/local/controllers/resources.ts';
import type { SidecarContext } from '../../../src/local/runtime/options.ts';
import { eventually } from '../controllers/cluster.ts';
import { conditionOf, eventsOf, eventuallyLogs, logsOf, podOf, shellPod, startMachine } from './machine.ts';

/** Stands in for `weft proxy`: ready when a file says so, and writes down when it begins and ends. */
const SIDECAR = `
const { createServer } = require('node:http'), fs = require('node:fs');
const { address, folder } = JSON.parse(process.argv[1]);
console.log('token: ' + fs.readFileSync(process.argv[2], 'utf8'));
createServer((q, s) => s.writeHead(q.url === '/ready' && fs.existsSync(folder + '/ready') ? 200 : 503).end())
  .listen(15020, address);
fs.appendFileSync(folder + '/order', 'sidecar up\\n');
process.on('SIGTERM', () => { fs.appendFileSync(folder + '/order', 'sidecar down\\n'); process.exit(0); });
`;

function injected(name: string, script: string, spec: object = {}): ApiObject {
  const pod = shellPod(name, script, {}, spec);
  return { ...pod, metadata: { ...pod.metadata, annotations: { 'weft.dev/injected': 'true' } } };
}

test('sidecar: starts before the app, gates readiness, ends after the app', async (t) => {
  const contexts: SidecarContext[] = [];
  const machine = await startMachine(t, {
    sidecar(context) {
      contexts.push(context);
      const settings = JSON.stringify({ address: context.publishedAddress, folder: machine.folder });
      return { command: [process.execPath, '-e', SIDECAR, settings, context.tokenFile] };
    },
  });
  const { client, folder, runtime } = machine;
  const order = join(folder, 'order');
  const script = `echo app up >> ${order}; trap 'echo app down >> ${order}; exit 0' TERM; while :; do sleep 0.02; done`;
  await client.create(PODS, injected('web', script));
  await eventually(() => assert.equal(existsSync(order) && readFileSync(order, 'utf8'), 'sidecar up\n'));
  const pod = podOf(client, 'web');
  assert.equal(pod.status?.phase, 'Pending');
  const [context] = contexts;
  assert.equal(pod.status?.podIP, context?.publishedAddress);
  assert.notEqual(context?.appAddress, context?.publishedAddress);
  assert.equal(context?.isolation, 'process');
  assert.deepEqual([...runtime.sidecars()], [['default/web', false]]);
  writeFileSync(join(folder, 'ready'), '');
  await eventually(() => assert.equal(conditionOf(client, 'web', 'Ready')?.status, 'True'));
  await eventually(() => assert.equal(readFileSync(order, 'utf8'), 'sidecar up\napp up\n'));
  assert.deepEqual([...runtime.sidecars()], [['default/web', true]]);
  assert.equal(await logsOf(runtime, 'web', { container: 'weft-proxy' }), 'token: token of default for weft\n');
  rmSync(join(folder, 'ready'));
  await eventually(() => assert.equal(conditionOf(client, 'web', 'Ready')?.reason, 'SidecarNotReady'));
  await client.delete(PODS, 'default', 'web', { gracePeriodSeconds: 5 });
  await eventually(() => assert.equal(client.get(PODS, 'default', 'web'), undefined));
  await eventually(() => assert.match(readFileSync(order, 'utf8'), /app down\nsidecar down\n$/));
  await eventually(() => assert.equal(runtime.sidecars().size, 0));
});

test('sidecar: the app is told its private address and to go through the sidecar, in both cases', async (t) => {
  const machine = await startMachine(t, {
    sidecar(context) {
      const settings = JSON.stringify({ address: context.publishedAddress, folder: machine.folder });
      return { command: [process.execPath, '-e', SIDECAR, settings, context.tokenFile] };
    },
  });
  const { client, folder, runtime } = machine;
  writeFileSync(join(folder, 'ready'), '');
  const script =
    'echo $POD_IP $HTTP_PROXY $http_proxy $HTTPS_PROXY $all_proxy $NODE_USE_ENV_PROXY; echo $no_proxy; sleep 100';
  const pod = injected('web', script);
  const env = [{ name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }];
  const [main] = (pod.spec as { containers: object[] }).containers;
  await client.create(PODS, { ...pod, spec: { ...(pod.spec as object), containers: [{ ...main, env }] } });
  const log = await eventuallyLogs(runtime, 'web', /\n.*\n/);
  const published = podOf(client, 'web').status?.podIP ?? '';
  const [, a, x, y] = published.split('.').map(Number);
  const proxy = `http://${published}:15001`;
  const own = `127.${a}.${(x ?? 0) + 128}.${y}`;
  assert.equal(log, `${own} ${proxy} ${proxy} ${proxy} ${proxy} 1\nlocalhost,127.0.0.1,::1,${own},${published}\n`);
});

test('sidecar: ends with a Job, whose pod then has succeeded', async (t) => {
  const machine = await startMachine(t, {
    sidecar(context) {
      const settings = JSON.stringify({ address: context.publishedAddress, folder: machine.folder });
      return { command: [process.execPath, '-e', SIDECAR, settings, context.tokenFile] };
    },
  });
  const { client, folder } = machine;
  writeFileSync(join(folder, 'ready'), '');
  await client.create(PODS, injected('once', 'exit 0', { restartPolicy: 'Never' }));
  await eventually(() => assert.equal(podOf(client, 'once').status?.phase, 'Succeeded'));
  await eventually(() => assert.equal(readFileSync(join(folder, 'order'), 'utf8'), 'sidecar up\nsidecar down\n'));
});

test('isolation process: an app that listens on every address is told what to do', async (t) => {
  const machine = await startMachine(t, {
    sidecar(context) {
      const settings = JSON.stringify({ address: context.publishedAddress, folder: machine.folder });
      return { command: [process.execPath, '-e', SIDECAR, settings, context.tokenFile] };
    },
  });
  const { client, folder } = machine;
  writeFileSync(join(folder, 'ready'), '');
  const app = `require('node:net').createServer().listen(0)`;
  const pod = injected('web', '');
  const [main] = (pod.spec as { containers: object[] }).containers;
  const containers = [{ ...main, command: [process.execPath, '-e', app] }];
  await client.create(PODS, { ...pod, spec: { ...(pod.spec as object), containers } });
  await eventually(() => {
    const events = client.list({ group: '', resource: 'events' }, 'default');
    const found = events.find((e) => e.reason === 'ListensEverywhere');
    assert.match(String(found?.message), /listens on port \d+ of every address.*--isolation netns/);
  });
});

test('isolation process: an app whose port is taken by another pod is told what to do', async (t) => {
  const { client } = await startMachine(t);
  const server = createServer().listen(0);
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const command = [process.execPath, '-e', `require('node:net').createServer().listen(${port})`];
  await client.create(PODS, shellPod('web', '', { command }));
  await eventually(() => {
    const hint = eventsOf(client, 'web').find((e) => e.startsWith('AddressInUse'));
    assert.match(hint ?? '', /the port is taken.*status\.podIP.*--isolation netns/);
  });
});
