import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCapabilities, WEFT_CAPABILITIES } from '../../conformance/capabilities.ts';
import { CASES } from '../../conformance/cases/all.ts';
import { Fleet } from '../../conformance/fleet.ts';
import { Kube } from '../../conformance/kube.ts';
import { CaseFailure, Lab } from '../../conformance/lab.ts';
import { modelCluster } from './model/cluster.ts';

const BOUND_MS = 50;

/** Looks that each take longer than the propagation bound, with these results; how many were taken in the end. */
async function eventually(results: readonly boolean[]): Promise<number> {
  const cluster = await modelCluster(undefined, Math.random);
  const kube = await Kube.connect(cluster.kubeconfig);
  try {
    const capabilities = { ...readCapabilities(WEFT_CAPABILITIES), propagationSeconds: BOUND_MS / 1000 };
    const { signal } = new AbortController();
    const common = { kube, capabilities, signal };
    const fleet = new Fleet({ ...common, image: '', run: 'lab', targets: 0, readyWithinMs: 0 });
    const lab = new Lab({ ...common, fleet, subject: CASES[0]!, alpha: 0.001, targets: [] });
    let looks = 0;
    await lab.eventually(async () => {
      const holds = results[looks++] ?? false;
      await sleep(2 * BOUND_MS);
      return [{ holds, text: `look ${looks}` }];
    });
    return looks;
  } finally {
    kube.close();
    cluster.close();
  }
}

test('lab: a look that began before the propagation bound does not decide, however long it took', async () => {
  assert.equal(await eventually([false, true]), 2);
});

test('lab: a look that began after the propagation bound decides', async () => {
  await assert.rejects(eventually([false, false, true]), (error: unknown) => {
    assert.ok(error instanceof CaseFailure);
    assert.match(error.message, /not true within 0\.05 s: look 2$/);
    return true;
  });
});
