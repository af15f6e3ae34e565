import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sample } from './measure.ts';
import { figures, NO_FIGURES, type Result } from './result.ts';
import { ROWS } from './rows.ts';
import { replaceSection } from './section.ts';
import { provenance, tables } from './table.ts';

function sample(units: number, cpu: number, p50Ms: number): Sample {
  const rest = { failures: 0, firstFailure: '', perSecond: units, p99Ms: 2 * p50Ms, p999Ms: 3 * p50Ms, late99Ms: 0.1 };
  return { units, cpu, p50Ms, rss: 50, rssOfEach: [30, 20], rssGrowth: 1, ...rest };
}

const row = ROWS.find(({ id }) => id === 'h1-1000')!;
const samples = new Map([
  ['none', [sample(1000, 0, 1), sample(1000, 0, 3), sample(1000, 0, 1)]],
  ['weft', [sample(1000, 0.1, 1.5), sample(1000, 0.2, 3.5), sample(1000, 0.05, 1.5)]],
  ['envoy-h2', [sample(1000, 0.2, 2), sample(1000, 0.4, 4), sample(1000, 0.3, 2)]],
]);

function result(column: string, columnTitle: string, own: Partial<Result> = figures(row, column, samples)): Result {
  const { id, title, unit } = row;
  const where = { measuredAt: '2026-01-02T00:00:00Z', machine: 'm', loadAverage: 2, version: '1' };
  return { row: id, column, title, columnTitle, unit, ...where, ...NO_FIGURES, ...own };
}

test('bench figures: medians and ranges; what compares does so within a round', () => {
  const weft = figures(row, 'weft', samples);
  assert.equal(weft.requestsPerCpuSecond, 10_000);
  assert.deepEqual(weft.range, [5_000, 20_000]);
  assert.equal(weft.cpuSecondsPer1000, 0.1);
  assert.deepEqual([weft.addedP50Ms, weft.addedP99Ms], [0.5, 1]);
  // 2, 2 and 6 times in the three rounds; of the medians it would be 3
  assert.equal(figures(row, 'envoy-h2', samples).weftIsTimesCheaper, 2);
  assert.equal(figures(row, 'none', samples).requestsPerCpuSecond, null);
});

test('bench figures: beside a bulk transfer nothing counts as added, for without a mesh that takes the whole machine', () => {
  const beside = figures(
    ROWS.find(({ id }) => id === 'beside-bulk')!,
    'weft',
    samples,
  );
  assert.deepEqual([beside.addedP50Ms, beside.addedP99Ms], [null, null]);
  assert.equal(beside.p50Ms, 1.5);
});

test('bench provenance: names the least and the most rounds of what was measured', () => {
  const unmeasured = result('nginx', 'nginx', { ...NO_FIGURES, note: 'nginx is not installed' });
  assert.match(
    provenance([result('weft', 'Weft'), unmeasured]),
    /Medians of 3 rounds\. Load average of the machine: 2\.$/,
  );
  assert.match(
    provenance([result('weft', 'Weft'), { ...result('weft', 'Weft'), runs: 7 }]),
    /Medians of 3 to 7 rounds\./,
  );
});

test('bench table: a column without figures says why', () => {
  const text = tables([
    result('weft', 'Weft'),
    result('envoy-h2', 'Envoy', { ...NO_FIGURES, note: 'envoy is not installed' }),
  ]);
  assert.match(text, /^### HTTP\/1\.1 keep-alive, 16 connections, 1,000 requests\/s\n\n\| column \| CPU-s per 1,000/);
  assert.match(
    text,
    /\| Weft \| 0\.1 \| 10,000 \(5,000-20,000\) \| 1 \| 1,000 \| 1\.5 \/ 3 \/ 4\.5 \| 0\.5 \/ 1 \| 50 \(30 \+ 20\) \|/,
  );
  assert.match(text, /\| Envoy \| envoy is not installed \|/);
});

test('bench section: only what stands between the markers is replaced', () => {
  const begin = '<!-- bench: begin (npm run bench -- --markdown FILE writes what follows) -->';
  const document = `before\n${begin}\nold\n<!-- bench: end -->\nafter\n`;
  assert.equal(replaceSection(document, 'new'), `before\n${begin}\n\nnew\n\n<!-- bench: end -->\nafter\n`);
  assert.throws(() => replaceSection('nothing', 'new'), /has no lines/);
});
