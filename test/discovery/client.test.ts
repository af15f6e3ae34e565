import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair, type Duplex } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { FakeClock } from '../../src/base/clock.ts';
import { contentHash } from '../../src/base/content-hash.ts';
import { until } from '../../src/base/watch.ts';
import { readResource } from '../../src/discovery/read-resource.ts';
import { fileStateStore } from '../../src/discovery/state-store.ts';
import type { Resource } from '../../src/mesh/resources.ts';
import {
  configOf,
  controller,
  endpointsResource,
  frames,
  inboundResource,
  proxy,
  serviceResource,
  WEB,
  workloadResource,
} from './fixtures.ts';

const never = new AbortController().signal;

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'weft-discovery-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A controller that the test plays by hand. */
function byHand() {
  const opened: ReturnType<typeof frames>[] = [];
  const raws: Duplex[] = [];
  let wake: (() => void) | undefined;
  return {
    raws,
    open(): Duplex {
      const [near, far] = duplexPair();
      raws.push(far);
      opened.push(frames(far));
      wake?.();
      return near;
    },
    async connection(n: number) {
      while (opened.length <= n) await new Promise<void>((resolve) => (wake = resolve));
      return opened[n]!;
    },
  };
}

function push(n: number, resources: readonly Resource[], extra: object = {}) {
  const upserts = resources.map((resource) => ({ version: contentHash(resource), resource }));
  return { type: 'push', push: n, upserts, removed: [], more: false, ...extra };
}

test('discovery client: says hello with what it holds, and acknowledges', async () => {
  const server = byHand();
  const client = proxy(server.open);
  const first = await server.connection(0);
  assert.deepEqual(await first.next(), {
    type: 'hello',
    protocol: 1,
    workload: WEB,
    features: ['access-http', 'access-audit', 'access-pods', 'route-matches', 'pods'],
    hopVersion: 1,
    versions: {},
  });
  first.send(push(1, [...configOf().values()]));
  assert.deepEqual(await first.next(), { type: 'ack', push: 1 });
  server.raws[0]!.destroy();
  const second = await server.connection(1);
  const versions = { workload: contentHash(workloadResource()), inbound: contentHash(inboundResource()) };
  assert.deepEqual((await second.next())!['versions'], versions);
  await client.end();
});

test('discovery client: a push in parts counts when it is complete, and half of it is forgotten', async () => {
  const server = byHand();
  const client = proxy(server.open);
  const first = await server.connection(0);
  await first.next();
  first.send(push(1, [...configOf().values()], { more: true }));
  first.send({ type: 'ping' });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(client.config.current(), undefined);
  server.raws[0]!.destroy();
  const second = await server.connection(1);
  assert.deepEqual((await second.next())!['versions'], {});
  second.send(push(1, [serviceResource('a')], { more: true }));
  second.send(push(1, [...configOf().values()]));
  assert.deepEqual(await second.next(), { type: 'ack', push: 1 });
  assert.deepEqual([...client.config.current()!.keys()], ['service/shop/a', 'workload', 'inbound']);
  await client.end();
});

test('discovery client: what it does not know it refuses, naming the resource, and keeps the old state', async () => {
  const server = byHand();
  const client = proxy(server.open);
  const stream = await server.connection(0);
  await stream.next();
  stream.send(push(1, [...configOf().values()]));
  await stream.next();
  const before = client.config.current();
  const inbound = inboundResource();
  const service = serviceResource('a');
  const cases: [unknown, RegExp][] = [
    [{ ...inbound, mode: 'strict' }, /inbound\.mode: expected one of deny, permissive, audit/],
    [{ ...inbound, rateLimits: [] }, /inbound\.rateLimits: this proxy does not know this field/],
    [{ type: 'egress', key: 'egress' }, /egress: resource type "egress" is not known/],
    [{ ...inbound, rules: [{ name: 'x', principals: 'all' }] }, /inbound\.rules\[0\]\.principals: expected a list/],
    [{ ...inbound, rules: [{ name: 'x' }] }, /inbound\.rules\[0\]\.principals: expected a list, found undefined/],
    [
      { ...inbound, rules: [{ name: 'x', principals: [], http: null }] },
      /rules\[0\]\.http: expected a list, found null/,
    ],
    [
      { ...service, ports: [{ ...service.ports[0], number: 70_000 }] },
      /service\/shop\/a\.ports\[0\]\.number: expected a port/,
    ],
    [serviceResource('a', -1), /weight: expected a non-negative integer, found -1/],
    [JSON.parse('{"type":"inbound","key":"inbound","__proto__":{}}'), /inbound\.__proto__: this proxy does not know/],
    [null, /resource type undefined is not known/],
    [workloadResource('cart-1'), /the configuration is for pod shop\/cart-1/],
  ];
  for (const [i, [resource, reason]] of cases.entries()) {
    stream.send({ ...push(2 + i, []), upserts: [{ version: contentHash(resource), resource }] });
    const answer = await stream.next();
    assert.equal(answer!['type'], 'nack');
    assert.match(String(answer!['reason']), reason);
  }
  stream.send({ ...push(50, []), upserts: [{ version: 'wrong', resource: inbound }] });
  assert.match(String((await stream.next())!['reason']), /inbound: content does not fit its version/);
  stream.send({ ...push(51, []), removed: ['workload'] });
  assert.match(String((await stream.next())!['reason']), /does not say who this proxy is/);
  assert.equal(client.config.current(), before);
  await client.end();
});

test('discovery client: reconnects with growing pauses and says why', async () => {
  const clock = new FakeClock();
  const dials: number[] = [];
  const client = proxy(
    () => {
      dials.push(clock.now());
      throw new Error('connect ECONNREFUSED');
    },
    { clock, minBackoffMs: 100, maxBackoffMs: 10_000 },
  );
  for (let i = 0; i < 400; i++) await clock.advance(250);
  const pauses = dials.slice(1).map((at, i) => at - dials[i]!);
  assert.ok(pauses[0]! <= 250 && pauses.at(-1)! >= 5000 && pauses.at(-1)! <= 15_250, pauses.join(' '));
  assert.equal(client.status.current()!.problem, 'connect ECONNREFUSED');
  await client.end();
});

test('discovery client: a controller that falls silent is left', async () => {
  const clock = new FakeClock();
  const server = byHand();
  const client = proxy(server.open, { clock });
  await clock.advance(5);
  const first = await server.connection(0);
  for (let i = 0; i < 10; i++) {
    first.send({ type: 'ping' });
    await clock.advance(10_000);
  }
  assert.equal(server.raws.length, 1);
  await clock.advance(45_000);
  assert.ok(server.raws.length > 1);
  await client.end();
});

test('discovery client: starts from its disk when there is no controller, and sends what it has when there is one', async (t) => {
  const path = join(await folder(t), 'state.json');
  const store = fileStateStore(path, WEB);
  const { want, open, end } = controller();
  want(configOf(serviceResource('a')));
  const first = proxy(open, { store });
  await until(first.status, (s) => s.synced, never);
  await first.end();
  await end();
  assert.deepEqual(await readdir(join(path, '..')), ['state.json']);

  const second = proxy(() => Promise.reject(new Error('away')), { store });
  await until(second.status, (s) => s.source === 'disk', never);
  assert.deepEqual(second.config.current(), configOf(serviceResource('a')));
  await second.end();

  const server = byHand();
  const third = proxy(server.open, { store });
  const versions = (await (await server.connection(0)).next())!['versions'];
  assert.deepEqual(
    versions,
    Object.fromEntries([...configOf(serviceResource('a'))].map(([k, r]) => [k, contentHash(r)])),
  );
  await third.end();
});

test('state store: anything but a whole state of this pod is refused by name', async (t) => {
  const path = join(await folder(t), 'state.json');
  const store = fileStateStore(path, WEB);
  assert.equal(await store.load(), undefined);
  await store.save(configOf(endpointsResource('a', '10.0.0.1')));
  assert.deepEqual(await store.load(), configOf(endpointsResource('a', '10.0.0.1')));
  const good = await readFile(path, 'utf8');
  const bad: [string, RegExp][] = [
    [good.slice(0, 20), /state\.json: is cut off or no JSON/],
    [good.slice(0, -20), /does not have the content/],
    [good.slice(0, good.indexOf('\n')), /does not have the content/],
    ['null', /has format undefined/],
    [good.replace('"format":2', '"format":3'), /has format 3, not 2/],
    [good.replace('10.0.0.1', '10.0.0.2'), /does not have the content/],
    [good.replace('"deny"', '"permissive"'), /does not have the content/],
    [good.replace('"pod":"shop/web-1"', '"pod":"shop/cart-1"'), /is the state of pod shop\/cart-1/],
  ];
  for (const [text, reason] of bad) {
    await writeFile(path, text);
    await assert.rejects(store.load(), reason);
  }
  const unknown = `${JSON.stringify({ type: 'future', key: 'future' })}\n`;
  const hash = createHash('sha256').update(unknown).digest('base64url');
  await writeFile(path, `${JSON.stringify({ format: 2, pod: 'shop/web-1', hash })}\n${unknown}`);
  await assert.rejects(store.load(), /future: resource type "future" is not known/);
});

test('discovery client: a damaged state is not used, and a disk that fails costs nothing but the state', async (t) => {
  const path = join(await folder(t), 'state.json');
  await writeFile(path, '{"format":1');
  const { want, open, end } = controller();
  const client = proxy(open, { store: fileStateStore(path, WEB) });
  want(configOf());
  await until(client.status, (s) => s.source === 'controller', never);
  await client.end();
  assert.deepEqual(await fileStateStore(path, WEB).load(), configOf());

  const full = { load: () => Promise.resolve(undefined), save: () => Promise.reject(new Error('ENOSPC')) };
  const other = proxy(open, { store: full });
  await until(other.status, (s) => s.synced, never);
  want(configOf(serviceResource('b')));
  await until(other.config, (c) => c.has('service/shop/b'), never);
  await other.end();
  await end();
});

test('discovery client: while pushes go on its state is written once a second, and the newest before it ends', async () => {
  const saved: number[] = [];
  const store = {
    load: () => Promise.resolve(undefined),
    save: async (config: object) => void saved.push((config as Map<string, unknown>).size),
  };
  const { want, open, end } = controller();
  const clock = new FakeClock();
  const client = proxy(open, { store, clock });
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const n of names.keys()) {
    want(configOf(...names.slice(0, n).map((name) => serviceResource(name))));
    await until(client.config, (c) => c.size === configOf().size + n, never);
    if (n === 3) await clock.advance(1_000);
  }
  assert.deepEqual(saved, [2, 5]);
  await client.end();
  assert.deepEqual(saved, [2, 5, 7]);
  await end();
});

test('readResource: every kind of resource that is made today is known', () => {
  const labels = { namespace: 'shop', pod: 'a', serviceAccount: 's', ownerKind: 'deployment', owner: 'a' };
  const match = { name: 'g/m', pathRegex: '/a', methods: ['GET'], headers: [['x-a', 'b']] as const };
  const service = serviceResource('a');
  const resources: Resource[] = [
    workloadResource(),
    inboundResource({
      ports: [{ number: 80, protocol: 'http1' }],
      rules: [{ name: 'r', principals: ['x'], ports: [80], http: [match] }],
      probes: [
        { type: 'http', port: 80, path: '/healthz' },
        { type: 'tcp', port: 81 },
      ],
    }),
    {
      ...service,
      ports: service.ports.map((p) => ({ ...p, routes: p.routes.map((r) => ({ ...r, matches: [match] })) })),
    },
    {
      type: 'endpoints',
      key: 'endpoints/shop/a/80',
      endpoints: [{ address: 'fd00::1', port: 1, identity: 'i', labels }],
    },
  ];
  for (const resource of resources) assert.equal(readResource(resource), resource);
});
