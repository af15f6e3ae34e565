import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trafficTable } from '../../src/cli/traffic-table.ts';
import type { TrafficRow } from '../../src/mesh/traffic-rows.ts';

const row: TrafficRow = {
  source: 'shop/web',
  destination: 'shop/catalog',
  perSecond: 21.4,
  unit: 'requests',
  successRate: 0.998,
  p50Ms: 1.2,
  p99Ms: 12.4,
  shares: [
    { backend: 'catalog-v2', fraction: 0.104 },
    { backend: 'catalog-v1', fraction: 0.896 },
  ],
  refusals: [],
};

test('traffic table: shows rates, success, latency and shares in columns', () => {
  assert.deepEqual(trafficTable([row]), [
    'SOURCE    DESTINATION     RATE  SUCCESS    P50   P99  SPLIT                           DENIED',
    'shop/web  shop/catalog  21 rps    99.8%  1.2ms  12ms  catalog-v1 90%, catalog-v2 10%',
  ]);
});

test('traffic table: says what was refused and why, and leaves out what was not measured', () => {
  const denied: TrafficRow = {
    ...row,
    successRate: 0,
    p50Ms: undefined,
    p99Ms: undefined,
    shares: [],
    refusals: [{ reason: 'ACCESS_DENIED', perSecond: 2 }],
  };
  assert.match(trafficTable([denied])[1] ?? '', /0\.0% +- +- +2\.0\/s ACCESS_DENIED$/);
});

test('traffic table: a narrow screen gets splits and refusals below their row', () => {
  const denied: TrafficRow = { ...row, source: 'shop/x', refusals: [{ reason: 'ACCESS_DENIED', perSecond: 2 }] };
  assert.deepEqual(trafficTable([row, denied], 80), [
    'SOURCE    DESTINATION     RATE  SUCCESS    P50   P99',
    'shop/web  shop/catalog  21 rps    99.8%  1.2ms  12ms',
    '  split catalog-v1 90%, catalog-v2 10%',
    'shop/x    shop/catalog  21 rps    99.8%  1.2ms  12ms',
    '  split catalog-v1 90%, catalog-v2 10%',
    '  denied 2.0/s ACCESS_DENIED',
  ]);
});

test('traffic table: rows are sorted by source and destination', () => {
  const lines = trafficTable([row, { ...row, source: 'shop/a' }]);
  assert.match(lines[1] ?? '', /^shop\/a/);
});

test('traffic table: control characters of object names never reach the terminal', () => {
  const text = trafficTable([{ ...row, source: 'shop/\x1b[2Jweb\r\n' }]).join('');
  assert.doesNotMatch(text, /[\x00-\x1f\x7f]/);
});
