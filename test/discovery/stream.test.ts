import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, contentHash } from '../../src/base/content-hash.ts';
import { until } from '../../src/base/watch.ts';
import type { ProxyConfig, Resource } from '../../src/mesh/resources.ts';
import {
  configOf,
  controller,
  endpointsResource,
  frames,
  hello,
  inboundResource,
  proxy,
  serviceResource,
  WEB_ID,
} from './fixtures.ts';

const never = new AbortController().signal;

/** Resolves when the proxy has put to work what the controller wants now. */
function settled(client: ReturnType<typeof proxy>, want: ProxyConfig): Promise<ProxyConfig> {
  return until(client.config, (config) => text(config) === text(want), never);
}

function text(config: ProxyConfig): string {
  return canonicalJson([...config.values()].sort((a, b) => (a.key < b.key ? -1 : 1)));
}

const resource: fc.Arbitrary<Resource> = fc.oneof(
  fc
    .record({ name: fc.constantFrom('a', 'bb', 'ccc', 'd'), weight: fc.nat(3) })
    .map((r) => serviceResource(r.name, r.weight)),
  fc
    .record({ name: fc.constantFrom('a', 'bb', 'ccc'), n: fc.nat(3) })
    .map((r) => endpointsResource(r.name, ...ADDRESSES.slice(0, r.n))),
  fc.constantFrom(inboundResource(), inboundResource({ mode: 'audit' }), inboundResource({ mode: 'permissive' })),
);
const ADDRESSES = ['10.1.0.1', '10.1.0.2', 'fd00::3'];
const config = fc.array(resource, { maxLength: 6 }).map((resources) => configOf(...resources));

test('discovery: any sequence of configurations ends with the newest at the proxy', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(config, { minLength: 1, maxLength: 12 }),
      fc.array(fc.boolean()),
      async (wants, waits) => {
        const { want, open, end } = controller();
        const client = proxy(open);
        for (const [i, next] of wants.entries()) {
          want(next);
          if (waits[i] === true) await settled(client, next);
        }
        await settled(client, wants.at(-1)!);
        await client.end();
        await end();
      },
    ),
    { numRuns: 60 },
  );
});

test('discovery: streams that break at any byte leave no other trace than a reconnect', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(config, { minLength: 1, maxLength: 5 }),
      fc.array(fc.integer({ min: 0, max: 6000 }), { maxLength: 4 }),
      async (wants, budgets) => {
        const { want, open, end } = controller();
        const seen: ProxyConfig[] = [];
        const client = proxy(() => open(undefined, budgets.shift()), { apply: (c) => void seen.push(c) });
        for (const next of wants) {
          want(next);
          await new Promise((resolve) => setImmediate(resolve));
        }
        await settled(client, wants.at(-1)!);
        // Whatever was applied on the way was one of the wanted configurations, whole.
        const allowed = new Set(wants.map(text));
        for (const applied of seen) assert.ok(allowed.has(text(applied)));
        await client.end();
        await end();
      },
    ),
    { numRuns: 60 },
  );
});

test('discovery: a refused configuration is not sent again, the old one stays, the next good one is taken', async () => {
  const { server, want, open, end } = controller();
  const first = configOf(serviceResource('a'));
  const bad = configOf(serviceResource('a'), serviceResource('bad'));
  let applications = 0;
  const client = proxy(open, {
    apply(next) {
      applications++;
      if (next.has('service/shop/bad')) throw new Error('service/shop/bad: no such thing');
    },
  });
  want(first);
  await settled(client, first);
  want(bad);
  await until(client.status, (s) => s.problem !== undefined, never);
  assert.equal(client.config.current()!.has('service/shop/bad'), false);
  await until(server.changes, () => server.proxies()[0]?.rejection !== undefined, never);
  want(configOf(serviceResource('a'), serviceResource('bad'))); // another object, the same content
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(applications, 2);
  const [status] = server.proxies();
  assert.equal(status!.rejection!.reason, 'service/shop/bad: no such thing');
  assert.equal(status!.rejections, 1);
  assert.notEqual(status!.version, status!.wanted);
  assert.deepEqual(server.progress([{ key: 'service/shop/a' }]), { live: 1, of: 1 });
  assert.deepEqual(server.progress([{ key: 'service/shop/bad' }]), { live: 0, of: 1 });

  const good = configOf(serviceResource('b'));
  want(good);
  await settled(client, good);
  await until(server.changes, () => server.proxies()[0]?.version === server.proxies()[0]?.wanted, never);
  assert.equal(server.proxies()[0]!.rejection, undefined);
  assert.deepEqual(server.progress([{ key: 'service/shop/b' }]), { live: 1, of: 1 });
  await client.end();
  await end();
});

test('discovery: pods are sent to proxies that know them, and beyond some only by lookup', async () => {
  const labels = { namespace: 'bank', pod: 'a', serviceAccount: 'a', ownerKind: 'pod', owner: 'a' };
  const pod = (name: string, address: string): Resource => {
    return { type: 'pod', key: `pod/bank/${name}`, addresses: [address], identity: WEB_ID, labels };
  };
  const few = configOf(serviceResource('a'), pod('a', '10.7.0.1'));
  const many = new Map([...few, ...configOf(pod('b', '10.7.0.2'), pod('c', '10.7.0.3'))]);
  const { want, open, end } = controller({ everythingUpTo: 2 });
  want(few);
  const client = proxy(open);
  const pods = () => [...client.config.current()!.keys()].filter((key) => key.startsWith('pod/'));
  await until(client.status, (s) => s.synced, never);
  assert.deepEqual(pods(), ['pod/bank/a']);
  want(many);
  await until(client.config, (config) => config.size === 3, never);
  assert.deepEqual(pods(), []);
  assert.equal(await client.lookup({ address: '10.7.0.2' }), true);
  assert.deepEqual(pods(), ['pod/bank/b']);
  assert.equal(await client.lookup({ address: '10.7.0.9' }), false);
  await client.end();
  const old = frames(open());
  old.send(hello({ features: ['access-http', 'access-audit', 'route-matches'] }));
  want(few);
  const keys = ((await old.next())!['upserts'] as { resource: Resource }[]).map((u) => u.resource.key);
  assert.ok(!keys.some((key) => key.startsWith('pod/')), keys.join());
  await end();
});

test('discovery: in a large mesh a proxy gets its own namespace, and the rest by lookup', async () => {
  const bank = (name: string) => ({ ...serviceResource(name), key: `service/bank/${name}`, namespace: 'bank' });
  const ledger = { ...bank('ledger'), hostnames: ['ledger.bank.svc.cluster.local'], addresses: ['10.0.9.1'] };
  const headless = {
    ...serviceResource('db'),
    key: 'service/bank/db',
    namespace: 'bank',
    addresses: [],
    hostnames: [],
  };
  const db = { ...endpointsResource('db', '10.2.0.7'), key: 'endpoints/bank/db/80' } as Resource;
  const all = configOf(
    serviceResource('a'),
    endpointsResource('a', '10.1.0.1'),
    ledger,
    endpointsResource('ledger', '10.1.0.9'),
    headless,
    db,
  );
  const { server, want, open, end, streams } = controller({ everythingUpTo: 2 });
  want(all);
  const client = proxy(open);
  const keys = () => [...client.config.current()!.keys()].sort();
  await until(client.status, (s) => s.synced, never);
  assert.deepEqual(keys(), ['endpoints/shop/a/80', 'inbound', 'service/shop/a', 'workload']);
  assert.deepEqual(server.progress([{ key: 'service/bank/ledger' }]), { live: 0, of: 0 });

  const [first, again] = await Promise.all([1, 2].map(() => client.lookup({ name: 'ledger.bank.svc.cluster.local.' })));
  assert.deepEqual([first, again], [true, true]);
  assert.ok(keys().includes('service/bank/ledger') && keys().includes('endpoints/shop/ledger/80'));
  assert.equal(await client.lookup({ address: '10.9.9.9' }), false);
  assert.equal(await client.lookup({ address: '10.0.9.1' }), true); // nothing new to push
  assert.equal(await client.lookup({ address: '10.2.0.7' }), true);
  assert.ok(keys().includes('service/bank/db'));
  assert.deepEqual(server.progress([{ key: 'service/bank/ledger' }]), { live: 1, of: 1 });

  // Another replica learns from the hello what this proxy calls.
  const other = controller({ everythingUpTo: 2 });
  other.want(all);
  const held = client.config.current()!;
  streams[0]!.destroy();
  await client.end();
  const versions = Object.fromEntries([...held.values()].map((r) => [r.key, contentHash(r)]));
  const replica = frames(other.open());
  replica.send(hello({ versions }));
  const push = await replica.next();
  assert.deepEqual([push!['upserts'], push!['removed']], [[], []]);
  assert.equal(await client.lookup({ name: 'x' }), false); // no connection
  await end();
  await other.end();
});

test('discovery: a small mesh is sent whole', async () => {
  const bank = { ...serviceResource('ledger'), key: 'service/bank/ledger', namespace: 'bank' };
  const { want, open, end } = controller();
  want(configOf(bank));
  const client = proxy(open);
  await settled(client, configOf(bank));
  await client.end();
  await end();
});

test('discovery: unchanged resources keep their identity at the proxy', async () => {
  const { want, open, end } = controller();
  const client = proxy(open);
  want(configOf(serviceResource('a'), serviceResource('b')));
  const before = await settled(client, configOf(serviceResource('a'), serviceResource('b')));
  want(configOf(serviceResource('a'), serviceResource('b', 7)));
  const after = await settled(client, configOf(serviceResource('a'), serviceResource('b', 7)));
  assert.equal(after.get('service/shop/a'), before.get('service/shop/a'));
  assert.notEqual(after.get('service/shop/b'), before.get('service/shop/b'));
  await client.end();
  await end();
});
