import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TimerWheel } from '../../../src/proxy/codec/timer-wheel.ts';

/** Sleeps until `done`, for at most five seconds. */
async function until(done: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !done(); i++) await sleep(10);
}

test('timer wheel: a timer fires once, and never early', async () => {
  const wheel = new TimerWheel(10, 8);
  const start = performance.now();
  const fired: number[] = [];
  const timers = [5, 60, 200].map((ms) => wheel.timer(() => fired.push(ms, performance.now() - start)));
  [5, 60, 200].forEach((ms, i) => timers[i]!.set(ms));
  await until(() => fired.length === 6);
  await sleep(50);
  assert.deepEqual([fired[0], fired[2], fired[4]], [5, 60, 200]);
  for (let i = 0; i < 6; i += 2) assert.ok(fired[i + 1]! >= fired[i]!, `${fired[i]} ms timer after ${fired[i + 1]} ms`);
  assert.equal(fired.length, 6);
  assert.equal(wheel.size, 0);
});

test('timer wheel: a timer that is moved fires at its last time only, in both directions', async () => {
  const wheel = new TimerWheel(10, 8);
  const fired: string[] = [];
  const later = wheel.timer(() => fired.push('later'));
  later.set(20);
  later.set(150);
  const sooner = wheel.timer(() => fired.push('sooner'));
  sooner.set(10_000);
  sooner.set(20);
  const never = wheel.timer(() => fired.push('never'));
  never.set(20);
  never.clear();
  await until(() => fired.length === 2);
  await sleep(120);
  assert.deepEqual(fired, ['sooner', 'later']);
});

test('timer wheel: entries do not pile up when a timer is set again and again', async () => {
  const wheel = new TimerWheel(5, 8);
  let fired = 0;
  const timer = wheel.timer(() => fired++);
  for (let i = 0; i < 10_000; i++) timer.set(1000 + i);
  assert.equal(wheel.size, 1);
  for (let i = 0; i < 200; i++) timer.set(1000 - 5 * i);
  timer.clear();
  assert.equal(wheel.size, 1);
  await until(() => wheel.size === 0);
  assert.equal(wheel.size, 0);
  assert.equal(fired, 0);
});

test('timer wheel: it starts again after it has stood still', async () => {
  const wheel = new TimerWheel(10, 8);
  let fired = 0;
  const timer = wheel.timer(() => fired++);
  timer.set(10);
  await until(() => fired === 1);
  await sleep(60);
  const start = performance.now();
  timer.set(50);
  await until(() => fired === 2);
  assert.ok(performance.now() - start >= 50);
});

test('timer wheel: deadlines that come nearer and go away again leave nothing behind', async () => {
  const wheel = new TimerWheel(2, 8);
  const timer = wheel.timer(() => {});
  for (let i = 0; i < 40; i++) {
    timer.set(400);
    timer.set(4);
    await sleep(1);
    timer.set(400);
    await sleep(8);
  }
  timer.set(20);
  assert.equal(wheel.size, 1, `${wheel.size} entries for one timer`);
});

test('timer wheel: a timer that is disposed leaves nothing behind, and is never set again', () => {
  const wheel = new TimerWheel(10, 8);
  const timers = Array.from({ length: 20 }, () => wheel.timer(() => {}));
  for (const timer of timers) timer.set(300_000);
  for (const timer of timers.slice(5)) timer.dispose();
  assert.equal(wheel.size, 5);
  timers[7]!.set(10);
  assert.equal(wheel.size, 5);
  for (const timer of timers) timer.dispose();
  assert.equal(wheel.size, 0);
});

test('timer wheel: one that fires may end and move others of its tick', async () => {
  const wheel = new TimerWheel(10, 8);
  const fired: string[] = [];
  const moved = wheel.timer(() => fired.push('moved'));
  const ended = wheel.timer(() => fired.push('ended'));
  const first = wheel.timer(() => {
    fired.push('first');
    ended.dispose();
    moved.set(50);
  });
  for (const timer of [first, ended, moved]) timer.set(20);
  await until(() => fired.length === 2);
  assert.deepEqual(fired, ['first', 'moved']);
  assert.equal(wheel.size, 0);
});
