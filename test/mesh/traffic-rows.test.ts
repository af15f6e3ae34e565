import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptySeries } from '../../src/mesh/series-sum.ts';
import { LATENCY_BOUNDS_MS, type TrafficSeries } from '../../src/mesh/traffic.ts';
import { trafficReport, type TrafficReport } from '../../src/mesh/traffic-report.ts';
import { quantile, trafficRows } from '../../src/mesh/traffic-rows.ts';

const web = { namespace: 'shop', pod: 'web-1', serviceAccount: 'web', ownerKind: 'deployment', owner: 'web' };

function series(backend: string, counts: Partial<TrafficSeries> = {}): TrafficSeries {
  const target = { namespace: 'shop', service: 'catalog', port: 80, backend, workload: undefined };
  return {
    ...emptySeries({ direction: 'outbound', peerIdentity: undefined, tls: true, target }),
    ...counts,
  };
}

function look(...all: TrafficSeries[]): ReadonlyMap<string, TrafficReport> {
  return new Map([['shop/web-1', trafficReport(web, all)]]);
}

test('traffic rows: are what happened between two looks, by pair, with the share of each backend', () => {
  const before = look(series('v1', { requests: 100, successes: 100 }));
  const after = look(
    series('v1', { requests: 190, successes: 181, failures: 9, refused: new Map([['ACCESS_DENIED', 9]]) }),
    series('v2', { requests: 10, successes: 10 }),
  );
  const [row, ...rest] = trafficRows(before, after, 10);
  assert.equal(rest.length, 0);
  assert.deepEqual(row, {
    source: 'shop/web',
    destination: 'shop/catalog',
    perSecond: 10,
    unit: 'requests',
    successRate: 0.91,
    p50Ms: undefined,
    p99Ms: undefined,
    shares: [
      { backend: 'v1', fraction: 0.9 },
      { backend: 'v2', fraction: 0.1 },
    ],
    refusals: [{ reason: 'ACCESS_DENIED', perSecond: 0.9 }],
  });
});

test('traffic rows: raw TCP counts connections, silence makes no row, inbound makes none', () => {
  assert.equal(trafficRows(new Map(), look(series('v1', { tcpOpened: 4 })), 2)[0]?.unit, 'connections');
  assert.deepEqual(trafficRows(new Map(), look(series('v1')), 2), []);
  const inbound = {
    ...series('v1', { requests: 5 }),
    labels: { direction: 'inbound', peerIdentity: undefined, tls: true, target: undefined },
  } as const;
  assert.deepEqual(trafficRows(new Map(), look(inbound), 2), []);
});

test('quantile: interpolates inside the bucket and ends at the last bound', () => {
  assert.equal(quantile([10, 10], 0.5), 1);
  assert.equal(quantile([0, 10], 0.5), 1.5);
  assert.equal(quantile([], 0.5), undefined);
  const beyond = LATENCY_BOUNDS_MS.map(() => 0).concat(3);
  assert.equal(quantile(beyond, 0.99), LATENCY_BOUNDS_MS.at(-1));
});

test('traffic rows: what the called sidecar refuses is shown at the caller, and is no success there', () => {
  const workload = { namespace: 'shop', pod: 'cart-1', serviceAccount: 'cart', ownerKind: 'deployment', owner: 'cart' };
  const call = (service: string, requests: number): TrafficSeries => ({
    ...series('v1', { requests, successes: requests }),
    labels: {
      direction: 'outbound',
      peerIdentity: undefined,
      tls: true,
      target: { namespace: 'shop', service, port: 80, backend: service, workload },
    },
  });
  const inbound = (peerIdentity: string | undefined, denied: number): TrafficSeries => ({
    ...series('v1', { requests: denied, failures: denied, refused: new Map([['ACCESS_DENIED', denied]]) }),
    labels: { direction: 'inbound', peerIdentity, tls: peerIdentity !== undefined, target: undefined },
  });
  const webId = 'spiffe://weft.local/ns/shop/sa/web';
  const cart = (...all: TrafficSeries[]) => ['shop/cart-1', trafficReport(workload, all)] as const;
  const after = new Map([
    ...look(call('cart', 30), call('cart-alias', 10)),
    cart(inbound(webId, 20), inbound(undefined, 5)),
  ]);
  const before = new Map([cart(inbound(webId, 0), inbound(undefined, 1))]);
  const rows = trafficRows(before, after, 10);
  const shown = rows.map((r) => [r.source, r.destination, r.perSecond, r.successRate, r.refusals]);
  assert.deepEqual(shown, [
    ['shop/web', 'shop/cart', 3, 0.5, [{ reason: 'ACCESS_DENIED', perSecond: 1.5 }]],
    ['shop/web', 'shop/cart-alias', 1, 0.5, [{ reason: 'ACCESS_DENIED', perSecond: 0.5 }]],
    ['(unmeshed)', 'shop/cart', 0.4, 0, [{ reason: 'ACCESS_DENIED', perSecond: 0.4 }]],
  ]);
});

test('traffic rows: a proxy that restarted between the looks counts from zero', () => {
  const rows = trafficRows(
    look(series('v1', { requests: 100, successes: 100 })),
    look(series('v1', { requests: 5, successes: 5 })),
    1,
  );
  assert.equal(rows[0]?.perSecond, 5);
});
