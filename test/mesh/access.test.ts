import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessMatcher, type AccessMatcher } from '../../src/mesh/access.ts';
import type { AccessRule, InboundResource } from '../../src/mesh/resources.ts';

const A = 'spiffe://weft.local/ns/shop/sa/a';
const B = 'spiffe://weft.local/ns/shop/sa/b';

function access(rules: readonly AccessRule[], more: Partial<InboundResource> = {}): AccessMatcher {
  return accessMatcher({ type: 'inbound', key: 'inbound', mode: 'deny', ports: [], probes: [], rules, ...more });
}

const who = (identity: string | undefined, pod?: string) => ({ identity, pod });
const get = (matcher: AccessMatcher, peer: string | undefined, port = 8080, path = '/', method = 'GET') =>
  matcher.http(who(peer), port, method, path, 'shop', []);

test('access: with no rules nobody gets in', () => {
  const none = access([]);
  assert.equal(get(none, A), undefined);
  assert.equal(none.tcp(who(A), 8080), undefined);
});

test('access: a caller without identity is granted nothing', () => {
  const all = access([{ name: 'r', principals: [A, ''] }]);
  assert.equal(get(all, undefined), undefined);
  assert.equal(all.tcp(who(undefined), 8080), undefined);
});

test('access: the answer names the rule that grants it', () => {
  const rules = access([
    { name: 'TrafficTarget shop/one', principals: [A], http: [{ name: 'g/x', pathRegex: '/x' }] },
    { name: 'TrafficTarget shop/two', principals: [B, A], http: [{ name: 'g/y', pathRegex: '/y' }] },
  ]);
  assert.equal(get(rules, A, 1, '/x'), 'TrafficTarget shop/one');
  assert.equal(get(rules, A, 1, '/y'), 'TrafficTarget shop/two');
  assert.equal(get(rules, B, 1, '/y'), 'TrafficTarget shop/two');
  assert.equal(get(rules, B, 1, '/x'), undefined);
});

test('access: a union, never a cross product (check 24)', () => {
  const rules = access([
    { name: 'ax', principals: [A], http: [{ name: 'g/x', pathRegex: '/x' }] },
    { name: 'by', principals: [B], http: [{ name: 'g/y', pathRegex: '/y' }] },
  ]);
  const allowed = [A, B].flatMap((peer) => ['/x', '/y'].map((path) => get(rules, peer, 1, path)));
  assert.deepEqual(allowed, ['ax', undefined, undefined, 'by']);
});

test('access: a rule for pods lets in who holds the certificate of one of them, and nobody else (A20)', () => {
  const rules = access([
    { name: 'tcp', principals: [], pods: ['pod-1', 'pod-2'], ports: [9000] },
    { name: 'http', principals: [B], pods: ['pod-1'], http: [{ name: 'g/x', pathRegex: '/x' }] },
  ]);
  const http = (identity: string | undefined, pod: string | undefined, port = 8080, path = '/x') =>
    rules.http(who(identity, pod), port, 'GET', path, 'shop', []);
  assert.equal(http(A, 'pod-1'), 'http');
  assert.equal(http(A, 'pod-1', 9000, '/other'), 'tcp');
  assert.equal(http(A, 'pod-1', 8080, '/other'), undefined);
  assert.equal(http(A, 'pod-2'), undefined);
  assert.equal(http(A, undefined), undefined, 'the same account without a pod in its certificate');
  assert.equal(http(undefined, 'pod-1'), undefined, 'a pod is nothing without an identity');
  assert.equal(http(B, 'pod-9'), 'http', 'by its account');
  assert.equal(http('pod-1', undefined), undefined);
  assert.equal(http(A, B), undefined);
  assert.deepEqual(
    ['pod-1', 'pod-2', 'pod-3', undefined].map((pod) => rules.tcp(who(A, pod), 9000)),
    ['tcp', 'tcp', undefined, undefined],
  );
});

test('access: any bytes grants HTTP too, HTTP does not grant raw TCP (A6, A7)', () => {
  const tcp = access([{ name: 'tcp', principals: [A], ports: [8080] }]);
  assert.equal(get(tcp, A, 8080, '/%2f'), 'tcp');
  assert.equal(tcp.tcp(who(A), 8080), 'tcp');
  assert.equal(tcp.tcp(who(A), 8081), undefined);
  const http = access([{ name: 'http', principals: [A], http: [{ name: 'g/all' }] }]);
  assert.equal(get(http, A), 'http');
  assert.equal(http.tcp(who(A), 8080), undefined);
});

test('access: a rule with ports and HTTP grants that path on that port (A6)', () => {
  const rules = access([
    { name: 'both', principals: [A], ports: [8080], http: [{ name: 'g/m', pathRegex: '/metrics' }] },
  ]);
  assert.equal(get(rules, A, 8080, '/metrics'), 'both');
  assert.equal(get(rules, A, 9090, '/metrics'), undefined);
  assert.equal(get(rules, A, 8080, '/'), undefined);
  assert.equal(rules.tcp(who(A), 8080), undefined);
});

test('access: raw TCP is found behind HTTP rules, whatever their order', () => {
  const rules = access([
    { name: 'http', principals: [A], http: [{ name: 'g/x' }] },
    { name: 'tcp', principals: [A], ports: [9000] },
  ]);
  assert.equal(rules.tcp(who(A), 9000), 'tcp');
  assert.equal(get(rules, A, 9000), 'tcp');
  assert.equal(get(rules, A, 8080), 'http');
});

test('access: empty ports, principals and matches grant nothing', () => {
  assert.equal(access([{ name: 'r', principals: [A], ports: [] }]).tcp(who(A), 8080), undefined);
  assert.equal(access([{ name: 'r', principals: [] }]).tcp(who(A), 8080), undefined);
  assert.equal(get(access([{ name: 'r', principals: [A], http: [] }]), A), undefined);
});

test('access: HTTP is enforced only on ports with HTTP rules, and never in permissive mode', () => {
  const rules: AccessRule[] = [
    { name: 'h', principals: [A], ports: [8080], http: [{ name: 'g/x' }] },
    { name: 't', principals: [A], ports: [9000] },
  ];
  const enforced = (mode: InboundResource['mode']) =>
    [8080, 9000, 7].map((p) => access(rules, { mode }).enforcesHttp(p));
  assert.deepEqual(enforced('deny'), [true, false, false]);
  assert.deepEqual(enforced('audit'), [true, false, false]);
  assert.deepEqual(enforced('permissive'), [false, false, false]);
  assert.equal(access([{ name: 'h', principals: [A], http: [] }]).enforcesHttp(7), true);
});

test('access: probes are exempt on exactly their port, path and method (A15)', () => {
  const probes = access([], {
    probes: [
      { type: 'http', port: 8080, path: '/healthz?full=1' },
      { type: 'grpc', port: 9000 },
      { type: 'tcp', port: 5432 },
    ],
  });
  assert.equal(probes.httpProbe(8080, 'GET', '/healthz'), 'probe http');
  assert.equal(probes.httpProbe(8080, 'POST', '/healthz'), undefined);
  assert.equal(probes.httpProbe(8080, 'GET', '/healthz/x'), undefined);
  assert.equal(probes.httpProbe(8081, 'GET', '/healthz'), undefined);
  assert.equal(probes.httpProbe(9000, 'POST', '/grpc.health.v1.Health/Check'), 'probe grpc');
  assert.equal(probes.httpProbe(9000, 'POST', '/grpc.health.v1.Health/Watch'), undefined);
  assert.equal(probes.tcpProbe(5432), 'probe tcp');
  assert.equal(probes.tcpProbe(8080), undefined);
  assert.deepEqual(
    [8080, 9000, 5432].map((port) => probes.hasHttpProbe(port)),
    [true, true, false],
  );
});
