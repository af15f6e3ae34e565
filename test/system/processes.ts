import { readdirSync, readFileSync } from 'node:fs';

/** A process, told apart from a later one with the same id by its start time. */
export interface ProcessId {
  readonly pid: number;
  readonly started: string;
  readonly command: string;
}

/** Every process that descends from `pid`, without itself. */
export function descendants(pid: number): ProcessId[] {
  const all = processes();
  const found: ProcessId[] = [];
  const parents = new Set([pid]);
  for (let grew = true; grew;) {
    grew = false;
    for (const process of all) {
      if (parents.has(process.pid) || !parents.has(process.parent)) continue;
      parents.add(process.pid);
      found.push(process);
      grew = true;
    }
  }
  return found;
}

/** Those of `list` that still run. */
export function alive(list: readonly ProcessId[]): ProcessId[] {
  const now = new Map(processes().map((p) => [p.pid, p]));
  return list.filter(({ pid, started }) => now.get(pid)?.started === started);
}

interface Running extends ProcessId {
  readonly parent: number;
}

function processes(): Running[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [state, parent, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z') return []; // ended, only not yet collected by its parent
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return [{ pid: Number(name), parent: Number(parent), started: rest[17] ?? '', command }];
    } catch {
      return []; // it ended while we looked
    }
  });
}
