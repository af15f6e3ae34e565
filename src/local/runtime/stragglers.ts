import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

/** Looks after a kill this often, and this many times, until nothing is left. */
const PAUSE_MS = 10;
const ROUNDS = 100;

/**
 * Kills every process whose environment says `name=value`: what left its process group, such as daemons. Resolves when
 * they are gone; again and again, since one may have forked while it was looked for.
 */
export async function killMarked(name: string, value: string): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const pids = await marked(`${name}=${value}`);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // gone, or not ours
      }
    }
    await pause(PAUSE_MS);
  }
}

async function marked(mark: string): Promise<number[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    names.map(async (name) => {
      const environment = await readFile(`/proc/${name}/environ`, 'latin1').catch(() => ''); // others' are not readable
      return environment.split('\0').includes(mark) ? [Number(name)] : [];
    }),
  );
  return found.flat();
}
