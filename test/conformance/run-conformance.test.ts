import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { parseCapabilities, readCapabilities, WEFT_CAPABILITIES } from '../../conformance/capabilities.ts';
import { CASES } from '../../conformance/cases/all.ts';
import { runConformance, type ConformanceOptions } from '../../conformance/run-conformance.ts';
import type { Report } from '../../conformance/report.ts';
import { FAULTS, judgeFault, type Fault, type FaultName } from './faults.ts';
import { modelCluster } from './model/cluster.ts';
import type { World } from './model/world.ts';

/** In Weft's words, but the model claims all that can be judged. */
const capabilities = {
  ...readCapabilities(WEFT_CAPABILITIES),
  served: parseCapabilities('mesh: model', 'model').served,
  notClaimed: { '35': 'no UDP', '52': 'no gateway', '94': 'no gateway' },
  propagationSeconds: 0.3,
  stableSeconds: 0.1,
};

async function judged(
  fault: FaultName | undefined,
  options: Partial<ConformanceOptions> = {},
  random: () => number = Math.random,
): Promise<{ report: Report; world: World }> {
  const cluster = await modelCluster(fault, random);
  try {
    const report = await runConformance({
      kubeconfig: cluster.kubeconfig,
      capabilities,
      controls: cluster.controls,
      parallel: 16,
      log: () => undefined,
      signal: new AbortController().signal,
      ...options,
    });
    return { report, world: cluster.world };
  } finally {
    cluster.close();
  }
}

test('runConformance: a mesh that does what SMI says passes every case, and nothing is left behind', async () => {
  const { report, world } = await judged(undefined);
  assert.deepEqual(
    report.cases
      .filter(({ outcome }) => outcome !== 'passed')
      .map(({ id, failure, skippedBecause }) => `${id}: ${failure ?? skippedBecause?.replace(/:.*/, '')}`),
    ['TT-35: not claimed', 'TT-52: not claimed', 'TS-94: not claimed'],
  );
  assert.deepEqual(report.community, { passed: 24, of: 24 });
  assert.equal(world.size, 0);
});

/**
 * The cases of the groups that a fault breaks, and every third of the others, for each fault another third: a whole suite
 * for each takes long. `npm run selftest` plays them whole.
 */
function casesFor(fault: FaultName, i: number): string {
  const { fails, mayFail = [] }: Fault = FAULTS[fault];
  const broken = [...fails, ...mayFail];
  return CASES.filter(({ group }, at) => broken.includes(group) || (at + i) % 3 === 0)
    .map(({ id }) => id)
    .join();
}

for (const [i, fault] of (Object.keys(FAULTS) as FaultName[]).entries())
  test(`runConformance: a mesh with the fault ${fault} fails exactly the groups that it breaks`, async () => {
    const { report } = await judged(fault, { filter: casesFor(fault, i) });
    const verdict = judgeFault(fault, report);
    const strange = Object.values(verdict.unrelated).flat();
    const why = report.cases.filter(({ id }) => strange.includes(id)).map(({ id, failure }) => `${id}: ${failure}`);
    assert.deepEqual({ blind: verdict.blind, unrelated: why }, { blind: [], unrelated: [] });
  });

test('runConformance: chooses by filter, writes both reports, and counts what it skips', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-conformance-'));
  try {
    const [junit, yaml] = [join(folder, 'r.xml'), join(folder, 'r.yaml')];
    const lean = { ...capabilities, has: { ...capabilities.has, clusterIP: false } };
    const { report } = await judged(undefined, { filter: 'TS-7', junit, yaml, capabilities: lean });
    assert.equal(report.passed, 10);
    assert.deepEqual(
      report.cases.filter(({ outcome }) => outcome === 'skipped').map(({ id }) => id),
      ['TS-77'],
    );
    assert.match(readFileSync(junit, 'utf8'), /tests="11" failures="0" errors="0" skipped="1"/);
    assert.equal((parse(readFileSync(yaml, 'utf8')) as Report).passed, 10);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Random numbers that are too small from one call to another: the model asks twice for each request. */
function biased(from: number, to: number): () => number {
  let calls = 0;
  return () => (++calls > from && calls < to ? 0.5 : 1) * Math.random();
}

test('runConformance: an outlier is sampled once more, four times larger, and both samples are evidence', async () => {
  // The glance takes 100 requests, the sample 2000.
  const once = await judged(undefined, { filter: 'TS-69b' }, biased(250, 4100));
  const evidence = once.report.cases[0]?.evidence.join('\n') ?? '';
  assert.match(
    evidence,
    /^shares v1 \d+ of 2000, band \d+\.\.\d+; v2 \d+ of 2000, band .*\nsampled once more: v1 \d+ of 8000/,
  );
  assert.equal(once.report.passed, 1);
  const always = await judged(undefined, { filter: 'TS-69b' }, biased(250, Infinity));
  assert.match(always.report.cases[0]?.failure ?? '', /^twice: .* outside the band: v1, v2/);
});

test('runConformance: aborted in the middle it rejects and still cleans up', async () => {
  const stop = new AbortController();
  const cluster = await modelCluster(undefined, Math.random);
  const log = (line: string) => line.startsWith('test pods ready') && stop.abort(new Error('stopped'));
  const run = runConformance({ kubeconfig: cluster.kubeconfig, capabilities, log, signal: stop.signal });
  await assert.rejects(run);
  assert.equal(cluster.world.size, 0);
  cluster.close();
});

test('runConformance: pods that never become ready are named, and why', async () => {
  const cluster = await modelCluster(undefined, Math.random);
  const list = cluster.world.list.bind(cluster.world);
  cluster.world.list = (kind, namespace) =>
    list(kind, namespace).filter(({ metadata }) => kind !== 'Pod' || metadata.name !== 'v2');
  const options = { kubeconfig: cluster.kubeconfig, capabilities, readyWithinMs: 50, log: () => undefined };
  await assert.rejects(
    runConformance({ ...options, signal: new AbortController().signal }),
    /-split\/v2: it does not exist/,
  );
  cluster.close();
});
