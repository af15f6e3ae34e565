import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { silentLog } from '../../../src/base/log.ts';
import { detectNetns } from '../../../src/local/runtime/netns/detect.ts';
import { openRun } from '../../../src/local/runtime/run-folder.ts';
import { eventually } from '../controllers/cluster.ts';
import { isAlive } from './machine.ts';

const SCRIPT = join(import.meta.dirname, 'doomed-parent.ts');

async function startParent(isolation: string) {
  const parent = spawn(process.execPath, [SCRIPT, isolation], { stdio: ['ignore', 'pipe', 'inherit'] });
  const died = once(parent, 'exit').then(([code]) => assert.fail(`the parent ended with ${code} before it was killed`));
  const [line] = (await Promise.race([once(createInterface(parent.stdout), 'line'), died])) as [string];
  died.catch(() => undefined); // what becomes of it later is not its business
  const { folder, pids } = JSON.parse(line) as { folder: string; pids: number[] };
  assert.equal(pids.length, 3);
  for (const pid of pids) assert.ok(isAlive(pid), `${pid} does not run`);
  return { parent, folder, pids };
}

const support = await detectNetns();
const cases = [
  ['SIGKILL', 'process', false],
  ['SIGINT', 'process', false],
  ['SIGKILL', 'netns', support.available ? false : support.reason],
] as const;
for (const [signal, isolation, skip] of cases) {
  test(`orphans: ${signal} of the parent leaves nothing behind in ${isolation}`, { skip }, async () => {
    const { parent, folder, pids } = await startParent(isolation);
    assert.ok(markedBy(folder).length >= pids.length);
    parent.kill(signal);
    const [code] = (await once(parent, 'exit')) as [number | null];
    assert.equal(code, signal === 'SIGINT' ? 0 : null);
    await eventually(() => {
      for (const pid of pids) assert.equal(isAlive(pid), false, `${pid} lives on`);
      assert.deepEqual(markedBy(folder), [], 'other processes live on');
      assert.equal(existsSync(folder), false, 'the folder is still there');
    });
    await rm(dirname(folder), { recursive: true, force: true });
  });
}

/** The processes that were started for a run, by their environment. */
function markedBy(folder: string): number[] {
  const mark = `WEFT_RUN=${folder.split('weft-run-')[1]}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isAlive(Number(name)))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/environ`, 'latin1').split('\0').includes(mark);
      } catch {
        return false; // ended just now
      }
    })
    .map(Number);
}

test('orphans: what a run left whose reaper was killed too is removed by the next', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'weft-test-'));
  const left = join(parent, 'weft-run-11111111-1111-4111-8111-111111111111');
  await mkdir(left);
  await writeFile(join(left, 'owner'), `${process.pid} 1\n`); // this process id, but another process had it then
  const env = { ...process.env, WEFT_RUN: '11111111-1111-4111-8111-111111111111' };
  const orphan = spawn('sleep', ['1000'], { env, stdio: 'ignore' });
  const run = await openRun(parent, silentLog);
  await eventually(() => assert.equal(isAlive(orphan.pid ?? 0), false));
  assert.equal((await readdir(parent)).length, 1, 'only the new folder is there');
  await run.close();
  assert.deepEqual(await readdir(parent), []);
  await rm(parent, { recursive: true });
});

test('orphans: a run that lives is left alone', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'weft-test-'));
  const first = await openRun(parent, silentLog);
  const second = await openRun(parent, silentLog);
  assert.equal((await readdir(parent)).length, 2);
  await second.close();
  assert.equal(existsSync(first.folder), true);
  await first.close();
  await rm(parent, { recursive: true });
});
