import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { allow, APP_PORT, eventually, ownAddress, testMesh, type TestMesh, type Workload } from './mesh.ts';

const LIMIT = { timeout: 30_000 };

/** Says who it is and what it saw. */
function echo(name: string): http.RequestListener {
  return (req, res) => {
    res.setHeader('x-name', name);
    res.setHeader('x-seen', JSON.stringify(req.headers));
    res.end(`${name}: ${req.method} ${req.url}`);
  };
}

async function shop(mesh: TestMesh, ...names: string[]): Promise<Record<string, Workload>> {
  const made: Record<string, Workload> = { web: await mesh.workload('web') };
  for (const name of names) {
    made[name] = await mesh.workload(name, { http: echo(name) });
    mesh.service(name, { to: [made[name]] });
  }
  return made;
}

async function tally(web: Workload, url: string, n: number, headers = {}): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < n; i++) {
    const answer = await web.get(url, headers);
    const name = answer.status === 200 ? String(answer.headers['x-name']) : String(answer.headers['x-weft-reason']);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

test(
  'pair: a request passes plain -> mutual TLS -> plain, and says nothing of the hop to the app',
  LIMIT,
  async (t) => {
    const mesh = testMesh(t);
    const { web, cart } = await shop(mesh, 'cart');
    mesh.policy(cart!, { mode: 'deny', rules: [allow(web!)] });
    mesh.apply();
    const answer = await web!.get('http://cart/a?b=c', { 'x-request-id': '7' });
    assert.equal(answer.body, 'cart: GET /a?b=c');
    const seen = JSON.parse(String(answer.headers['x-seen'])) as Record<string, string>;
    assert.equal(seen.host, 'cart');
    assert.equal(seen['x-request-id'], '7');
    assert.deepEqual(
      Object.keys(seen).filter((name) => name.startsWith('x-weft')),
      [],
    );
    assert.equal(cart!.proxy!.describe().tunnels.open, 1);
  },
);

test('pair: bodies of every kind of framing arrive whole', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web');
  const cart = await mesh.workload('cart', {
    http: (req, res) => {
      let bytes = 0;
      req.on('data', (chunk: Buffer) => (bytes += chunk.length));
      req.on('end', () => {
        res.writeHead(201, req.headers['content-length'] === undefined ? {} : { 'content-length': String(bytes) });
        for (let left = bytes; left > 0; left -= 10_000) res.write('x'.repeat(Math.min(10_000, left)));
        res.end();
      });
    },
  });
  mesh.service('cart', { to: [cart] });
  mesh.apply();
  for (const size of [0, 1, 36, 65_536, 1_000_000]) {
    const body = 'y'.repeat(size);
    const sized = await web.request('POST', 'http://cart/', { 'content-length': String(size) }, body);
    assert.deepEqual([sized.status, sized.body.length], [201, size]);
    const chunked = await web.request('POST', 'http://cart/', { 'transfer-encoding': 'chunked' }, body);
    assert.deepEqual([chunked.status, chunked.body.length], [201, size]);
  }
  const head = await web.request('HEAD', 'http://cart/');
  assert.deepEqual([head.status, head.body], [201, '']);
});

test('split: each request of a keep-alive connection is decided anew, by weight (S16, S17)', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web } = await shop(mesh, 'cart', 'v1', 'v2');
  mesh.split('cart', { v1: 80, v2: 20 });
  mesh.apply();
  const counts = await tally(web!, 'http://cart/', 400);
  assert.deepEqual(Object.keys(counts).sort(), ['v1', 'v2']);
  // Binomial(400, 0.2) lies within 40..125 with a probability of more than 1 - 1e-6
  assert.ok(counts.v2! >= 40 && counts.v2! <= 125, JSON.stringify(counts));
  const series = [...web!.proxy!.traffic()].filter((s) => s.labels.target?.service === 'cart' && s.requests > 0);
  const byBackend = Object.fromEntries(series.map((s) => [s.labels.target!.backend, s.requests]));
  assert.deepEqual(byBackend, counts);
});

test('split: counters of every backend stand at 0 before the first request', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web } = await shop(mesh, 'cart', 'v1', 'v2');
  mesh.split('cart', { v1: 90, v2: 10 });
  mesh.apply();
  const backends = [...web!.proxy!.traffic()]
    .filter((s) => s.labels.target?.service === 'cart' && s.labels.target.workload !== undefined)
    .map((s) => [s.labels.target!.backend, s.requests]);
  assert.deepEqual(backends.sort(), [
    ['v1', 0],
    ['v2', 0],
  ]);
});

test('split: requests that match go to the split, others to the root', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web } = await shop(mesh, 'cart', 'canary');
  mesh.split('cart', { canary: 1 }, [{ name: 'g/firefox', headers: [['user-agent', '.*Firefox.*']] }]);
  mesh.apply();
  assert.deepEqual(await tally(web!, 'http://cart/', 5, { 'user-agent': 'a Firefox b' }), { canary: 5 });
  assert.deepEqual(await tally(web!, 'http://cart/', 5), { cart: 5 });
});

test(
  'split: when it is deleted the next request goes to the root, on the connection that there is (S24)',
  LIMIT,
  async (t) => {
    const mesh = testMesh(t);
    const { web } = await shop(mesh, 'cart', 'v1');
    mesh.split('cart', { v1: 1 });
    mesh.apply();
    assert.deepEqual(await tally(web!, 'http://cart/', 3), { v1: 3 });
    mesh.unsplit('cart');
    mesh.apply();
    assert.deepEqual(await tally(web!, 'http://cart/', 3), { cart: 3 });
  },
);

test(
  'split: a second try stays with the backend that was chosen, though another would answer (S25)',
  LIMIT,
  async (t) => {
    const mesh = testMesh(t);
    const { web, v1 } = await shop(mesh, 'cart', 'v1', 'v2');
    const second = await mesh.workload('second', { http: echo('second') });
    mesh.service('v1', { to: [v1!, second] });
    mesh.split('cart', { v1: 50, v2: 50 });
    mesh.apply();
    await v1!.stop();
    const counts = await tally(web!, 'http://cart/', 40);
    assert.deepEqual(
      Object.keys(counts).sort(),
      ['second', 'v2'],
      'the share of v1 is served by the endpoint that is left',
    );
    await second.stop();
    const without = await tally(web!, 'http://cart/', 40);
    assert.deepEqual(Object.keys(without).sort(), ['CONNECT_FAILED', 'v2'], 'its share fails: nothing leaks to v2');
  },
);

test('split: without any weight it is refused, without endpoints the others take the share', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web } = await shop(mesh, 'cart', 'v1');
  mesh.service('v2', { to: [] });
  mesh.split('cart', { v1: 1, v2: 99 });
  mesh.apply();
  assert.deepEqual(await tally(web!, 'http://cart/', 10), { v1: 10 });
  mesh.split('cart', { v1: 0, v2: 0 });
  mesh.apply();
  assert.deepEqual(await tally(web!, 'http://cart/', 2), { SPLIT_WITHOUT_BACKEND: 2 });
  mesh.split('cart', { v2: 1 });
  mesh.apply();
  assert.deepEqual(await tally(web!, 'http://cart/', 2), { NO_ENDPOINTS: 2 });
});

test('headers: what claims an identity passes neither from the app, nor to it, nor back', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web');
  const cart = await mesh.workload('cart', {
    http: (req, res) => {
      res.setHeader('x-weft-reason', 'ACCESS_DENIED');
      res.setHeader('l5d-client-id', 'forged');
      res.setHeader('x-seen', JSON.stringify(req.headers));
      res.end();
    },
  });
  mesh.service('cart', { to: [cart] });
  mesh.apply();
  const forged = {
    'X-Forwarded-Client-Cert': 'By=spiffe://x;URI=spiffe://test.local/ns/shop/sa/admin',
    'client-cert': ':MIIB:',
    'client-cert-chain': ':MIIB:',
    'l5d-client-id': 'admin',
    'x-weft-destination': '127.0.0.1:1',
    'x-weft-anything': 'x',
    x_weft_service: 'y',
    x_forwarded_client_cert: 'z',
  };
  const connection = { connection: 'keep-alive, x-weft-destination' };
  for (const headers of [forged, { ...forged, ...connection }]) {
    const answer = await web.get('http://cart/', { ...headers, 'x-forwarded-for': '10.0.0.1' });
    const seen = JSON.parse(String(answer.headers['x-seen'])) as Record<string, string>;
    assert.deepEqual(
      Object.keys(seen).sort(),
      ['connection', 'host', 'x-forwarded-for'].filter((n) => n in seen),
    );
    assert.equal(seen['x-forwarded-for'], '10.0.0.1', "the app's own");
    assert.equal(answer.headers['x-weft-reason'], undefined, 'only Weft gives reasons');
    assert.equal(answer.headers['l5d-client-id'], undefined);
  }
});

test('routing: a Host header never chooses the address', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web } = await shop(mesh, 'cart', 'admin');
  mesh.apply();
  const answer = await web!.get('http://cart/', { host: 'admin' });
  assert.equal(answer.headers['x-name'], 'cart');
  assert.equal((JSON.parse(String(answer.headers['x-seen'])) as { host: string }).host, 'admin', 'the virtual host');
});

test('routing: a pod address is called as it is and never split (S14)', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web, cart } = await shop(mesh, 'cart', 'v2');
  mesh.service('cart', { to: [cart!], address: '10.96.0.1' });
  mesh.split('cart', { v2: 1 });
  mesh.apply();
  assert.equal((await web!.get('http://10.96.0.1/')).headers['x-name'], 'v2');
  const direct = await web!.get(`http://${cart!.address}:${APP_PORT}/`);
  assert.equal(direct.headers['x-name'], 'cart');
  assert.equal(
    cart!.total((s) => (s.labels.tls ? s.requests : 0)),
    1,
    'through the tunnel all the same',
  );
});

test(
  'routing: a meshed pod is called through its tunnel on every port, with and without a Service',
  LIMIT,
  async (t) => {
    const mesh = testMesh(t);
    const { web, cart } = await shop(mesh, 'cart');
    const lone = await mesh.workload('lone', { http: echo('lone') });
    mesh.policy(cart!, { mode: 'deny', rules: [allow(web!)] });
    mesh.policy(lone, { mode: 'deny', rules: [allow(web!)] });
    mesh.apply();
    const config = new Map(mesh.configFor(web!));
    const { identity, address } = lone;
    const labels = { namespace: 'shop', pod: 'lone-1', serviceAccount: 'lone', ownerKind: 'pod', owner: 'lone-1' };
    config.set('pod/shop/lone-1', { type: 'pod', key: 'pod/shop/lone-1', addresses: [address], identity, labels });
    const other = http.createServer(echo('other port')).listen(8083, cart!.appAddress);
    t.after(() => other.close());
    await once(other, 'listening');
    const plain = await web!.get(`http://${address}:${APP_PORT}/`);
    assert.equal(plain.status, 403, 'a pod that the sidecar does not know is called in plain');
    assert.equal(plain.headers['x-weft-reason'], undefined, 'and nobody can vouch for a reason that came so');
    web!.config.set(config);
    assert.equal((await web!.get(`http://${cart!.address}:8083/`)).headers['x-name'], 'other port');
    assert.equal((await web!.get(`http://${address}:${APP_PORT}/`)).headers['x-name'], 'lone');
    web!.config.set(new Map(config));
    assert.equal((await web!.get(`http://${address}:${APP_PORT}/`)).headers['x-name'], 'lone');
    const dialled = web!.proxy!.describe().pools.filter(({ kind }) => kind === 'tunnel');
    assert.deepEqual(
      dialled.map((pool) => pool.dialled),
      [1, 1],
      'a new configuration leaves their tunnels alone',
    );
  },
);

test('routing: the address of a headless Service is that Service when Host names it', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web, cart } = await shop(mesh, 'cart', 'v2');
  mesh.split('cart', { v2: 1 });
  mesh.apply();
  const url = `http://${cart!.address}:${APP_PORT}/`;
  assert.equal((await web!.get(url, { host: 'cart.shop' })).headers['x-name'], 'v2');
  assert.equal((await web!.get(url, { host: 'v2.shop' })).headers['x-name'], 'cart', 'not part of v2: Host is ignored');
});

test(
  'routing: an unmeshed endpoint is called in plain, and known ports are the only ones of a Service',
  LIMIT,
  async (t) => {
    const mesh = testMesh(t);
    const web = await mesh.workload('web');
    const old = await mesh.workload('old', { unmeshed: true, http: echo('old') });
    mesh.service('old', { to: [old] });
    mesh.apply();
    assert.equal((await web.get('http://old/')).headers['x-name'], 'old');
    const wrong = await web.get('http://old:81/');
    assert.deepEqual([wrong.status, wrong.headers['x-weft-reason']], [502, 'UNKNOWN_DESTINATION']);
  },
);

test('egress: unknown destinations pass in plain, the forbidden ones do not', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const outside = ownAddress();
  const server = http.createServer((req, res) => res.end(`outside ${req.headers.host}`)).listen(0, outside);
  t.after(() => server.close());
  await once(server, 'listening');
  const port = (server.address() as { port: number }).port;
  const web = await mesh.workload('web', { options: { forbidden: ['10.9.0.0/16'], reservedPorts: [15020] } });
  mesh.apply();
  const answer = await web.get(`http://${outside}:${port}/`);
  assert.equal(answer.body, `outside ${outside}:${port}`);
  assert.equal(
    web.total((s) => (s.labels.target === undefined ? s.requests : 0)),
    1,
    'counted',
  );
  const explicit = web.listener('explicit');
  const refused = [
    '169.254.169.254',
    '[fe80::1]',
    '[::ffff:169.254.169.254]',
    '10.9.8.7',
    `${web.address}:15008`,
    `${explicit.host}:${explicit.port}`,
    '127.0.0.1:15020',
    '0.0.0.0:15020',
    'localhost:15020',
  ];
  for (const destination of refused) {
    const answer = await web.get(`http://${destination}/`);
    assert.deepEqual([answer.status, answer.headers['x-weft-reason']], [403, 'FORBIDDEN_DESTINATION'], destination);
  }
});

test('egress: a request that comes back to the sidecar that sent it ends with 508', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const address = ownAddress();
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  // A Service whose unmeshed endpoint is the sidecar's own forward listener, as a wrong redirection rule makes it
  const listeners = {
    forward: [{ address, port, destination: 'loop:80' }],
    explicit: { address, port: 0 },
    tunnel: { address, port: 15008 },
  };
  const web = await mesh.workload('web', { options: { listeners } });
  mesh.apply();
  const config = new Map(web.config.current());
  const labels = { namespace: 'shop', service: 'loop', port: 80, weight: 1, endpoints: 'endpoints/shop/loop/80' };
  const route = { name: 'Service shop/loop', tcp: true, backends: [labels], policies: [] };
  config.set('service/shop/loop', {
    type: 'service',
    key: 'service/shop/loop',
    namespace: 'shop',
    name: 'loop',
    addresses: [],
    hostnames: ['loop'],
    ports: [{ number: 80, protocol: 'detect', routes: [route] }],
  });
  const endpoints = [{ address, port }];
  config.set('endpoints/shop/loop/80', { type: 'endpoints', key: 'endpoints/shop/loop/80', endpoints });
  web.config.set(config);
  const answer = await web.get('http://loop/');
  assert.equal(answer.status, 508);
  assert.equal(
    web.total((s) => s.refused.get('LOOP_DETECTED') ?? 0),
    1,
  );
  assert.equal(
    web.total((s) => s.requests),
    2,
    'once round, no further',
  );
});

test('explicit listener: a request without a destination is refused with the reason', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web } = await shop(mesh, 'cart');
  mesh.apply();
  const { host, port } = web!.listener('explicit');
  const response = await fetch(`http://${host}:${port}/`);
  assert.deepEqual([response.status, response.headers.get('x-weft-reason')], [421, 'MISDIRECTED']);
  await response.text();
});

test('lookup: an unknown destination is held until the control plane has answered', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const asked: string[] = [];
  const lookup = async ({ host }: { host: string }) => {
    asked.push(host);
    if (host !== 'cart') throw new Error('no such Service');
    await Promise.resolve();
    mesh.service('cart', { to: [cart] });
    mesh.apply();
  };
  const cart = await mesh.workload('cart', { http: echo('cart') });
  const web = await mesh.workload('web', { options: { lookup } });
  mesh.apply();
  assert.equal((await web.get('http://cart/')).headers['x-name'], 'cart');
  assert.equal((await web.get('http://cart/')).headers['x-name'], 'cart');
  assert.equal((await web.get('http://nobody.invalid/')).headers['x-weft-reason'], 'CONNECT_FAILED');
  assert.equal((await web.get('http://nobody.invalid/')).headers['x-weft-reason'], 'CONNECT_FAILED');
  assert.deepEqual(asked, ['cart', 'nobody.invalid'], 'silence is remembered');
});

test('endpoints: a dead one costs nothing but a second try, and is avoided', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web, cart } = await shop(mesh, 'cart');
  const dead = await mesh.workload('dead', { http: echo('dead') });
  mesh.service('cart', { to: [cart!, dead] });
  mesh.apply();
  await dead.stop();
  assert.deepEqual(await tally(web!, 'http://cart/', 40), { cart: 40 });
  const state = web!.proxy!.describe().endpoints.find((e) => e.address === dead.address);
  assert.ok(state!.failures > 0 && state!.failures < 10, `tried ${state!.failures} times`);
  assert.equal(state!.active, 0);
});

test('endpoints: when all are dead the caller learns it', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { web, cart } = await shop(mesh, 'cart');
  mesh.apply();
  await cart!.stop();
  const answer = await web!.get('http://cart/');
  assert.deepEqual([answer.status, answer.headers['x-weft-reason']], [503, 'CONNECT_FAILED']);
  assert.equal(
    web!.total((s) => s.refused.get('CONNECT_FAILED') ?? 0),
    1,
  );
});

test('counters: requests, statuses, failures and latencies add up on both sides', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web');
  const cart = await mesh.workload('cart', {
    http: (req, res) => res.writeHead(Number(req.url!.slice(1))).end(),
  });
  mesh.service('cart', { to: [cart] });
  mesh.apply();
  for (const status of [200, 200, 404, 503]) await web.get(`http://cart/${status}`);
  await eventually(() => cart.total((s) => s.requests) === 4 && web.total((s) => s.requests) === 4);
  for (const side of [web, cart]) {
    assert.equal(
      side.total((s) => s.successes),
      3,
    );
    assert.equal(
      side.total((s) => s.failures),
      1,
    );
    assert.equal(
      side.total((s) => s.statuses.get(404) ?? 0),
      1,
    );
    assert.equal(
      side.total((s) => s.latency.reduce((a, b) => a + b, 0)),
      4,
    );
  }
  const inbound = [...cart.proxy!.traffic()].find((s) => s.labels.direction === 'inbound');
  assert.equal(inbound!.labels.peerIdentity, web.identity);
});

/** Answers the first request of each connection and breaks it off at the next, as a server whose idle time is over at that very moment. */
function answersOnce(onRequest: () => void): (socket: Socket) => void {
  return (socket) => {
    let answered = false;
    socket.on('data', () => {
      onRequest();
      if (answered) return void socket.destroy();
      answered = true;
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    });
  };
}

test(
  'pool: a request on a connection that the app was just closing is sent again, if it may be sent twice',
  LIMIT,
  async (t) => {
    const mesh = testMesh(t);
    const web = await mesh.workload('web');
    let seen = 0;
    const cart = await mesh.workload('cart', { protocol: 'detect', tcp: answersOnce(() => seen++) });
    mesh.service('cart', { to: [cart] });
    mesh.apply();
    const again = () => cart.proxy!.describe().pools.reduce((sum, pool) => sum + pool.retries, 0);
    assert.equal((await web.get('http://cart/')).status, 200);
    assert.equal((await web.get('http://cart/')).status, 200);
    assert.deepEqual([seen, again()], [3, 1]);
    const post = await web.request('POST', 'http://cart/', {}, 'pay once');
    assert.deepEqual([post.status, post.headers['x-weft-reason']], [502, 'UPSTREAM_RESET']);
    assert.deepEqual([seen, again()], [4, 1]);
  },
);

test('pool: of the requests to a server in trouble no more than a fifth is sent again', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web');
  let seen = 0;
  const cart = await mesh.workload('cart', { protocol: 'detect', tcp: answersOnce(() => seen++) });
  mesh.service('cart', { to: [cart] });
  mesh.apply();
  const statuses = new Map<number, number>();
  const sent = 1_000;
  const started = performance.now();
  for (let i = 0; i < sent; i++) {
    const { status } = await web.get('http://cart/');
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  const reserve = 250 + (10 * (performance.now() - started)) / 1000;
  assert.deepEqual([...statuses.keys()].sort(), [200, 502]);
  assert.ok(seen > sent * 1.2, 'the reserve is used');
  assert.ok(seen <= sent * 1.2 + reserve + 1, `${seen} were seen of ${sent}`);
  const [pool] = cart.proxy!.describe().pools;
  assert.equal(pool!.retries, seen - sent);
  assert.equal(pool!.retriesRefused, statuses.get(502));
});
