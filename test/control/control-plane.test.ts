import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { test, type TestContext } from 'node:test';
import type { AdminRoute } from '../../src/base/admin-route.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { seeded } from '../../src/base/random.ts';
import { until, WatchSource } from '../../src/base/watch.ts';
import { controlPlane, type ControlReport } from './control-plane.ts';
import type { TokenVerdict } from '../../src/control/identity-signer.ts';
import { discoveryClient } from '../../src/discovery/client.ts';
import { controllerDial } from '../../src/discovery/dial.ts';
import { createAuthority, type Authority } from '../../src/identity/authority.ts';
import { credentialsClient } from '../../src/identity/credentials-client.ts';
import { remoteSigner } from '../../src/identity/remote-signer.ts';
import type { ProxyConfig } from '../../src/mesh/resources.ts';
import type { Snapshot } from '../../src/spec/snapshot.ts';
import { anyPort, shop, split, target } from './cluster.ts';

const never = new AbortController().signal;
const CONTROLLER = 'spiffe://cluster.local/ns/weft-system/sa/weft-controller';
const authority = () => createAuthority({ clock: systemClock, trustDomain: 'cluster.local' });

/** A controller over real sockets. The tokens of its cluster are the names of its pods. */
async function start(t: TestContext, cluster: ReturnType<typeof shop>, ca: Authority = authority(), port = 0) {
  const source = new WatchSource<Snapshot>();
  const reports: ControlReport[] = [];
  const reported = new WatchSource(0);
  const plane = controlPlane({
    source,
    compile: { trustDomain: 'cluster.local' },
    authority: ca,
    identity: CONTROLLER,
    listen: { host: '127.0.0.1', port },
    reviewToken: (token): Promise<TokenVerdict> => {
      const [name = ''] = token.split('-');
      const serviceAccount = { namespace: 'shop', serviceAccount: name, podName: token, podUid: `uid-${token}` };
      if (cluster.pod(token) === undefined) return Promise.resolve({ authenticated: false, reason: 'unknown' });
      return Promise.resolve({ authenticated: true, ...serviceAccount });
    },
    findPod: (_, name) => Promise.resolve(cluster.pod(name)),
    report: (report) => {
      reports.push(report);
      reported.set(reports.length);
      return Promise.resolve();
    },
    clock: systemClock,
    random: seeded(1),
    log: silentLog,
  });
  const stop = new AbortController();
  const done = plane.run(stop.signal);
  const end = async () => {
    stop.abort();
    await done;
  };
  t.after(end);
  const address = await until(plane.address, () => true, never);
  return { plane, source, reports, reported, ca, end, url: `https://127.0.0.1:${address.port}`, port: address.port };
}

/** A sidecar's two clients, as `weft proxy` puts them together. */
function sidecar(
  t: TestContext,
  pod: string,
  url: string,
  ca: Authority,
  options: { identity?: string; asks?: string; apply?: (c: ProxyConfig) => void } = {},
) {
  const dial = controllerDial({
    url,
    roots: () => Promise.resolve(ca.trustBundle.current()!),
    controllerIdentity: options.identity ?? CONTROLLER,
    credentials: () => identity.credentials.current(),
    clock: systemClock,
  });
  const sign = remoteSigner({ post: dial.post, token: () => Promise.resolve(`${pod}\n`) });
  const errors: string[] = [];
  const log = {
    ...silentLog,
    warn: (_: string, f?: object) => void errors.push(JSON.stringify(f)),
    error: (_: string, f?: object) => void errors.push(JSON.stringify(f)),
  };
  const shared = { clock: systemClock, random: seeded(2), log, minBackoffMs: 5, maxBackoffMs: 20 };
  const identity = credentialsClient({ ...shared, sign, trustDomain: 'cluster.local' });
  const discovery = discoveryClient({
    ...shared,
    open: async (signal) => {
      await until(identity.credentials, () => true, signal);
      return dial.stream(signal);
    },
    workload: { namespace: 'shop', pod: options.asks ?? pod },
    ...(options.apply === undefined ? {} : { apply: options.apply }),
  });
  const stop = new AbortController();
  const done = Promise.all([identity.run(stop.signal), discovery.run(stop.signal)]);
  const end = async () => {
    stop.abort();
    await done;
  };
  t.after(end);
  return { identity, discovery, errors, dial, end };
}

function get(routes: readonly AdminRoute[], path: string, parameters: Record<string, string> = {}) {
  const route = routes.find((r) => r.path === path);
  assert.ok(route, path);
  return route.handle(new Map(Object.entries(parameters)));
}

test('control plane: a sidecar gets its identity and its configuration, and changes as they come', async (t) => {
  const cluster = shop();
  const { plane, source, ca, url } = await start(t, cluster);
  assert.match((await get(plane.adminRoutes, '/ready')).body, /not ready: the objects of the cluster/);
  source.set(cluster.snapshot());
  const web = sidecar(t, 'web-1', url, ca);
  const config = await until(web.discovery.config, () => true, never);
  assert.equal(web.identity.credentials.current()!.identity, 'spiffe://cluster.local/ns/shop/sa/web');
  assert.ok(config.has('service/shop/cart') && config.has('inbound'));
  assert.equal((await get(plane.adminRoutes, '/ready')).status, 200);

  cluster.put(split(3));
  source.set(cluster.snapshot());
  const next = await until(
    web.discovery.config,
    (c) => JSON.stringify([...c.values()]).includes('TrafficSplit shop/cart-split'),
    never,
  );
  assert.equal(next.get('endpoints/shop/web/80'), config.get('endpoints/shop/web/80'));

  const dump = await get(plane.adminRoutes, '/config/:namespace/:pod', { namespace: 'shop', pod: 'web-1' });
  assert.deepEqual(new Set((JSON.parse(dump.body) as { key: string }[]).map((r) => r.key)), new Set(next.keys()));
  assert.equal((await get(plane.adminRoutes, '/config/:namespace/:pod', { namespace: 'shop', pod: 'x' })).status, 404);
  const [status] = JSON.parse((await get(plane.adminRoutes, '/config/proxies')).body) as { workload: object }[];
  assert.deepEqual(status!.workload, { namespace: 'shop', pod: 'web-1' });
  const mesh = JSON.parse((await get(plane.adminRoutes, '/mesh')).body) as { workloads: Record<string, unknown> };
  assert.deepEqual(Object.keys(mesh.workloads).sort(), ['shop/cart-1', 'shop/web-1']);
});

test('control plane: reports say on how many sidecars an object is live', async (t) => {
  const cluster = shop();
  const { source, reports, reported, ca, url } = await start(t, cluster);
  for (const object of [split(3), target, anyPort]) cluster.put(object);
  source.set(cluster.snapshot());
  const progress = () => {
    const { snapshot, progress: of } = reports.at(-1)!;
    return [of(snapshot.trafficSplits.get('shop/cart-split')!), of(snapshot.trafficTargets.get('shop/web-to-cart')!)];
  };
  const shows = (text: string) =>
    until(reported, () => reports.length > 0 && JSON.stringify(progress()) === text, never);
  await shows('[{"live":0,"of":2},{"live":0,"of":1}]');
  sidecar(t, 'web-1', url, ca);
  await shows('[{"live":1,"of":2},{"live":0,"of":1}]');
  const cart = sidecar(t, 'cart-1', url, ca, {
    apply: (c) => {
      if (JSON.stringify([...c.values()]).includes('"weight":9')) throw new Error('nine is too much');
    },
  });
  await shows('[{"live":2,"of":2},{"live":1,"of":1}]');
  cluster.put({ ...split(9), metadata: { ...split(9).metadata, resourceVersion: '2' } });
  source.set(cluster.snapshot());
  await shows('[{"live":1,"of":2},{"live":1,"of":1}]');
  assert.match(cart.discovery.status.current()!.problem!, /nine is too much/);
});

test('control plane: nobody gets the configuration of somebody else', async (t) => {
  const cluster = shop();
  const { source, ca, url, plane } = await start(t, cluster);
  source.set(cluster.snapshot());
  const thief = sidecar(t, 'web-1', url, ca, { asks: 'cart-1' });
  await until(thief.discovery.status, (s) => s.problem?.includes('is not the identity of this pod') === true, never);
  assert.equal(thief.discovery.config.current(), undefined);
  assert.equal(
    plane.discovery.proxies().some((p) => p.version !== undefined),
    false,
  );

  const stranger = sidecar(t, 'ghost-1', url, ca);
  while (stranger.errors.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.match(stranger.errors[0]!, /does not sign \(401\): the token is not accepted: unknown/);
});

test('control plane: discovery wants a certificate of this mesh', async (t) => {
  const cluster = shop();
  const { source, ca, url } = await start(t, cluster);
  source.set(cluster.snapshot());
  const roots = () => Promise.resolve(ca.trustBundle.current()!);
  const shared = { url, roots, controllerIdentity: CONTROLLER, clock: systemClock };
  const anonymous = controllerDial({ ...shared, credentials: () => undefined });
  await assert.rejects(anonymous.stream(never), /answered 403/);

  const foreign = authority();
  const client = credentialsClient({
    sign: (publicKey) =>
      Promise.resolve(foreign.sign({ identity: 'spiffe://cluster.local/ns/shop/sa/web', publicKey })),
    clock: systemClock,
    random: seeded(3),
    trustDomain: 'cluster.local',
  });
  const stop = new AbortController();
  const done = client.run(stop.signal);
  const credentials = await until(client.credentials, () => true, never);
  await assert.rejects(controllerDial({ ...shared, credentials: () => credentials }).stream(never), /answered 403/);
  stop.abort();
  await done;
});

test('control plane: a sidecar sends nothing to a controller that it cannot verify', async (t) => {
  const cluster = shop();
  const { url, ca } = await start(t, cluster);
  let tokens = 0;
  const dialed = (controllerIdentity: string, trust: Authority) => {
    const roots = () => Promise.resolve(trust.trustBundle.current()!);
    const dial = controllerDial({ url, roots, controllerIdentity, credentials: () => undefined, clock: systemClock });
    const sign = remoteSigner({
      post: (path, headers, body, signal) => dial.post(path, headers, body, signal),
      token: () => Promise.resolve(`t${tokens++}`),
    });
    return sign('x', never);
  };
  await assert.rejects(dialed('spiffe://cluster.local/ns/shop/sa/web', ca), /and not the controller/);
  await assert.rejects(dialed(CONTROLLER, authority()), /is not trusted: .*leads to no root/);
  await assert.rejects(dialed('spiffe://other.domain/ns/weft-system/sa/weft-controller', ca), /is not trusted/);
  await assert.rejects(dialed(CONTROLLER, ca), /does not sign \(401\)/); // the same call, trusted
});

test('control plane: a sidecar follows its controller to a new root, with only the old one in its file', async (t) => {
  const cluster = shop();
  const { source, ca, url } = await start(t, cluster);
  source.set(cluster.snapshot());
  const old = ca.trustBundle.current()!;
  const next = authority();
  const [now, later] = [ca, next].map((a) => a.state.current()!.signing);
  ca.adopt({ stage: 'distributing', signing: now!, next: later!, since: Date.now() });
  const signed = credentialsClient({
    sign: (publicKey) => Promise.resolve(ca.sign({ identity: 'spiffe://cluster.local/ns/shop/sa/web', publicKey })),
    clock: systemClock,
    random: seeded(4),
    trustDomain: 'cluster.local',
  });
  const stop = new AbortController();
  const done = signed.run(stop.signal);
  const credentials = await until(signed.credentials, () => true, never);
  stop.abort();
  await done;
  ca.adopt({ stage: 'switched', signing: later!, previousTrust: now!.trust, since: Date.now() });
  const second = await start(t, cluster, ca); // its own certificate is by the new root
  second.source.set(cluster.snapshot());
  const shared = { roots: () => Promise.resolve(old), controllerIdentity: CONTROLLER, clock: systemClock };
  const starting = controllerDial({ ...shared, url: second.url, credentials: () => undefined });
  await assert.rejects(starting.post('/', {}, '', never), /leads to no root/);
  const running = controllerDial({ ...shared, url: second.url, credentials: () => credentials });
  (await running.stream(never)).close();
  assert.notEqual(second.url, url);
});

test('control plane: a controller that dies and comes back is found again, and nothing is sent twice', async (t) => {
  const cluster = shop();
  const first = await start(t, cluster);
  first.source.set(cluster.snapshot());
  let applied = 0;
  const web = sidecar(t, 'web-1', first.url, first.ca, { apply: () => void applied++ });
  const config = await until(web.discovery.config, () => true, never);
  await first.end();
  await until(web.discovery.status, (s) => !s.connected, never);
  assert.equal(web.discovery.config.current(), config);
  const second = await start(t, cluster, first.ca, first.port);
  second.source.set(cluster.snapshot());
  await until(web.discovery.status, (s) => s.synced, never);
  for (const [key, resource] of web.discovery.config.current()!) assert.equal(resource, config.get(key));
  assert.equal(applied, 2); // the second was an empty push
});

test('mesh server: unknown paths, other methods and large bodies are answered, HTTP/1.1 is not', async (t) => {
  const { url } = await start(t, shop());
  const session = connect(url, { rejectUnauthorized: false });
  t.after(() => session.destroy());
  const ask = (headers: Record<string, string>, body = '') =>
    new Promise<number>((resolve, reject) => {
      const stream = session.request(headers);
      stream.on('response', (h) => {
        resolve(Number(h[':status']));
        stream.close();
      });
      stream.on('error', reject);
      if (headers[':method'] === 'POST') stream.end(body);
    });
  assert.equal(await ask({ ':method': 'GET', ':path': '/' }), 404);
  assert.equal(await ask({ ':method': 'GET', ':path': '/v1/identity/sign' }), 405);
  assert.equal(await ask({ ':method': 'POST', ':path': '/v1/identity/sign' }, 'x'.repeat(100_000)), 413);
  assert.equal(await ask({ ':method': 'POST', ':path': '/v1/identity/sign' }, 'x'), 401);
  assert.equal(await ask({ ':method': 'POST', ':path': '/v1/discovery' }), 403);
});
