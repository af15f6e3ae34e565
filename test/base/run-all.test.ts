import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runAll, type Task } from '../../src/base/run-all.ts';

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
