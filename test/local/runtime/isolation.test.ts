import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../src/local/controllers/objects.ts';
import { detectIsolation } from '../../../src/local/runtime/detect-isolation.ts';
import { detectNetns } from '../../../src/local/runtime/netns/detect.ts';
import { podAddress } from '../../../src/local/runtime/netns/plan.ts';
import { processIsolation } from '../../../src/local/runtime/process-isolation.ts';
import { shellPod } from './machine.ts';

const pod = shellPod('web', '') as Pod;

test('isolation process: two meshes at once have networks of their own, and each pod its addresses', async () => {
  const [one, two] = [await processIsolation(), await processIsolation()];
  const sandboxes = [
    await one.open({ pod, meshed: true, folder: '/' }),
    await one.open({ pod, meshed: true, folder: '/' }),
    await two.open({ pod, meshed: true, folder: '/' }),
    await two.open({ pod, meshed: false, folder: '/' }),
  ];
  const addresses = sandboxes.flatMap((s) => [s.publishedAddress, s.appAddress]);
  assert.equal(new Set(addresses).size, 7, 'all differ, but for the two of the pod without sidecar');
  const networks = sandboxes.map((s) => s.publishedAddress.split('.').slice(0, 2).join('.'));
  assert.equal(networks[0], networks[1]);
  assert.notEqual(networks[0], networks[2]);
  assert.deepEqual(sandboxes[3]?.environment, {});
  await one.close();
  await two.close();
});

test('isolation process: an address that was given back is not the next one given', async () => {
  const isolation = await processIsolation();
  const first = await isolation.open({ pod, meshed: true, folder: '/' });
  await first.close();
  const second = await isolation.open({ pod, meshed: true, folder: '/' });
  assert.notEqual(first.publishedAddress, second.publishedAddress);
  await isolation.close();
});

test('netns: pod addresses are all different and none is the gateway', () => {
  const all = new Set(Array.from({ length: 1000 }, (_, i) => podAddress(i)));
  assert.equal(all.size, 1000);
  assert.ok(![...all].some((address) => address.startsWith('10.244.0.')));
});

test('isolation: what is wanted is had, auto says which and why', async () => {
  assert.deepEqual((await detectIsolation('process')).kind, 'process');
  const { available } = await detectNetns();
  const auto = await detectIsolation('auto');
  assert.equal(auto.kind, available ? 'netns' : 'process');
  assert.match(auto.reason, available ? /^isolation netns: / : /^isolation process: .*cannot be made here \(.+\)/);
  if (!available) await assert.rejects(detectIsolation('netns'), /--isolation process/);
});
