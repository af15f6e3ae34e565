import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { until, WatchSource } from '../../src/base/watch.ts';
import type { Credentials } from '../../src/mesh/credentials.ts';
import type { ProxyConfig, Resource } from '../../src/mesh/resources.ts';
import { createSidecar, type SidecarOptions } from '../../src/proxy/workers/sidecar.ts';
import { eventually } from './mesh.ts';

const LIMIT = { timeout: 60_000 };
/** As `weft` has it: a thread starts in a third of the time. */
const CACHE = resolve(import.meta.dirname, '../../node_modules/.cache/weft-compile');
const PROGRAM = new URL('../../src/main/proxy-worker.ts', import.meta.url);

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function app(t: TestContext, answer: http.RequestListener): Promise<number> {
  const server = http.createServer(answer).listen(0, '127.0.0.1');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A Service `app:80` with one plain endpoint. */
function configured(port: number, pathRegex?: string): ProxyConfig {
  const backend = { namespace: 'shop', service: 'app', port: 80, weight: 1, endpoints: 'endpoints/shop/app/80' };
  const route = { name: 'Service shop/app', tcp: true, policies: [], backends: [backend] };
  const matching = { ...route, tcp: false, matches: [{ name: 'm', pathRegex: pathRegex ?? '/.*' }] };
  const resources: Resource[] = [
    {
      type: 'service',
      key: 'service/shop/app',
      namespace: 'shop',
      name: 'app',
      addresses: [],
      hostnames: ['app'],
      ports: [{ number: 80, protocol: 'detect', routes: [matching, route] }],
    },
    { type: 'endpoints', key: backend.endpoints, endpoints: [{ address: '127.0.0.1', port }] },
  ];
  return new Map(resources.map((resource) => [resource.key, resource]));
}

interface Started {
  readonly sidecar: ReturnType<typeof createSidecar>;
  readonly config: WatchSource<ProxyConfig>;
  readonly threads: Worker[];
  readonly port: number;
  readonly running: Promise<void>;
  stop(): void;
}

async function start(t: TestContext, appPort: number, more: Partial<SidecarOptions> = {}): Promise<Started> {
  const port = await freePort();
  const config = new WatchSource(configured(appPort));
  const threads: Worker[] = [];
  const sidecar = createSidecar({
    concurrency: 2,
    startWorker(setup) {
      const thread = new Worker(PROGRAM, { workerData: { setup, logLevel: 'error', compileCache: CACHE } });
      threads.push(thread);
      return thread;
    },
    listeners: { forward: [{ address: '127.0.0.1', port, destination: 'app:80' }] },
    config,
    credentials: new WatchSource<Credentials>(),
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    ...more,
  });
  const stop = new AbortController();
  const running = sidecar.run(stop.signal);
  t.after(async () => {
    stop.abort(new Error('the test is over'));
    await running.catch(() => {});
  });
  await Promise.race([until(sidecar.ready, Boolean, stop.signal), running]);
  return { sidecar, config, threads, port, running, stop: () => stop.abort(new Error('stop')) };
}

/** A request on a connection of its own. */
function get(port: number): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = http.get({ port, host: '127.0.0.1', path: '/', agent: false, timeout: 20_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

async function requests({ sidecar }: Started): Promise<number> {
  return [...(await sidecar.traffic())].reduce((sum, series) => sum + series.requests, 0);
}

test('workers: connections are shared out among them, counters add up', LIMIT, async (t) => {
  const started = await start(t, await app(t, (_, res) => res.end('one')));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 40 });
  t.after(() => agent.destroy());
  const replies = await Promise.all(Array.from({ length: 40 }, () => get(started.port)));
  assert.deepEqual(new Set(replies.map(({ status, body }) => `${status} ${body}`)), new Set(['200 one']));
  assert.equal(await requests(started), 40);
  assert.equal((await started.sidecar.describe()).length, 2);
  // One of them alone would have got all 40 with a probability of 2^-39
  const open = Array.from({ length: 40 }, () => net.connect(started.port, '127.0.0.1'));
  t.after(() => open.forEach((socket) => socket.destroy()));
  await eventually(async () => {
    const states = await started.sidecar.describe();
    const each = states.map(({ listeners }) => listeners.reduce((sum, { connections }) => sum + connections, 0));
    return each.length === 2 && each.every((n) => n > 0) && each.reduce((a, b) => a + b) === 40;
  });
});

test(
  'workers: each gets what changes in the configuration; one that cannot be used stays outside',
  LIMIT,
  async (t) => {
    const first = await app(t, (_, res) => res.end('first'));
    const second = await app(t, (_, res) => res.end('second'));
    const started = await start(t, first);
    const bodies = async () =>
      new Set((await Promise.all(Array.from({ length: 20 }, () => get(started.port)))).map((r) => r.body));
    assert.deepEqual(await bodies(), new Set(['first']));
    started.config.set(configured(second));
    assert.equal(started.sidecar.refused(), undefined);
    await eventually(async () => !(await bodies()).has('first'));
    assert.deepEqual(await bodies(), new Set(['second']));
    started.config.set(configured(first, '('));
    assert.match(started.sidecar.refused() ?? '', /\(/);
    assert.deepEqual(await bodies(), new Set(['second']));
  },
);

test('workers: another one takes the place of one that died; what was counted stays counted', LIMIT, async (t) => {
  const started = await start(t, await app(t, (_, res) => res.end('one')));
  for (let i = 0; i < 20; i++) await get(started.port);
  assert.equal(await requests(started), 20);
  await started.threads[0]!.terminate();
  assert.equal(started.sidecar.ready.current(), true); // the other one serves
  assert.equal(await requests(started), 20);
  await eventually(async () => {
    const states = await started.sidecar.describe();
    return started.threads.length === 3 && states.length === 2 && states.every(({ ready }) => ready);
  });
  const replies = await Promise.all(Array.from({ length: 20 }, () => get(started.port)));
  assert.ok(replies.every(({ body }) => body === 'one'));
  assert.equal(await requests(started), 40);
});

test('workers: all of them drain before the sidecar ends', LIMIT, async (t) => {
  const waiting: http.ServerResponse[] = [];
  const started = await start(t, await app(t, (_, res) => void waiting.push(res)));
  const replies = Promise.all(Array.from({ length: 10 }, () => get(started.port)));
  await eventually(() => waiting.length === 10);
  started.stop();
  await eventually(() => started.sidecar.ready.current() === false);
  for (const response of waiting) response.end('late');
  assert.ok((await replies).every(({ status, body }) => status === 200 && body === 'late'));
  await started.running;
});

test('workers: a listener that cannot be opened ends the sidecar, as with one', LIMIT, async (t) => {
  const taken = net.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const listeners = { forward: [{ address: '127.0.0.1', port, destination: 'app:80' }] };
  await assert.rejects(start(t, 1, { listeners }), /cannot open the forward listener on 127\.0\.0\.1:\d+: EADDRINUSE/);
});

test('workers: a port that the system is to choose cannot be shared', LIMIT, async (t) => {
  const listeners = { forward: [{ address: '127.0.0.1', port: 0, destination: 'app:80' }] };
  await assert.rejects(start(t, 1, { listeners }), /cannot share port 0/);
});

test('workers: a question to the control plane is held until its answer is configured', LIMIT, async (t) => {
  const port = await app(t, (_, res) => res.end('found'));
  const asked: string[] = [];
  const config = new WatchSource<ProxyConfig>(new Map());
  const lookup = (destination: { host: string; port: number }) => {
    asked.push(`${destination.host}:${destination.port}`);
    config.set(configured(port));
    return Promise.resolve();
  };
  const started = await start(t, port, { config, lookup });
  const { body } = await get(started.port);
  assert.equal(body, 'found');
  assert.deepEqual(asked, ['app:80']);
});
