import assert from 'node:assert/strict';
import { get } from 'node:http';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { jsonReply, textReply, type AdminRoute } from '../../src/base/admin-route.ts';
import { silentLog } from '../../src/base/log.ts';
import { LATENCY_BOUNDS_MS, type TrafficSeries } from '../../src/mesh/traffic.ts';
import { registerReadings } from '../../src/telemetry/metrics.ts';
import { emptySeries } from '../../src/mesh/series-sum.ts';
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
    failedStatuses: new Map([[503, 1]]),
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

function inbound(peerIdentity: string | undefined, counts: Partial<TrafficSeries>): TrafficSeries {
  const labels = { direction: 'inbound', peerIdentity, tls: peerIdentity !== undefined, target: undefined } as const;
  return { ...emptySeries(labels), ...counts };
}

function values(lines: readonly string[], name: string, ...labels: string[]): number {
  const found = lines.filter((line) => line.startsWith(`${name}{`) && labels.every((l) => line.includes(l)));
  return found.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

test('metrics: responses are told apart by classification and status together', async () => {
  const lines = await scrape(
    inbound('spiffe://x/ns/shop/sa/a', {
      requests: 10,
      successes: 6,
      failures: 4,
      statuses: new Map([
        [200, 7],
        [403, 2],
        [404, 1],
      ]),
      failedStatuses: new Map([
        [200, 2],
        [403, 2],
      ]),
    }),
  );
  const count = (...labels: string[]) => values(lines, 'response_total', 'tls="true"', ...labels);
  assert.equal(count('classification="success"', 'status_code="200"'), 5);
  assert.equal(count('classification="failure"', 'status_code="200"'), 2);
  assert.equal(count('classification="failure"', 'status_code="403"'), 2);
  assert.equal(count('classification="success"', 'status_code="404"'), 1);
  assert.equal(count('classification="success"') + count('classification="failure"'), 10);
});

test('metrics: a new caller adds to series that were there, and is named where calls are refused', async () => {
  const before = await scrape();
  const refused = { requests: 3, failures: 3, refused: new Map([['ACCESS_DENIED', 3]] as const) };
  const after = await scrape(
    inbound('spiffe://x/ns/shop/sa/a', { requests: 4, successes: 4 }),
    inbound('spiffe://x/ns/shop/sa/b', refused),
    inbound(undefined, { requests: 2, successes: 2 }),
  );
  const names = (lines: string[]) => lines.filter((l) => l.startsWith('request_total{')).map((l) => l.split(' ')[0]);
  assert.deepEqual(names(after), names(before));
  assert.equal(values(after, 'request_total', 'tls="true"'), 7);
  assert.equal(values(after, 'request_total', 'tls="false"'), 2);
  assert.equal(values(after, 'weft_refused_total', 'client_id="spiffe://x/ns/shop/sa/b"', 'reason="ACCESS_DENIED"'), 3);
});

test('metrics: no sample occurs twice, and one scrape walks the series once for each of its two views', async () => {
  let walks = 0;
  const registry = new Registry();
  const series = [outbound('catalog-1', 3), outbound('catalog-2', 3), inbound('spiffe://x/ns/shop/sa/a', {})];
  const traffic = () => {
    walks++;
    return series;
  };
  registerTrafficMetrics(registry, { workload: () => own, traffic });
  const samples = (await registry.metrics()).split('\n').filter((l) => l.includes('{'));
  const names = samples.map((l) => l.slice(0, l.lastIndexOf(' ')));
  assert.equal(new Set(names).size, names.length);
  assert.equal(walks, 2);
  series.push(outbound('catalog-3', 9));
  assert.match(await registry.metrics(), /dst_pod="catalog-3"/);
});

test('metrics: a proxy that does not know yet who it is exposes no traffic', async () => {
  const registry = new Registry();
  registerTrafficMetrics(registry, { workload: () => undefined, traffic: () => [] });
  assert.doesNotMatch(await registry.metrics(), /request_total\{/);
});

test('metrics: numbers that other rooms keep are read when they are asked for', async () => {
  const registry = new Registry();
  let value = 1;
  registerReadings(registry, [
    { name: 'weft_things', help: 'Things.', type: 'gauge', read: () => [{ labels: { kind: 'a' }, value }] },
  ]);
  value = 5;
  assert.match(await registry.metrics(), /# TYPE weft_things gauge\nweft_things\{kind="a"\} 5/);
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

test('log: no byte of a field reaches a terminal as a command, and large values are cut', () => {
  const lines: string[] = [];
  const log = pinoLog({ level: 'info', destination: { write: (line: string) => void lines.push(line) } });
  const deep: Record<string, unknown> = {};
  deep['self'] = deep;
  log.info('fields', {
    csi: '\u009b2J\u007f\u2028\u202e',
    nested: { path: 'y'.repeat(5000), list: Array.from({ length: 1000 }, (_, i) => i) },
    deep,
    map: new Map([['a', 1n]]),
    error: new Error('boom'),
    level: 'fatal',
    msg: 'not the message',
    ['__proto__']: { polluted: true },
  });
  assert.equal(lines.length, 1);

  assert.doesNotMatch(lines[0]!.trimEnd(), /[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/);
  assert.ok(lines[0]!.length < 4000, `${lines[0]!.length} characters`);
  const line = JSON.parse(lines[0]!) as Record<string, unknown>;
  assert.deepEqual([line['level'], line['msg'], line['level_'], line['error']], ['info', 'fields', 'fatal', 'boom']);
  assert.equal(line['csi'], '\u009b2J\u007f\u2028\u202e');
  assert.deepEqual(line['map'], { a: '1' });
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('admin server: private pages are not for browsers that came by a name of somebody else', async () => {
  const routes: AdminRoute[] = [
    { path: '/ready', public: true, handle: () => textReply('ready') },
    { path: '/config_dump', handle: () => jsonReply({}) },
  ];
  const stop = new AbortController();
  let listening: (port: number) => void = () => {};
  const bound = new Promise<number>((resolve) => (listening = resolve));
  const served = serveAdmin({ host: '127.0.0.1', port: 0, routes, log: silentLog, listening }, stop.signal);
  const port = await bound;
  const status = (path: string, host: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const request = get({ port, path, host: '127.0.0.1', headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on('error', reject);
    });
  for (const host of [`127.0.0.1:${port}`, 'localhost', `[::1]:${port}`, 'sidecar']) {
    assert.equal(await status('/config_dump', host), 200);
  }
  assert.equal(await status('/config_dump', `evil.example:${port}`), 403);
  assert.equal(await status('/ready', 'evil.example'), 200);
  stop.abort();
  await served;
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
