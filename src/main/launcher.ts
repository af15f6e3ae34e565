import { readFileSync } from 'node:fs';

const LOOK_EVERY_MS = 500;

/**
 * A signal that aborts when a program that started this one for somebody is gone: npm, or weft.cjs under an older Node.
 * Both wait for their child, so they go first only when they were killed; then nobody can stop this process any more
 * by ending what he started. A shell is no launcher: what it started in the background may outlive it.
 */
export function untilAbandoned(): AbortSignal {
  const stop = new AbortController();
  const launchers = launchersOf(process.pid);
  if (launchers.length === 0) return stop.signal;
  const timer = setInterval(() => {
    const lost = launchers.find(({ pid, started }) => look(pid)?.started !== started);
    if (lost === undefined) return;
    clearInterval(timer);
    stop.abort(new Error(`it was started by ${lost.command.trim()}, which is gone`));
  }, LOOK_EVERY_MS);
  timer.unref();
  return stop.signal;
}

interface Running {
  readonly pid: number;
  readonly parent: number;
  /** Clock ticks since boot: with it a process id is unique. */
  readonly started: string;
  readonly command: string;
}

function launchersOf(pid: number): Running[] {
  const parent = look(look(pid)?.parent ?? 0);
  if (parent === undefined) return [];
  if (/^\S*node (-\S+ )*\S*weft\.cjs /.test(parent.command)) return [parent, ...launchersOf(parent.pid)];
  const npm = /^\S*sh -c /.test(parent.command) ? look(parent.parent) : parent; // npm runs scripts by a shell
  return npm?.command.startsWith('npm ') === true ? [npm] : []; // npm's title; its argv is gone
}

/** A process as Linux shows it; undefined when there is none, and on other systems. */
function look(pid: number): Running | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, parent, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z') return undefined; // ended, only not yet collected by its parent
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    return { pid, parent: Number(parent), started: rest[17] ?? '', command };
  } catch {
    return undefined;
  }
}
