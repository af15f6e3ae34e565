import { readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A text of the data folder, made and kept there when it is missing (mode 0600: keys and tokens). */
export async function keptText(folder: string | undefined, name: string, make: () => string): Promise<string> {
  if (folder === undefined) return make();
  const path = join(folder, name);
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const text = make();
  await writeFile(path, text, { mode: 0o600, flag: 'wx', flush: true });
  return text;
}

/** Takes the folder; returns the function that gives it back. @throws when a live process has it */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'lock');
  const holder = await readFile(path, 'utf8').catch(() => '');
  const [pid = '', started = ''] = holder.trim().split(' ');
  if (pid !== '' && started !== '' && startOf(pid) === started) {
    throw new Error(`the data folder ${folder} is in use by process ${pid}: stop it, or name another folder`);
  }
  await writeFile(path, `${process.pid} ${startOf(String(process.pid))}\n`, { mode: 0o600 });
  return () => rm(path, { force: true });
}

/** When a process was started, as Linux counts it; '' when there is no such process (pids are used again). */
function startOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
