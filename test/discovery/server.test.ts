import assert from 'node:assert/strict';
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { FakeClock } from '../../src/base/clock.ts';
import { contentHash } from '../../src/base/content-hash.ts';
import { until, WatchSource } from '../../src/base/watch.ts';
import { discoveryServer } from '../../src/discovery/server.ts';
import type { ProxyConfig, Resource } from '../../src/mesh/resources.ts';
import {
  configOf,
  controller,
  endpointsResource,
  frames,
  hello,
  inboundResource,
  serviceResource,
  WEB_ID,
  workloadResource,
} from './fixtures.ts';

const never = new AbortController().signal;
const turns = async (n = 10) => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};

function upserts(frame: Record<string, unknown> | undefined): string[] {
  return (frame?.['upserts'] as { resource: Resource }[]).map((u) => u.resource.key);
}

test('discovery server: sends everything at first, then only what changed, with content hashes as versions', async () => {
  const { want, open, end } = controller();
  const { send, next } = frames(open());
  want(configOf(serviceResource('a'), serviceResource('b')));
  send(hello());
  const full = await next();
  assert.deepEqual(upserts(full), ['workload', 'inbound', 'service/shop/a', 'service/shop/b']);
  for (const u of full!['upserts'] as { version: string; resource: Resource }[])
    assert.equal(u.version, contentHash(u.resource));
  send({ type: 'ack', push: full!['push'] });
  await turns();
  want(configOf(serviceResource('a'), endpointsResource('a', '10.1.0.1')));
  const change = await next();
  assert.deepEqual(upserts(change), ['endpoints/shop/a/80']);
  assert.deepEqual(change!['removed'], ['service/shop/b']);
  await end();
});

test('discovery server: what a proxy holds already is not sent again after a reconnect', async () => {
  const { want, open, end } = controller();
  want(configOf(serviceResource('a'), serviceResource('b')));
  const { send, next } = frames(open());
  const versions = {
    workload: contentHash(workloadResource()),
    'service/shop/a': contentHash(serviceResource('a')),
    'service/shop/b': contentHash(serviceResource('b', 99)),
    'service/shop/gone': 'x',
  };
  send(hello({ versions }));
  const push = await next();
  assert.deepEqual(upserts(push), ['inbound', 'service/shop/b']);
  assert.deepEqual(push!['removed'], ['service/shop/gone']);
  await end();
});

test('discovery server: one push is under way at a time, and what changes meanwhile comes as one', async () => {
  const { want, open, end } = controller();
  const { send, next, unread } = frames(open());
  want(configOf(serviceResource('a', 1)));
  send(hello());
  const first = await next();
  for (let weight = 2; weight < 10; weight++) {
    want(configOf(serviceResource('a', weight)));
    await turns(2);
  }
  assert.equal(unread(), 0);
  send({ type: 'ack', push: first!['push'] });
  const second = await next();
  const [update] = second!['upserts'] as { resource: { ports: { routes: { backends: { weight: number }[] }[] }[] } }[];
  assert.equal(update!.resource.ports[0]!.routes[0]!.backends[0]!.weight, 9);
  assert.equal(unread(), 0);
  await end();
});

test('discovery server: a proxy is served only the pod whose service account it has', async () => {
  const other = new Map<string, ProxyConfig>([
    ['shop/web-1', configOf()],
    ['shop/cart-1', new Map([...configOf(), ['workload', workloadResource('cart-1', 'cart')]])],
  ]);
  const { configs, open, end } = controller();
  configs.set(other);
  const ask = async (identity: string, workload: object) => {
    const { send, next } = frames(open(identity));
    send(hello({ workload }));
    const frame = await next();
    assert.equal(frame?.['upserts'], undefined);
    assert.equal(await next(), undefined); // the stream has ended
    return frame?.['reason'];
  };
  assert.match(String(await ask(WEB_ID, { namespace: 'shop', pod: 'cart-1' })), /is not the identity of this pod/);
  assert.match(
    String(await ask(WEB_ID, { namespace: 'bank', pod: 'web-1' })),
    /may not ask for pods of namespace bank/,
  );
  assert.match(
    String(await ask('spiffe://cluster.local/ns/shopx/sa/web', { namespace: 'shop', pod: 'web-1' })),
    /may not ask/,
  );
  assert.match(String(await ask('spiffe://cluster.local/admin', { namespace: 'shop', pod: 'web-1' })), /may not ask/);
  const otherDomain = 'spiffe://evil.domain/ns/shop/sa/web';
  assert.match(String(await ask(otherDomain, { namespace: 'shop', pod: 'web-1' })), /is not the identity of this pod/);
  await end();
});

test('discovery server: pods of one service account are told apart by the pod that their certificate names', async () => {
  const uids = new Map([['web-1', 'uid-of-web-1']]);
  const { want, open, end, server } = controller({ podUid: ({ pod }) => uids.get(pod) });
  want(configOf());
  const own = frames(open(WEB_ID, Infinity, 'uid-of-web-1'));
  own.send(hello());
  assert.deepEqual(upserts(await own.next()), ['workload', 'inbound']);
  const sibling = frames(open(WEB_ID, Infinity, 'uid-of-web-2'));
  sibling.send(hello());
  assert.match(String((await sibling.next())?.['reason']), /certificate is that of another pod/);
  assert.equal(await sibling.next(), undefined);
  assert.equal(server.proxies().length, 1);
  assert.equal(own.unread(), 0); // nor did it take the stream of its neighbour away
  const nameless = frames(open()); // of an authority that names no pods
  nameless.send(hello());
  assert.deepEqual(upserts(await nameless.next()), ['workload', 'inbound']);
  await end();
});

test('discovery server: a pod made anew under its old name is not the old one, whose stream ends', async () => {
  const uids = new Map([['web-1', 'old']]);
  const { want, open, end } = controller({ podUid: ({ pod }) => uids.get(pod) });
  want(configOf());
  const old = frames(open(WEB_ID, Infinity, 'old'));
  old.send(hello());
  const push = await old.next();
  old.send({ type: 'ack', push: push!['push'] });
  uids.set('web-1', 'new');
  want(configOf(serviceResource('a')));
  assert.match(String((await old.next())?.['reason']), /another pod/);
  await end();
});

test('discovery server: a pod of another service account does not take a stream away', async () => {
  const { want, open, end, server } = controller();
  want(configOf());
  const own = frames(open());
  own.send(hello());
  await own.next();
  const other = frames(open('spiffe://cluster.local/ns/shop/sa/cart'));
  other.send(hello());
  assert.match(String((await other.next())?.['reason']), /is not the identity of this pod/);
  await turns();
  assert.deepEqual([own.unread(), server.proxies().length], [0, 1]);
  await end();
});

test('discovery server: a pod that is not known yet waits, and is judged when it comes', async () => {
  const { want, configs, server, open, end } = controller();
  const { send, next, unread } = frames(open());
  send(hello());
  await until(server.changes, () => server.proxies().length === 1, never);
  assert.equal(server.proxies()[0]!.wanted, undefined);
  configs.set(new Map());
  await turns();
  assert.equal(unread(), 0);
  want(configOf());
  assert.deepEqual(upserts(await next()), ['workload', 'inbound']);
  await end();
});

test('discovery server: the newest stream of a pod replaces the one before', async () => {
  const { server, want, open, end } = controller();
  want(configOf());
  const old = frames(open());
  old.send(hello());
  await old.next();
  const fresh = frames(open());
  fresh.send(hello());
  await fresh.next();
  assert.match(String((await old.next())?.['reason']), /replaced by a newer stream/);
  assert.equal(server.proxies().length, 1);
  await end();
});

test('discovery server: a proxy without a security feature is sent deny, and the loss is told', async () => {
  const rule = { name: 'TrafficTarget shop/t', principals: [WEB_ID] };
  const http = { ...rule, name: 'TrafficTarget shop/h', http: [{ name: 'g/m', pathRegex: '/a' }] };
  const { server, want, open, end } = controller();
  const pods = { ...rule, name: 'TrafficTarget shop/p', pods: ['uid-1'] };
  want(configOf(inboundResource({ mode: 'audit', rules: [rule, http, pods] })));
  const { send, next } = frames(open());
  send(hello({ features: ['route-matches'] }));
  const push = await next();
  const inbound = (push!['upserts'] as { resource: Resource }[])
    .map((u) => u.resource)
    .find((r) => r.type === 'inbound');
  assert.deepEqual([inbound!.mode, inbound!.rules], ['deny', [rule, { name: pods.name, principals: [WEB_ID] }]]);
  const [status] = server.proxies();
  assert.equal(status!.losses.length, 3);
  assert.match(status!.losses.join('\n'), /does not know mode audit(.|\n)*what TrafficTarget shop\/h grants is denied/);
  assert.match(status!.losses.join('\n'), /single pods: what TrafficTarget shop\/p grants to these is denied/);
  await end();
});

test('discovery server: frames that are too large, no JSON, unknown, early, or too many end the stream', async () => {
  const { want, open, end } = controller({ limits: { maxFrameBytes: 2000, maxFramesPerHeartbeat: 50 } });
  want(configOf());
  const ends = async (act: (stream: ReturnType<typeof frames>, raw: ReturnType<typeof open>) => void) => {
    const raw = open();
    const stream = frames(raw);
    act(stream, raw);
    let last;
    for (let frame = await stream.next(); frame !== undefined; frame = await stream.next()) last = frame;
    return last?.['reason'];
  };
  await ends((_, raw) => raw.write('x'.repeat(3000)));
  await ends((_, raw) => raw.write('{"type":\n'));
  await ends((_, raw) => raw.write('null\n'));
  await ends(({ send }) => send({ type: 'shutdown' }));
  await ends(({ send }) => send({ type: 'ack', push: 1 }));
  await ends(({ send }) => (send(hello()), send(hello())));
  await ends(({ send }) => (send(hello()), send({ type: 'ack', push: 77 })));
  await ends(({ send }) => send(hello({ workload: { namespace: 1 } })));
  assert.match(String(await ends(({ send }) => send(hello({ protocol: 2 })))), /speaks protocol 1, the proxy speaks 2/);
  const flood = ({ send }: ReturnType<typeof frames>) => {
    send(hello());
    for (let i = 0; i < 100; i++) send({ type: 'ping' });
  };
  assert.equal(await ends(flood), 'too many frames');
  await end();
});

test('discovery server: names like __proto__ are data like any other', async () => {
  const { want, open, end } = controller();
  want(configOf());
  const raw = open();
  const { next } = frames(raw);
  raw.write(
    `{"__proto__":{"type":"ack"},${JSON.stringify(hello()).slice(1).replace('"versions":{}', '"versions":{"__proto__":"v","constructor":"w"}')}\n`,
  );
  const push = await next();
  assert.deepEqual(push!['removed'], ['__proto__', 'constructor']);
  assert.equal(({} as Record<string, unknown>)['type'], undefined);
  await end();
});

test('discovery server: a resource larger than a frame is reported and not sent', async () => {
  const { server, want, open, end } = controller({ limits: { maxFrameBytes: 8000 } });
  const many = Array.from({ length: 100 }, (_, i) => `10.1.${i}.1`);
  want(configOf(endpointsResource('a', ...many)));
  const { send, next } = frames(open());
  send(hello());
  await until(server.changes, () => server.proxies()[0]?.rejection !== undefined, never);
  assert.match(server.proxies()[0]!.rejection!.reason, /is larger than a frame of 8000 bytes/);
  want(configOf(endpointsResource('a', '10.1.0.1')));
  assert.equal(upserts(await next()).length, 3);
  await end();
});

test('discovery server: a large state comes in several frames and a reader that stops reading is dropped', async () => {
  const clock = new FakeClock();
  const configs = new WatchSource<ReadonlyMap<string, ProxyConfig>>();
  const server = discoveryServer({ configs, clock });
  const addresses = Array.from({ length: 1000 }, (_, i) => `10.${i >> 8}.${i & 255}.1`);
  const services = Array.from({ length: 40 }, (_, i) => endpointsResource(`s${i}`, ...addresses));
  configs.set(new Map([['shop/web-1', configOf(...services)]]));
  const [near, far] = duplexPair();
  const serving = server.serve(far, WEB_ID);
  let bytes = 0;
  near.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    near.pause(); // and never goes on
  });
  near.on('error', () => undefined);
  near.write(`${JSON.stringify(hello())}\n`);
  await once(near, 'data');
  for (let i = 0; i < 4; i++) {
    near.write('{"type":"ping"}\n'); // not silent, only slow
    await clock.advance(10_000);
  }
  await serving;
  assert.equal(server.proxies().length, 0);
  assert.ok(bytes < 1_000_000, `${bytes} of about 3 MB were written to a reader that does not read`);

  const stream = frames(near.destroyed ? reopen() : reopen());
  function reopen() {
    const [a, b] = duplexPair();
    void server.serve(b, WEB_ID);
    return a;
  }
  stream.send(hello());
  const keys: string[] = [];
  let count = 0;
  for (let more = true; more; count++) {
    const frame = await stream.next();
    keys.push(...upserts(frame));
    more = frame!['more'] === true;
  }
  assert.equal(keys.length, 42);
  assert.ok(count > 5, `${count} frames`);
  server.close();
});

test('discovery server: silence ends a stream, heartbeats keep it', async () => {
  const clock = new FakeClock();
  const { server, want, open, end } = controller({ clock });
  want(configOf());
  const raw = open();
  const { send, next } = frames(raw);
  send(hello());
  send({ type: 'ack', push: (await next())!['push'] });
  for (let i = 0; i < 20; i++) {
    send({ type: 'ping' });
    await clock.advance(10_000);
  }
  assert.equal(server.proxies().length, 1);
  await clock.advance(40_000);
  assert.equal(server.proxies().length, 0);
  const mute = open();
  const ended = frames(mute);
  await clock.advance(30_000);
  assert.equal(await ended.next(), undefined);
  await end();
});
