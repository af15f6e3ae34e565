import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../src/base/clock.ts';
import { Alarm } from '../../src/kubernetes/alarm.ts';

function started() {
  const clock = new FakeClock(0);
  const alarm = new Alarm(clock);
  const ending = new AbortController();
  const rung: number[] = [];
  alarm.rings.subscribe(() => rung.push(clock.now()));
  return { clock, alarm, ending, rung, set: (atMs: number) => alarm.set(atMs, ending.signal) };
}

test('alarm: rings once, at the earliest of the times asked for', async () => {
  const { clock, rung, set } = started();
  set(100);
  set(50);
  set(70);
  await clock.advance(1_000);
  assert.deepEqual(rung, [50]);
  assert.equal(clock.sleeping, 0);
});

test('alarm: rings again when set again, also for a time that has passed', async () => {
  const { clock, rung, set } = started();
  set(10);
  await clock.advance(20);
  set(5);
  await clock.advance(20);
  assert.deepEqual(rung, [10, 20]);
});

test('alarm: does not ring after its signal, and can be set anew', async () => {
  const { clock, alarm, ending, rung, set } = started();
  set(10);
  ending.abort();
  await clock.advance(20);
  alarm.set(30, new AbortController().signal);
  await clock.advance(20);
  assert.deepEqual(rung, [30]);
});
