import assert from 'node:assert/strict';
import { once } from 'node:events';
import type http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { test } from 'node:test';
import { allow, APP_PORT, eventually, readAll, testMesh, type Workload } from './mesh.ts';

const LIMIT = { timeout: 60_000 };

/** Keeps `clients` requests going until stopped; gives the statuses that came. */
function load(web: Workload, url: string, clients: number) {
  const statuses = new Map<string, number>(); // by status, and what is no 200 by its reason too
  let running = true;
  let count = 0;
  const done = Promise.all(
    Array.from({ length: clients }, async () => {
      while (running) {
        const { status, body } = await web.get(url);
        const seen = status === 200 ? '200' : `${status} ${body}`;
        statuses.set(seen, (statuses.get(seen) ?? 0) + 1);
        count++;
      }
    }),
  );
  return {
    statuses,
    more: (n: number) => {
      const before = count;
      return eventually(() => count >= before + n);
    },
    async stop() {
      running = false;
      await done;
      return Object.fromEntries(statuses);
    },
  };
}

test('configuration: swapped under load it costs no request (S24)', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web');
  const v1 = await mesh.workload('v1', { http: (_req, res) => res.end('v1') });
  const v2 = await mesh.workload('v2', { http: (_req, res) => res.end('v2') });
  mesh.service('cart', { to: [v1, v2] });
  mesh.service('v1', { to: [v1] });
  mesh.service('v2', { to: [v2] });
  mesh.apply();
  const running = load(web, 'http://cart/', 8);
  for (const weight of [10, 50, 0, 100]) {
    mesh.split('cart', { v1: 100 - weight, v2: weight });
    mesh.policy(v1, { mode: weight > 20 ? 'permissive' : 'deny', rules: [allow(web)] });
    mesh.apply();
    await running.more(40);
  }
  mesh.service('v1', { to: [] }); // its endpoint drains
  mesh.apply();
  await running.more(40);
  const statuses = await running.stop();
  assert.deepEqual(Object.keys(statuses), ['200'], JSON.stringify(statuses));
  const live = web.proxy!.describe().endpoints;
  assert.ok(live.every((e) => e.active === 0));
});

test('endpoints: a removed one finishes what runs, and its tunnel goes', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web');
  const waiting: http.ServerResponse[] = [];
  const cart = await mesh.workload('cart', { http: (_req, res) => void waiting.push(res) });
  mesh.service('cart', { to: [cart] });
  mesh.apply();
  const slow = web.get('http://cart/');
  await eventually(() => waiting.length === 1);
  mesh.service('cart', { to: [] });
  mesh.apply();
  assert.equal((await web.get('http://cart/')).headers['x-weft-reason'], 'NO_ENDPOINTS');
  waiting[0]!.end('late');
  assert.equal((await slow).body, 'late');
  await eventually(() => cart.proxy!.describe().tunnels.open === 0);
});

test('endpoints: a pod that goes away under load costs no request, announced or not', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web');
  const pods: Workload[] = [];
  for (const name of ['v1', 'v2', 'v3']) {
    pods.push(await mesh.workload(name, { http: (_req, res) => res.end(name) }));
  }
  mesh.service('cart', { to: pods });
  mesh.apply();
  const running = load(web, 'http://cart/', 16);
  await running.more(100);
  mesh.service('cart', { to: pods.slice(1) });
  mesh.apply();
  await pods[0]!.stop(); // at once: streams that are on their way are refused, and sent elsewhere
  await running.more(100);
  await pods[1]!.stop();
  await running.more(100);
  const statuses = await running.stop();
  assert.deepEqual(Object.keys(statuses), ['200'], JSON.stringify(statuses));
});

test('drain: an aborted proxy finishes what runs and takes nothing new', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web', { options: { limits: { drainMs: 20_000 } } });
  const waiting: http.ServerResponse[] = [];
  const cart = await mesh.workload('cart', {
    http: (_req, res) => void waiting.push(res),
    options: { limits: { drainMs: 20_000 } },
  });
  mesh.service('cart', { to: [cart] });
  mesh.apply();
  const slow = web.get('http://cart/');
  await eventually(() => waiting.length === 1);
  const explicit = web.listener('explicit');
  const stopped = Promise.all([cart.stop(), web.stop()]);
  await eventually(() => web.proxy!.ready.current() === false);
  await assert.rejects(once(net.connect(explicit), 'connect'), 'the listener is closed');
  waiting[0]!.end('late');
  const answer = await slow;
  assert.equal(answer.body, 'late');
  await stopped;
  assert.equal(web.proxy!.describe().exchanges, 0);
});

test('drain: what does not end in time is cut off', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web', { options: { limits: { drainMs: 100 } } });
  const cart = await mesh.workload('cart', { http: () => {}, options: { limits: { drainMs: 100 } } });
  mesh.service('cart', { to: [cart] });
  mesh.apply();
  const slow = web.get('http://cart/').then(
    (answer) => answer.status,
    () => 'cut off',
  );
  await eventually(() => cart.proxy!.describe().exchanges === 1);
  await web.stop();
  assert.equal(await slow, 'cut off');
  await eventually(() => cart.proxy!.describe().exchanges === 0);
});

test('back-pressure: an upload into a stalled app stands still instead of filling the memory', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web', { forward: 'cart:80' });
  let app: http.IncomingMessage | undefined;
  const cart = await mesh.workload('cart', {
    http(req, res) {
      app = req; // nobody reads
      req.on('end', () => res.end('done'));
    },
  });
  mesh.service('cart', { to: [cart] });
  mesh.apply();
  const total = 64 * 1024 * 1024;
  const socket = net.connect(web.listener('forward'));
  socket.on('error', () => {});
  socket.write(`POST / HTTP/1.1\r\nhost: cart\r\ncontent-length: ${total}\r\n\r\n`);
  const chunk = Buffer.alloc(256 * 1024);
  let sent = 0;
  const fill = () => {
    while (sent < total) {
      sent += chunk.length;
      if (!socket.write(chunk)) return void socket.once('drain', fill);
    }
  };
  fill();
  await eventually(() => app !== undefined);
  await stable(() => sent - socket.writableLength);
  // Kernel buffers (up to 6 MB a socket on loopback) and the windows of the hop, but nothing like the whole
  assert.ok(sent - socket.writableLength < total / 2, `${sent} bytes were taken`);
  const before = process.memoryUsage();
  assert.ok(before.external + before.arrayBuffers < 200 * 1024 * 1024);
  app!.resume();
  let answer = '';
  socket.on('data', (data) => (answer += String(data)));
  await eventually(() => answer.includes('done'));
  socket.destroy();
});

test('back-pressure: a client that does not read stops the app that writes', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web', { forward: 'cart:80' });
  const total = 64 * 1024 * 1024;
  let written = 0;
  const cart = await mesh.workload('cart', {
    http(_req, res) {
      const chunk = Buffer.alloc(256 * 1024);
      res.writeHead(200, { 'content-length': String(total) });
      const fill = () => {
        while (written < total) {
          written += chunk.length;
          if (!res.write(chunk)) return void res.once('drain', fill);
        }
        res.end();
      };
      fill();
    },
  });
  mesh.service('cart', { to: [cart] });
  mesh.apply();
  const socket = net.connect(web.listener('forward'));
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nhost: cart\r\nconnection: close\r\n\r\n');
  await eventually(() => written > 0);
  await stable(() => written);
  assert.ok(written < total / 2, `${written} bytes were taken`);
  assert.ok((await readAll(socket)).length > total);
});

/** Waits until a number has stopped moving. */
async function stable(value: () => number): Promise<void> {
  for (let last = -1, same = 0; same < 10;) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    same = value() === last ? same + 1 : 0;
    last = value();
  }
}

test('limits: 1,200 requests that stand open at one peer leave room for the next', LIMIT, async (t) => {
  const mesh = testMesh(t);
  let open = 0;
  const app = http2.createServer((request, response) => {
    if (request.url === '/wait') open++;
    else response.end('served');
  });
  const cart = await mesh.workload('cart', {
    async listen(address, port) {
      await once(app.listen(port, address), 'listening');
      return app;
    },
  });
  const web = await mesh.workload('web', { forward: 'cart:80' });
  mesh.service('cart', { to: [cart] });
  mesh.apply();
  const { host, port } = web.listener('forward');
  const sessions = Array.from({ length: 6 }, () => http2.connect(`http://${host}:${port}`));
  t.after(() => sessions.forEach((session) => session.destroy()));
  for (const session of sessions) {
    session.on('error', () => {});
    for (let i = 0; i < 200; i++) session.request({ ':path': '/wait', ':authority': 'cart' }).on('error', () => {});
  }
  await eventually(() => open === 1200); // 1,000 before the limit was raised
  const next = sessions[0]!.request({ ':path': '/', ':authority': 'cart' });
  const chunks: Buffer[] = [];
  for await (const chunk of next) chunks.push(chunk as Buffer);
  assert.equal(Buffer.concat(chunks).toString(), 'served');
});

test('leaks: 10,000 requests leave no socket, exchange, timer or memory behind', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web', { forward: 'cart:80', options: { limits: { idleConnectionMs: 200 } } });
  const cart = await mesh.workload('cart', {
    http: (_req, res) => res.end('ok'),
    options: { limits: { idleConnectionMs: 200 } },
  });
  mesh.service('cart', { to: [cart] });
  mesh.policy(cart, { mode: 'deny', rules: [allow(web, [{ name: 'get', methods: ['GET'] }])] });
  mesh.apply();
  const { host, port } = web.listener('forward');
  const run = async (requests: number) => {
    const clients = Array.from({ length: 20 }, () => raw(host, port, requests / 20));
    await Promise.all(clients);
    await eventually(() => web.proxy!.describe().exchanges + cart.proxy!.describe().exchanges === 0);
  };
  await run(4_000); // caches, pools and compiled code
  const heapBefore = await heap();
  await run(10_000);
  const grown = (await heap()) - heapBefore;
  assert.ok(grown < 4 * 1024 * 1024, `the heap has grown by ${grown} bytes`);
  await eventually(() => web.proxy!.describe().connections === 0);
  await eventually(() => cart.proxy!.describe().pools.every((pool) => pool.connections === 0));
  assert.equal(
    web.total((s) => s.successes),
    14_000,
  );
  // The tunnel has two ends, each with its TLS layer; what the pool has closed, the app closes when it hears of it
  await eventually(() => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length <= 4);
});

/** Pipelining nothing, `n` requests one after the other on one connection. */
async function raw(host: string, port: number, n: number): Promise<void> {
  const socket = net.connect({ host, port, noDelay: true });
  const request = 'GET /x HTTP/1.1\r\nhost: cart\r\n\r\n';
  let left = n;
  socket.on('data', (data) => {
    if (!String(data).endsWith('ok')) return;
    if (--left === 0) socket.end();
    else socket.write(request);
  });
  socket.write(request);
  await once(socket, 'close');
}

async function heap(): Promise<number> {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return process.memoryUsage().heapUsed;
}

test('describe: says what runs, without secrets', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web');
  const cart = await mesh.workload('cart', { http: (_req, res) => res.end('ok') });
  mesh.service('cart', { to: [cart] });
  mesh.apply();
  await web.get('http://cart/');
  const state = web.proxy!.describe();
  assert.equal(state.ready, true);
  assert.equal(state.identity, web.identity);
  assert.ok(state.certificateNotAfter! > Date.now());
  assert.deepEqual(
    state.endpoints.map(({ address, port, identity }) => [address, port, identity]),
    [[cart.address, APP_PORT, cart.identity]],
  );
  const text = JSON.stringify(state);
  assert.doesNotMatch(text, /PRIVATE KEY|BEGIN/);
  assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(state)));
});

test('listeners: one that cannot be opened is named', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web');
  const { host, port } = web.listener('explicit');
  const taken = mesh.workload('late', { options: { listeners: { explicit: { address: host, port } } } });
  await assert.rejects(taken, new RegExp(`cannot open the explicit listener on ${host}:${port}: EADDRINUSE`));
});
