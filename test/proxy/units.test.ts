import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { seeded } from '../../src/base/random.ts';
import { LiveEndpoint } from '../../src/proxy/balance/live-endpoint.ts';
import { p2c } from '../../src/proxy/balance/p2c.ts';
import { canonicalAddress, formatDestination, parseDestination } from '../../src/proxy/destination.ts';
import { destinationGuard } from '../../src/proxy/guard.ts';
import { identityHeaders, withoutHeaders } from '../../src/proxy/headers.ts';
import { DEFAULT_LIMITS } from '../../src/proxy/limits.ts';
import { parseSockaddr } from '../../src/proxy/original-destination.ts';
import { parseGreeting, parseRequest } from '../../src/proxy/server/socks5.ts';

function endpoint(name: number, active: number): LiveEndpoint {
  const live = new LiveEndpoint({ address: `10.0.0.${name}`, port: 80 });
  live.active = active;
  return live;
}

test('p2c: an empty set has nobody to pick', () => {
  assert.equal(p2c([], Math.random).pick(0, []), undefined);
});

test('p2c: never picks the most loaded endpoint while another is lighter', () => {
  const loads = fc.uniqueArray(fc.nat(1000), { minLength: 2, maxLength: 50 });
  fc.assert(
    fc.property(loads, fc.integer(), (loads, seed) => {
      const endpoints = loads.map((load, i) => endpoint(i, load));
      assert.notEqual(p2c(endpoints, seeded(seed)).pick(0, [])?.active, Math.max(...loads));
    }),
  );
});

test('p2c: passes over what was tried, and over what just failed while something else is left', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(8), fc.nat(8), fc.integer(), (n, failed, tried, seed) => {
      const endpoints = Array.from({ length: n }, (_, i) => endpoint(i, 0));
      for (const live of endpoints.slice(0, failed)) live.failed(1000, DEFAULT_LIMITS);
      const done = endpoints.slice(n - Math.min(tried, n));
      const picked = p2c(endpoints, seeded(seed)).pick(1001, done);
      const left = endpoints.filter((live) => !done.includes(live));
      if (left.length === 0 || (n === 1 && done.length > 0)) return assert.equal(picked, undefined);
      assert.ok(picked !== undefined && left.includes(picked));
      if (left.some((live) => live.failures === 0)) assert.equal(picked.failures, 0);
    }),
  );
});

test('endpoint: is avoided longer with each failure, up to a limit, and forgiven at once', () => {
  const live = endpoint(1, 0);
  const pauses = Array.from({ length: 8 }, () => {
    live.failed(0, DEFAULT_LIMITS);
    return live.cooldownUntil;
  });
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
  live.succeeded();
  assert.equal(live.cooldownUntil, 0);
});

test('destination: addresses and names have one spelling', () => {
  const spellings: [string, string | undefined][] = [
    ['Cart.Shop.:80', 'cart.shop:80'],
    ['10.0.0.1:8080', '10.0.0.1:8080'],
    ['[::FFFF:10.0.0.1]:80', '10.0.0.1:80'],
    ['[::ffff:a00:1]:80', '10.0.0.1:80'],
    ['[FD00:0:0::1]:80', '[fd00::1]:80'],
    ['cart_v2:80', 'cart_v2:80'],
    ['cart', undefined],
    ['cart:0', undefined],
    ['cart:65536', undefined],
    ['user@cart:80', undefined],
    ['cart/x:80', undefined],
    ['2130706433:80', undefined],
    ['0x7f.1:80', undefined],
    ['127.1:80', undefined],
    ['10.0.0.01:80', undefined],
    ['a\0b:80', undefined],
    ['::1:80', undefined],
    ['[fe80::1%eth0]:80', undefined],
    ['-cart:80', undefined],
  ];
  for (const [text, canonical] of spellings) {
    const parsed = parseDestination(text);
    assert.equal(parsed && formatDestination(parsed), canonical, text);
  }
  assert.deepEqual(parseDestination('cart', 80), { host: 'cart', port: 80 });
});

test('destination: what is printed is read back as the same', () => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
  fc.assert(
    fc.property(host, fc.integer({ min: 1, max: 65535 }), (host, port) => {
      const parsed = parseDestination(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);
      if (parsed === undefined) return; // a domain whose last label looks like a number
      assert.deepEqual(parseDestination(formatDestination(parsed)), parsed);
      assert.equal(canonicalAddress(parsed.host), parsed.host);
    }),
  );
});

test('headers: the list is only copied when something is taken out, and nothing else is', () => {
  const test = identityHeaders(['x-corp-user']);
  const clean = ['accept', '*/*', 'x-forwarded-for', '10.0.0.1', 'x-web', 'y', 'client', 'z', 'cookie', 'l5d'];
  assert.equal(withoutHeaders(clean, test), clean);
  const claims = [
    'x-weft-',
    'x_weft-via',
    'l5d-x',
    'client-cert',
    'x-forwarded_client_cert',
    'x-corp-user',
    'x_corp_user',
  ];
  assert.deepEqual(withoutHeaders([...claims.flatMap((name) => [name, '1']), ...clean, 'l5d-y', '2'], test), clean);
});

test('guard: only the sidecar itself, link-local and what is listed are forbidden', () => {
  const listener = { kind: 'outbound', connections: 0, close() {}, destroy() {} } as const;
  const listeners = [
    { ...listener, address: '127.9.9.9', port: 15001 },
    { ...listener, address: '::', port: 15006 },
  ];
  const guard = destinationGuard({
    listeners: () => listeners,
    reservedPorts: [15020],
    forbidden: ['192.0.2.0/24', 'fd00::1'],
  });
  const no: [string, number][] = [
    ['127.9.9.9', 15001],
    ['0.0.0.0', 15001],
    ['127.0.0.1', 15006],
    ['::1', 15006],
    ['127.0.0.1', 15020],
    ['169.254.169.254', 80],
    ['fe80::1', 80],
    ['192.0.2.77', 443],
    ['fd00::1', 443],
  ];
  const yes: [string, number][] = [
    ['127.0.0.1', 15001],
    ['10.0.0.1', 15006],
    ['10.0.0.1', 15020],
    ['127.0.0.1', 80],
    ['192.0.3.1', 443],
    ['fd00::2', 443],
  ];
  for (const [address, port] of no) assert.notEqual(guard.forbidden(address, port), undefined, `${address}:${port}`);
  for (const [address, port] of yes) assert.equal(guard.forbidden(address, port), undefined, `${address}:${port}`);
  assert.throws(
    () => destinationGuard({ listeners: () => [], reservedPorts: [], forbidden: ['10.0.0/8'] }),
    /10\.0\.0\/8/,
  );
});

test('socks5: a message that is cut anywhere is waited for', () => {
  const request = Buffer.from([5, 1, 0, 3, 4, 0x63, 0x61, 0x72, 0x74, 0, 80, 99]);
  for (let cut = 0; cut < 11; cut++) assert.equal(parseRequest(request.subarray(0, cut)), 'more');
  assert.deepEqual(parseRequest(request), { destination: { host: 'cart', port: 80 }, length: 11 });
  assert.equal(parseGreeting(Buffer.from([5, 2, 0])), 'more');
  const v6 = Buffer.concat([Buffer.from([5, 1, 0, 4]), Buffer.alloc(15), Buffer.from([1, 0, 80])]);
  assert.deepEqual(parseRequest(v6), { destination: { host: '::1', port: 80 }, length: 22 });
});

test('original destination: both address families are read as the kernel writes them', () => {
  const v4 = Buffer.alloc(28);
  v4.writeUInt16LE(2, 0);
  v4.writeUInt16BE(8080, 2);
  v4.set([10, 1, 2, 3], 4);
  assert.deepEqual(parseSockaddr(v4), { host: '10.1.2.3', port: 8080 });
  const v6 = Buffer.alloc(28);
  v6.writeUInt16LE(10, 0);
  v6.writeUInt16BE(443, 2);
  v6.set([0xfd, 0], 8);
  v6[23] = 9;
  assert.deepEqual(parseSockaddr(v6), { host: 'fd00::9', port: 443 });
});

test('original destination: a redirected connection tells where it was going', (t) => {
  const script = join(import.meta.dirname, 'redirected.ts');
  const rules = 'ip link set lo up && iptables -t nat -A OUTPUT -p tcp --dport 7777 -j REDIRECT --to-ports 15001';
  const run = spawnSync('unshare', ['-Urn', 'sh', '-c', `${rules} && exec "$0" "$1"`, process.execPath, script], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (run.error !== undefined || /unshare|iptables|Operation not permitted/.test(run.stderr)) {
    return t.skip(`needs user namespaces and iptables: ${run.error?.message ?? run.stderr.split('\n')[0]}`);
  }
  assert.equal(run.stdout.trim(), '127.5.6.7:7777', run.stderr);
});

test('loop guard: a client whose address another of our connections has as well is no loop', (t) => {
  const script = join(import.meta.dirname, 'same-port.ts');
  const rules = 'ip link set lo up && echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range';
  const run = spawnSync('unshare', ['-Urn', 'sh', '-c', `${rules} && exec "$0" "$1"`, process.execPath, script], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (run.error !== undefined || /unshare|Operation not permitted|Read-only/.test(run.stderr)) {
    return t.skip(`needs user and network namespaces: ${run.error?.message ?? run.stderr.split('\n')[0]}`);
  }
  assert.deepEqual(JSON.parse(run.stdout), { statuses: [200, 200, 200], ports: [40000] }, run.stderr);
});
