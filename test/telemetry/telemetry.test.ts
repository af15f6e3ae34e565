import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { jsonReply, textReply, type AdminRoute } from '../../src/base/admin-route.ts';
import { silentLog } from '../../src/base/log.ts';
import { LATENCY_BOUNDS_MS, type TrafficSeries } from '../../src/mesh/traffic.ts';
import { serveAdmin } from '../../src/telemetry/admin-server.ts';
import { pinoLog } from '../../src/telemetry/pino-log.ts';
import { registerTrafficMetrics } from '../../src/telemetry/traffic-metrics.ts';

const own = { namespace: 'shop', pod: 'web-1', serviceAccount: 'web', ownerKind: 'deployment', owner: 'web' };

function outbound(pod: string, requests: number): TrafficSeries {
  const workload = { namespace: 'shop', pod, serviceAccount: 'catalog', ownerKind: 'deployment', owner: 'catalog-v1' };
  const latency = new Float64Array(LATENCY_BOUNDS_MS.length + 1);
  latency[2] = requests;
  return {
    labels: {
      direction: 'outbound',
      peerIdentity: 'spiffe://cluster.local/ns/shop/sa/catalog',
      tls: true,
      target: { namespace: 'shop', service: 'catalog', port: 80, backend: 'catalog-v1', workload },
    },
    requests,
    successes: requests - 1,
    failures: 1,
    statuses: new Map([
      [200, requests - 1],
      [503, 1],
    ]),
    latency,
    latencySumMs: 2.5 * requests,
    tcpOpened: 1,
    tcpClosed: 0,
    tcpOpen: 1,
    bytesRead: 10,
    bytesWritten: 20,
    refused: new Map([['NO_ENDPOINTS', 1]]),
    audited: new Map(),
  };
}

async function scrape(...series: TrafficSeries[]): Promise<string[]> {
  const registry = new Registry();
  registerTrafficMetrics(registry, { workload: () => own, traffic: () => series });
  return (await registry.metrics()).split('\n');
}

function sample(lines: readonly string[], name: string, ...labels: string[]): string | undefined {
  return lines
    .find((line) => line.startsWith(`${name}{`) && labels.every((l) => line.includes(l)))
    ?.split(' ')
    .at(-1);
}

test('metrics: the inbound face exists at 0 from the start, with the names of the workload', async () => {
  const lines = await scrape();
  assert.equal(
    sample(
      lines,
      'response_total',
      'direction="inbound"',
      'deployment="web"',
      'namespace="shop"',
      'classification="success"',
    ),
    '0',
  );
  assert.equal(sample(lines, 'response_latency_ms_bucket', 'direction="inbound"', 'le="+Inf"'), '0');
});

test('metrics: buckets are cumulative and end with the count', async () => {
  const lines = await scrape(outbound('catalog-1', 7));
  assert.equal(sample(lines, 'response_latency_ms_bucket', 'direction="outbound"', 'le="2"'), '0');
  assert.equal(sample(lines, 'response_latency_ms_bucket', 'direction="outbound"', 'le="3"'), '7');
  assert.equal(sample(lines, 'response_latency_ms_bucket', 'direction="outbound"', 'le="+Inf"'), '7');
  assert.equal(sample(lines, 'response_latency_ms_count', 'direction="outbound"'), '7');
  assert.equal(sample(lines, 'response_total', 'classification="failure"', 'dst_deployment="catalog-v1"'), '1');
  assert.equal(sample(lines, 'weft_refused_total', 'reason="NO_ENDPOINTS"'), '1');
});

test('metrics: two series with the same labels are one sample, since Prometheus refuses duplicates', async () => {
  const lines = await scrape(outbound('catalog-1', 3), outbound('catalog-1', 4));
  assert.equal(lines.filter((l) => l.startsWith('request_total{') && l.includes('outbound')).length, 1);
  assert.equal(sample(lines, 'request_total', 'direction="outbound"'), '7');
});

test('log: what strangers send can neither start a new line nor flood one', () => {
  const lines: string[] = [];
  const log = pinoLog({ level: 'info', destination: { write: (line: string) => void lines.push(line) } });
  log.info('request', { path: '/\r\n{"level":"error"}\u001b[2J', agent: 'x'.repeat(10_000) });
  log.debug('not written');
  log.with({ pod: 'web-1' }).warn('child');
  assert.equal(lines.length, 2);
  assert.equal(lines[0]?.trimEnd().split('\n').length, 1);
  assert.ok((lines[0]?.length ?? 0) < 2000);
  const second = JSON.parse(lines[1] ?? '') as Record<string, unknown>;
  assert.equal(second['pod'], 'web-1');
  assert.equal(second['level'], 'warn');
});

test('admin server: serves its pages, names them on a wrong path, changes nothing', async () => {
  const routes: AdminRoute[] = [
    { path: '/ready', public: true, handle: () => textReply('no configuration yet', 503) },
    { path: '/config/:namespace/:pod', handle: (parameters) => jsonReply(Object.fromEntries(parameters)) },
    { path: '/broken', handle: () => Promise.reject(new Error('boom')) },
  ];
  const stop = new AbortController();
  let listening: (port: number) => void = () => {};
  const port = new Promise<number>((resolve) => (listening = resolve));
  const served = serveAdmin({ host: '127.0.0.1', port: 0, routes, log: silentLog, listening }, stop.signal);
  const url = `http://127.0.0.1:${await port}`;
  assert.equal((await fetch(`${url}/ready`)).status, 503);
  assert.deepEqual(await (await fetch(`${url}/config/shop/web?x=y`)).json(), { namespace: 'shop', pod: 'web' });
  assert.match(await (await fetch(`${url}/__proto__`)).text(), /there are: \/ready \/config/);
  assert.equal((await fetch(`${url}/ready`, { method: 'POST', body: 'x' })).status, 405);
  await assert.rejects(fetch(`${url}/broken`));
  assert.equal((await fetch(`${url}/config/a/b`)).status, 200);
  stop.abort();
  await served;
});
