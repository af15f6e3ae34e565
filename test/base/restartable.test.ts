import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { restartable } from '../../src/base/restartable.ts';

function recorded() {
  const log: string[] = [];
  let runs = 0;
  const part = restartable(async (signal, up) => {
    const run = ++runs;
    log.push(`begin ${run}`);
    up();
    if (!signal.aborted) await once(signal, 'abort');
    log.push(`end ${run}`);
  });
  return { log, part };
}

test('restartable: stopped and started, the task runs again, and the whole ends when it is aborted', async () => {
  const { log, part } = recorded();
  const abort = new AbortController();
  const running = part.run(abort.signal);
  await part.stop();
  assert.deepEqual(log, ['begin 1', 'end 1']);
  await part.start();
  assert.deepEqual(log, ['begin 1', 'end 1', 'begin 2']);
  abort.abort();
  await running;
  assert.deepEqual(log, ['begin 1', 'end 1', 'begin 2', 'end 2']);
});

test('restartable: aborted while it is stopped, it does not begin again', async () => {
  const { log, part } = recorded();
  const abort = new AbortController();
  const running = part.run(abort.signal);
  await part.stop();
  abort.abort();
  await running;
  assert.deepEqual(log, ['begin 1', 'end 1']);
});

test('restartable: what the task throws by itself ends the whole', async () => {
  const part = restartable(async () => {
    throw new Error('the port is taken');
  });
  await assert.rejects(part.run(new AbortController().signal), /the port is taken/);
});
