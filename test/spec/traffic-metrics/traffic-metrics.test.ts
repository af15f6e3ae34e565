import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nanosOf } from '../../../src/spec/conversion/quantity.ts';
import {
  formatQuantity,
  type Question,
  trafficMetrics,
  trafficMetricsList,
} from '../../../src/spec/traffic-metrics/build.ts';
import { formatGoDuration, parseGoDuration, windowOf } from '../../../src/spec/traffic-metrics/duration.ts';

const nowMs = Date.parse('2026-01-02T03:04:05.678Z');
const v1: Question = { version: 'v1alpha1', plural: 'deployments', nowMs, windowMs: 30_000 };
const v2: Question = { ...v1, version: 'v1alpha2' };
const web = { kind: 'Deployment', namespace: 'shop', name: 'web' };
const api = { kind: 'Deployment', namespace: 'back', name: 'api' };
const measured = { success: 294, failure: 1.5, p50Ms: 1.25, p90Ms: 10, p99Ms: 296.875 };

test('traffic metrics: a resource in the shape that the reference server serves (smi.md 1.5, 4.3)', () => {
  const item = trafficMetrics(v1, { resource: web }, measured);
  assert.equal(
    JSON.stringify(item, undefined, 1),
    JSON.stringify(
      {
        kind: 'TrafficMetrics',
        apiVersion: 'metrics.smi-spec.io/v1alpha1',
        metadata: {
          name: 'web',
          namespace: 'shop',
          selfLink: '/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop/deployments/web',
          creationTimestamp: '2026-01-02T03:04:05Z',
        },
        timestamp: '2026-01-02T03:04:05Z',
        window: '30s',
        resource: web,
        edge: { direction: 'from', resource: null },
        metrics: [
          { name: 'p99_response_latency', unit: 'ms', value: '296875m' },
          { name: 'p90_response_latency', unit: 'ms', value: '10' },
          { name: 'p50_response_latency', unit: 'ms', value: '1250m' },
          { name: 'success_count', value: '294' },
          { name: 'failure_count', value: '1500m' },
        ],
      },
      undefined,
      1,
    ),
  );
});

test('traffic metrics: an edge names its peer; v1alpha2 says which side has measured', () => {
  const edge = { direction: 'to', side: 'client', resource: api } as const;
  assert.deepEqual(trafficMetrics(v1, { resource: web, edge }, measured).edge, { direction: 'to', resource: api });
  const newer = trafficMetrics(v2, { resource: web, edge }, measured);
  assert.deepEqual([newer.edge, newer.backend], [edge, null]);
  assert.equal(newer.metadata.selfLink, '/apis/metrics.smi-spec.io/v1alpha2/namespaces/shop/deployments/web/edges');
});

test('traffic metrics: v1alpha2 tells the backends of a split apart, v1alpha1 has no field for them', () => {
  const backend = { apex: 'web', name: 'web-v2', weight: 10 };
  const resource = { kind: 'TrafficSplit', namespace: 'shop', name: 'web' };
  assert.deepEqual(trafficMetrics(v2, { resource, backend }, measured).backend, backend);
  assert.equal('backend' in trafficMetrics(v1, { resource, backend }, measured), false);
});

test('traffic metrics: lists are about a kind, or about the edges of one object', () => {
  const item = trafficMetrics(v1, { resource: web }, measured);
  const list = trafficMetricsList(v1, { kind: 'Deployment', namespace: 'shop' }, [item], { app: 'web' });
  assert.deepEqual(list, {
    kind: 'TrafficMetricsList',
    apiVersion: 'metrics.smi-spec.io/v1alpha1',
    metadata: { selfLink: '/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop/deployments' },
    resource: { kind: 'Deployment', namespace: 'shop' },
    selector: { matchLabels: { app: 'web' } },
    items: [item],
  });
  const edges = trafficMetricsList(v1, web, []);
  assert.equal(edges.metadata.selfLink, '/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop/deployments/web/edges');
  assert.equal('selector' in edges, false);
  const namespaces = trafficMetrics({ ...v1, plural: 'namespaces' }, { resource: { kind: 'Namespace', name: 'shop' } }, measured); // prettier-ignore
  assert.equal(namespaces.metadata.selfLink, '/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop');
  assert.equal('namespace' in namespaces.metadata, false);
});

test('traffic metrics: without traffic every number is there, and is 0 (smi.md M2, M10)', () => {
  const { metrics } = trafficMetrics(v1, { resource: web }, { success: 0, failure: 0, p99Ms: NaN });
  assert.deepEqual(metrics.map(({ value }) => value), ['0', '0', '0', '0', '0']); // prettier-ignore
});

test('traffic metrics: quantities can be read as what they were, to a thousandth', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (value) => {
      const nanos = nanosOf(formatQuantity(value)) ?? assert.fail(formatQuantity(value));
      assert.ok(Math.abs(Number(nanos) / 1e9 - value) <= 0.000501, `${value}`);
    }),
  );
  assert.deepEqual([Infinity, -1, NaN].map(formatQuantity), ['0', '0', '0']);
});

test('traffic metrics: windows are Go durations, from 1 s to 1 h, and what counts is what is shown (smi.md M3)', () => {
  const asked = ['1m', '90s', '1h30m', '500ms', '0', '1.5s', '+2m'].map((t) => formatGoDuration(windowOf(t, undefined)!)); // prettier-ignore
  assert.deepEqual(asked, ['1m0s', '1m30s', '1h0m0s', '1s', '1s', '2s', '2m0s']);
  assert.equal(windowOf(undefined, '5m'), 300_000);
  assert.equal(windowOf(undefined, undefined), 30_000);
  assert.deepEqual(['x', '-1s', '30', '1d', '1'.repeat(70)].map((t) => windowOf(t, undefined)), Array(5).fill(undefined)); // prettier-ignore
});

test('traffic metrics: durations are printed as Go prints them, and read back', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 10_000_000 }), (ms) => assert.equal(Math.round(parseGoDuration(formatGoDuration(ms))!), ms))); // prettier-ignore
});
