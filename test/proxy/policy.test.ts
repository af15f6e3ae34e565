import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { test } from 'node:test';
import type { HttpMatch, PolicyMode } from '../../src/mesh/resources.ts';
import { allow, APP_PORT, collect, eventually, testMesh, type Answer, type TestMesh, type Workload } from './mesh.ts';

const LIMIT = { timeout: 30_000 };
const READ_ONLY: readonly HttpMatch[] = [{ name: 'api/read', pathRegex: '/api(/.*)?$', methods: ['GET'] }];

interface Scene {
  readonly mesh: TestMesh;
  readonly web: Workload;
  readonly cart: Workload;
  /** Targets that reached the app. */
  readonly reached: string[];
}

async function scene(mesh: TestMesh): Promise<Scene> {
  const reached: string[] = [];
  const web = await mesh.workload('web');
  const cart = await mesh.workload('cart', {
    http: (req, res) => {
      reached.push(`${req.method} ${req.url}`);
      res.end('ok');
    },
  });
  mesh.service('cart', { to: [cart] });
  return { mesh, web, cart, reached };
}

/** A request from nowhere: no sidecar, no identity. */
function plain(workload: Workload, path: string, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: workload.address, port: APP_PORT, path, method, agent: false }, (response) => {
      collect(response).then(resolve, reject);
    });
    request.on('error', reject).end();
  });
}

const verdict = ({ status, headers }: Answer) => [status, headers['x-weft-reason']];

test('policy: before the first configuration nobody gets in, tunnel or plain', LIMIT, async (t) => {
  const { mesh, web, cart, reached } = await scene(testMesh(t));
  mesh.apply();
  const config = new Map(cart.config.current());
  config.delete('inbound');
  cart.config.set(config);
  assert.deepEqual(verdict(await web.get('http://cart/')), [503, 'NOT_CONFIGURED']);
  assert.deepEqual(reached, []);
  const newcomer = await mesh.workload('newcomer');
  const early = await newcomer.get('http://cart/');
  assert.deepEqual(verdict(early), [503, 'NOT_CONFIGURED'], 'outbound as well');
});

test(
  'policy: deny lets in what a rule allows and nothing else, without touching the app (A13, A14)',
  LIMIT,
  async (t) => {
    const { mesh, web, cart, reached } = await scene(testMesh(t));
    const other = await mesh.workload('other');
    mesh.policy(cart, { mode: 'deny', rules: [allow(web, READ_ONLY)] });
    mesh.apply();
    assert.deepEqual(verdict(await web.get('http://cart/api/x')), [200, undefined]);
    assert.deepEqual(verdict(await web.get('http://cart/admin')), [403, 'ACCESS_DENIED']);
    assert.deepEqual(verdict(await web.get('http://cart/apix')), [403, 'ACCESS_DENIED']);
    assert.deepEqual(verdict(await web.request('POST', 'http://cart/api')), [403, 'ACCESS_DENIED']);
    assert.deepEqual(verdict(await other.get('http://cart/api')), [403, 'ACCESS_DENIED']);
    assert.deepEqual(verdict(await plain(cart, '/api')), [403, 'NO_IDENTITY']);
    assert.deepEqual(reached, ['GET /api/x']);
    await eventually(() => cart.total((s) => s.requests) === 6);
    assert.equal(
      cart.total((s) => s.refused.get('ACCESS_DENIED') ?? 0),
      4,
    );
    assert.equal(
      cart.total((s) => s.latency.reduce((a, b) => a + b, 0)),
      1,
      'denials are not in the latencies',
    );
  },
);

test('policy: paths are judged and forwarded in one normal form', LIMIT, async (t) => {
  const { mesh, web, cart, reached } = await scene(testMesh(t));
  const rules = [allow(web, [{ name: 'api/all', pathRegex: '/api/.*' }])];
  mesh.policy(cart, { mode: 'deny', rules });
  mesh.apply();
  const tried: [string, number][] = [
    ['/api/%61', 200],
    ['/api//b/./c', 200],
    ['/api/x/../y?q=/../z', 200],
    ['/api/../admin', 403],
    ['/%61pi/d', 200],
    ['/api/%2e%2e/admin', 403],
    ['/api/..%2fadmin', 400],
    ['/api/%00', 400],
    ['/api/..;/admin', 400],
  ];
  for (const [path, status] of tried) {
    const answer = await web.get(`http://cart${path}`);
    assert.equal(answer.status, status, path);
    if (status === 400) assert.equal(answer.headers['x-weft-reason'], 'PATH_REJECTED');
  }
  assert.deepEqual(reached, ['GET /api/a', 'GET /api/b/c', 'GET /api/y?q=/../z', 'GET /api/d']);
});

test('policy: an extended CONNECT for anything but a WebSocket is no GET', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const web = await mesh.workload('web', { forward: 'cart:80' });
  const cart = await mesh.workload('cart', {
    async listen(appAddress, appPort) {
      const server = http2.createServer((_req, res) => res.end('ok'));
      await once(server.listen(appPort, appAddress), 'listening');
      return { close: () => server.close() };
    },
  });
  mesh.service('cart', { to: [cart] });
  mesh.policy(cart, { mode: 'deny', rules: [allow(web, READ_ONLY)] });
  mesh.apply();
  const { host, port } = web.listener('forward');
  const session = http2.connect(`http://${host}:${port}`);
  t.after(() => session.destroy());
  await once(session, 'remoteSettings');
  const head = { ':path': '/api', ':authority': 'cart', ':scheme': 'http' };
  const answer = async (more: http2.OutgoingHttpHeaders) => {
    const [response] = (await once(session.request({ ...head, ...more }), 'response')) as [http2.IncomingHttpHeaders];
    return [response[':status'], response['x-weft-reason']];
  };
  assert.deepEqual(await answer({ ':method': 'GET' }), [200, undefined]);
  assert.deepEqual(await answer({ ':method': 'CONNECT', ':protocol': 'connect-ip' }), [403, 'ACCESS_DENIED']);
});

test('policy: where no HTTP rule is enforced the bytes of a path pass untouched', LIMIT, async (t) => {
  const { mesh, web, cart, reached } = await scene(testMesh(t));
  mesh.policy(cart, { mode: 'deny', rules: [allow(web)] });
  mesh.apply();
  await web.get('http://cart/@scope%2fname//x');
  mesh.policy(cart, { mode: 'permissive', rules: [allow(web, READ_ONLY)] });
  mesh.apply();
  await web.get('http://cart/@scope%2fname//y');
  assert.deepEqual(reached, ['GET /@scope%2fname//x', 'GET /@scope%2fname//y']);
});

test('policy: audit counts what it would deny, and lets it through as it came', LIMIT, async (t) => {
  const { mesh, web, cart, reached } = await scene(testMesh(t));
  mesh.policy(cart, { mode: 'audit', rules: [allow(web, READ_ONLY)] });
  mesh.apply();
  for (const path of ['/api', '/admin//x', '/api/%2f']) assert.equal((await web.get(`http://cart${path}`)).status, 200);
  assert.equal((await plain(cart, '/api')).status, 200);
  assert.deepEqual(reached, ['GET /api', 'GET /admin//x', 'GET /api/%2f', 'GET /api']);
  await eventually(() => cart.total((s) => s.requests) === 4);
  const audited = (code: 'ACCESS_DENIED' | 'PATH_REJECTED' | 'NO_IDENTITY') =>
    cart.total((s) => s.audited.get(code) ?? 0);
  assert.deepEqual([audited('ACCESS_DENIED'), audited('PATH_REJECTED'), audited('NO_IDENTITY')], [1, 1, 1]);
  assert.equal(
    cart.total((s) => s.failures),
    0,
  );
});

test('policy: a change holds from the next request on, on the same connection (A1, A19)', LIMIT, async (t) => {
  const { mesh, web, cart } = await scene(testMesh(t));
  const modes: [PolicyMode, number][] = [
    ['permissive', 200],
    ['deny', 403],
    ['audit', 200],
    ['deny', 403],
  ];
  for (const [mode, status] of modes) {
    mesh.policy(cart, { mode });
    mesh.apply();
    assert.equal((await web.get('http://cart/')).status, status, mode);
  }
  assert.equal(cart.proxy!.describe().tunnels.open, 1, 'one tunnel for all of it');
});

test('policy: probes of the pod pass without identity, exactly as declared (A15)', LIMIT, async (t) => {
  const { mesh, cart } = await scene(testMesh(t));
  const probes = [{ type: 'http', port: APP_PORT, path: '/healthz' }] as const;
  mesh.policy(cart, { mode: 'deny', probes });
  mesh.apply();
  await eventually(() => cart.proxy!.describe().listeners.some((l) => l.port === APP_PORT));
  assert.equal((await plain(cart, '/healthz')).status, 200);
  assert.equal((await plain(cart, '/healthz/x')).status, 403);
  assert.equal((await plain(cart, '/healthz', 'POST')).status, 403);
});

// The limit is below the 10 s after which a silent probe is ended anyway: it must be the first byte that does it
test('policy: a TCP probe may open a connection and not use it', { timeout: 8_000 }, async (t) => {
  const { mesh, cart, reached } = await scene(testMesh(t));
  mesh.policy(cart, { mode: 'deny', probes: [{ type: 'tcp', port: APP_PORT }] });
  cart.protocol = 'tcp';
  mesh.apply();
  await eventually(() => cart.proxy!.describe().listeners.some((l) => l.port === APP_PORT));
  const probe = net.connect(APP_PORT, cart.address);
  await once(probe, 'connect');
  probe.end();
  await once(probe, 'close');
  const abuse = net.connect(APP_PORT, cart.address);
  await once(abuse, 'connect');
  abuse.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  const [error] = (await once(abuse, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
  assert.deepEqual(reached, []);
});

test('inbound: listeners for the ports of the app come and go with the configuration', LIMIT, async (t) => {
  const { mesh, cart } = await scene(testMesh(t));
  mesh.apply();
  const ports = () => cart.proxy!.describe().listeners.filter((l) => l.kind === 'inboundPort');
  await eventually(() => ports().length === 1);
  const config = new Map(cart.config.current());
  const inbound = config.get('inbound');
  assert.ok(inbound?.type === 'inbound');
  config.set('inbound', { ...inbound, ports: [{ number: 9090, protocol: 'detect' }, ...inbound.ports] });
  cart.config.set(config);
  await eventually(() => ports().length === 2);
  mesh.apply();
  await eventually(() => ports().length === 1);
  assert.equal(ports()[0]!.port, APP_PORT);
});

test(
  'configuration: one that cannot be compiled is refused as a whole and the last good one stays',
  LIMIT,
  async (t) => {
    const { mesh, web, cart } = await scene(testMesh(t));
    mesh.policy(cart, { mode: 'deny', rules: [allow(web)] });
    mesh.apply();
    const config = new Map(cart.config.current());
    const inbound = config.get('inbound');
    assert.ok(inbound?.type === 'inbound');
    config.set('inbound', { ...inbound, rules: [allow(web, [{ name: 'bad', pathRegex: '(' }])] });
    cart.config.set(config);
    assert.match(cart.proxy!.describe().config.refused ?? '', /\(/);
    assert.equal((await web.get('http://cart/')).status, 200);
  },
);
