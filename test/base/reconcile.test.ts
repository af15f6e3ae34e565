import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { runReconciler } from '../../src/base/reconcile.ts';
import { WatchSource } from '../../src/base/watch.ts';

function harness(reconcile: () => Promise<void>, clock = new FakeClock()) {
  const source = new WatchSource(0);
  const stop = new AbortController();
  const done = runReconciler(
    { name: 'test', watches: [source], reconcile },
    { clock, random: () => 0.5, log: silentLog },
    stop.signal,
  );
  return { clock, source, stop, done };
}

test('reconciler: runs once at the start and once after each change', async () => {
  let runs = 0;
  const { clock, source, stop, done } = harness(async () => void runs++);
  await clock.advance(0);
  assert.equal(runs, 1);
  source.set(1);
  await clock.advance(0);
  assert.equal(runs, 2);
  stop.abort();
  await done;
});

test('reconciler: a change during a run causes one more run', async () => {
  let runs = 0;
  let release = () => {};
  const { clock, source, stop, done } = harness(() => {
    runs++;
    return new Promise((resolve) => (release = resolve));
  });
  await clock.advance(0);
  source.set(1);
  source.set(2);
  release();
  await clock.advance(0);
  assert.equal(runs, 2);
  release();
  stop.abort();
  await done;
});

test('reconciler: after a failure it tries again with growing pauses', async () => {
  const at: number[] = [];
  const clock = new FakeClock();
  const { stop, done } = harness(async () => {
    at.push(clock.now());
    if (at.length < 4) throw new Error('not yet');
  }, clock);
  await clock.advance(10_000);
  const start = at[0] ?? 0;
  assert.deepEqual(
    at.map((t) => t - start),
    [0, 100, 300, 700],
  );
  stop.abort();
  await done;
});
