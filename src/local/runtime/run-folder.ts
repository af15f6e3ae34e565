import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../base/log.ts';
import type { Run } from './options.ts';
import { startReaper } from './reaper.ts';

const PREFIX = 'weft-run-';

/**
 * Makes the folder of one run under `parent` (such as the system's temporary folder) and starts its reaper. What an
 * earlier run left there though its process is gone is removed first.
 */
export async function openRun(parent: string, log: Logger): Promise<Run> {
  await sweep(parent, log);
  const id = randomUUID();
  const folder = join(parent, `${PREFIX}${id}`);
  mkdirSync(folder, { mode: 0o700 }); // tokens are in it
  await writeFile(join(folder, 'owner'), `${process.pid} ${await startTimeOf(process.pid)}\n`);
  await mkdir(join(folder, 'pods'));
  const reaper = startReaper(folder, id, log);
  return {
    folder,
    reaper,
    async close() {
      await reaper.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Normally the reaper has done this; it may have been killed too. */
async function sweep(parent: string, log: Logger): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    if (!name.startsWith(PREFIX)) continue;
    const folder = join(parent, name);
    const owner = await readFile(join(folder, 'owner'), 'utf8').catch(() => undefined);
    if (owner === undefined) continue; // being made, or not ours to read
    const [pid = '', started] = owner.trim().split(' ');
    if (started === (await startTimeOf(Number(pid)))) continue;
    log.info('removing what an earlier run left', { folder });
    await startReaper(folder, name.slice(PREFIX.length), log).close();
  }
}

/** When a process began, in clock ticks since boot: with it a process id is unique. Empty when there is none. */
async function startTimeOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
