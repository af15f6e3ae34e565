import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runAll, runOnTopOf, type Task } from '../../src/base/run-all.ts';

const untilAborted: Task = (signal) =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

test('run all: ends when the signal aborts, after every task has drained', async () => {
  const stop = new AbortController();
  const drained: string[] = [];
  const task =
    (name: string): Task =>
    async (signal) => {
      await untilAborted(signal);
      drained.push(name);
    };
  const all = runAll([task('a'), task('b')], stop.signal);
  stop.abort();
  await all;
  assert.deepEqual(drained.sort(), ['a', 'b']);
});

test('run all: a failing task aborts the others and its error comes out', async () => {
  const failing: Task = () => Promise.reject(new Error('port taken'));
  await assert.rejects(runAll([untilAborted, failing], new AbortController().signal), /port taken/);
});

test('run all: an error while stopping is not a failure', async () => {
  const stop = new AbortController();
  const angry: Task = async (signal) => {
    await untilAborted(signal);
    throw new Error('aborted');
  };
  const all = runAll([angry], stop.signal);
  stop.abort();
  await all;
});

test('run on top of: the base serves until the last task above it has ended', async () => {
  const stop = new AbortController();
  const order: string[] = [];
  const named =
    (name: string, pause: () => Promise<void>): Task =>
    async (signal) => {
      await untilAborted(signal);
      await pause();
      order.push(name);
    };
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const all = runOnTopOf(
    named('base', async () => undefined),
    [named('quick', async () => undefined), named('slow', turn)],
    stop.signal,
  );
  stop.abort();
  await all;
  assert.deepEqual(order, ['quick', 'slow', 'base']);
});

test('run on top of: a base that fails ends what is above, and its error comes out', async () => {
  const failing: Task = () => Promise.reject(new Error('disk full'));
  await assert.rejects(runOnTopOf(failing, [untilAborted], new AbortController().signal), /disk full/);
});

test('run on top of: a task that fails stops the base, and its error comes out', async () => {
  let stopped = false;
  const base: Task = async (signal) => {
    await untilAborted(signal);
    stopped = true;
  };
  const failing: Task = () => Promise.reject(new Error('port taken'));
  await assert.rejects(runOnTopOf(base, [failing], new AbortController().signal), /port taken/);
  assert.equal(stopped, true);
});

test('run on top of: nothing hangs when the signal has aborted before', async () => {
  const quick: Task = async () => undefined;
  await runOnTopOf((signal) => (signal.aborted ? quick(signal) : untilAborted(signal)), [quick], AbortSignal.abort());
});
