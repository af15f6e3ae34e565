import { spawn, type ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';
import type { Logger } from '../../base/log.ts';

/**
 * Sees to it that nothing outlives this process, however it ends. A small shell in a session of its own holds the other
 * end of a pipe; when the pipe closes (also by kill -9 of this process) it kills every process group that it was told
 * of, then whatever carries the mark of this run in its environment (what made itself a daemon), and removes the folder.
 */
export interface Reaper {
  /** `WEFT_RUN`'s value in the environment of everything that is started: the mark. */
  readonly run: string;
  /** Takes a process group under its care. Synchronous: the group leader may run on as soon as this returns. */
  adopt(pid: number): void;
  /** The group is gone: its number may belong to others soon. */
  forget(pid: number): void;
  /** Ends everything that is left, removes the folder. */
  close(): Promise<void>;
}

/** Environment variable that marks every process of one run. */
export const RUN_MARK = 'WEFT_RUN';

// read: one word of command, one of process group. Without `read -r` a backslash would be eaten; there is none.
const SCRIPT = `
trap '' HUP INT TERM
groups=' '
while read -r verb group; do
  case $verb in
    +) groups="$groups$group " ;;
    -) before=\${groups%% $group *}; [ "$before" = "$groups" ] || groups="$before \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -KILL -- "-$group" 2>/dev/null; done
for file in $(grep -lszxF -- "${RUN_MARK}=$2" /proc/[0-9]*/environ); do
  pid=\${file#/proc/}; pid=\${pid%/environ}
  [ "$pid" = $$ ] || kill -KILL "$pid" 2>/dev/null
done
cd / && rm -rf -- "$1"
`;

/** Starts the reaper of one run. `folder` is removed with the run; `run` must be unique on the machine. */
export function startReaper(folder: string, run: string, log: Logger): Reaper {
  const living = new Set<number>();
  let child = launch();
  let closing = false;

  function launch(): ChildProcess & { stdin: Writable } {
    const started = spawn('/bin/sh', ['-c', SCRIPT, 'weft-reaper', folder, run], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true, // Ctrl-C in the terminal must not reach it
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
      cwd: '/',
    }) as ChildProcess & { stdin: Writable };
    started.stdin.on('error', () => {}); // seen as its exit
    started.on('error', (error) => log.error('reaper not started', { error: error.message }));
    started.once('exit', () => {
      if (closing) return;
      log.warn('reaper ended, starting another');
      child = launch();
      for (const pid of living) child.stdin.write(`+ ${pid}\n`);
    });
    return started;
  }

  return {
    run,
    adopt(pid) {
      living.add(pid);
      child.stdin.write(`+ ${pid}\n`); // written at once: libuv tries the write before it queues it
    },
    forget(pid) {
      if (living.delete(pid)) child.stdin.write(`- ${pid}\n`);
    },
    close() {
      closing = true;
      return new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once('exit', () => resolve());
        child.stdin.end();
      });
    },
  };
}
