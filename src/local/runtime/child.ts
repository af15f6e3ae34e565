import { randomUUID } from 'node:crypto';
import { execFile, spawn } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { constants as os } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { RUN_MARK, type Reaper } from './reaper.ts';

/** What to run. `argv[0]` is the path of an executable. */
export interface ChildSpec {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly stdin: boolean;
}

export interface ChildExit {
  /** As shells count: 128 + n when signal n ended it. */
  readonly code: number;
  readonly signal: number | undefined;
}

/** A process that leads a group and session of its own. */
export interface Child {
  readonly pid: number;
  readonly stdin: Writable | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the process has ended, its group is gone and its output has been read. Never rejects. */
  readonly exit: Promise<ChildExit>;
  /** Signals the whole group: a shell that waits for its child does not pass signals on. */
  kill(signal: NodeJS.Signals): void;
}

// Waits for a line, then becomes the command. Without this gate, kill -9 between fork and the reaper's knowing would
// leave a process behind; with it, the end of the pipe ends the child before it began.
const GATE = 'IFS= read -r _ <&3 || exit 125; exec 3<&-; exec "$@"';
/** After the leader's end, output of what it left behind is waited for this long. */
const DRAIN_MS = 200;

/**
 * The same command line with environment variables whose names a shell cannot spell, such as `my.key`, written into it:
 * the shells on the way to the command would drop them.
 */
export function carryingOddNames(spec: ChildSpec): ChildSpec {
  const odd = Object.entries(spec.env).filter(([name]) => !/^[A-Za-z_]\w*$/.test(name));
  if (odd.length === 0) return spec;
  return { ...spec, argv: ['/usr/bin/env', ...odd.map(([name, value]) => `${name}=${value}`), ...spec.argv] };
}

/** Starts a process in the reaper's care. @throws when it cannot be started (message for people) */
export async function startChild(spec: ChildSpec, reaper: Reaper, folder: string): Promise<Child> {
  const out = await openPipes(folder);
  const env = { ...spec.env, [RUN_MARK]: reaper.run };
  const child = spawn('/bin/sh', ['-c', GATE, 'weft', ...spec.argv], {
    cwd: spec.cwd,
    env,
    stdio: [spec.stdin ? 'pipe' : 'ignore', out.stdout.write, out.stderr.write, 'pipe'],
    detached: true,
  });
  closeSync(out.stdout.write);
  closeSync(out.stderr.write);
  const gate = child.stdio[3] as Writable;
  gate.on('error', () => {}); // the child may be gone already: its exit tells
  const exited = new Promise<ChildExit>((resolve, reject) => {
    child.once('error', (error) =>
      reject(new Error(`cannot start ${spec.argv[0] ?? ''} in ${spec.cwd}: ${error.message}`)),
    );
    child.once('exit', (code, signal) => resolve(exitOf(code, signal)));
  });
  const { pid } = child;
  if (pid === undefined) {
    out.stdout.read.destroy();
    out.stderr.read.destroy();
    await exited;
    throw new Error(`cannot start ${spec.argv[0] ?? ''}`);
  }
  reaper.adopt(pid);
  gate.end('go\n');
  child.stdin?.on('error', () => {}); // EPIPE: the child reads no more
  const exit = exited.then(async (result) => {
    killGroup(pid, 'SIGKILL');
    reaper.forget(pid);
    await Promise.race([Promise.all([ended(out.stdout.read), ended(out.stderr.read)]), pause(DRAIN_MS)]);
    out.stdout.read.destroy();
    out.stderr.read.destroy();
    return result;
  });
  return {
    pid,
    stdin: child.stdin ?? undefined,
    stdout: out.stdout.read,
    stderr: out.stderr.read,
    exit,
    kill: (signal) => killGroup(pid, signal),
  };
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // gone
  }
}

function exitOf(code: number | null, signal: NodeJS.Signals | null): ChildExit {
  if (signal === null) return { code: code ?? 255, signal: undefined };
  const number = os.signals[signal];
  return { code: 128 + number, signal: number };
}

function ended(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.readableEnded || stream.destroyed) return resolve();
    stream.once('end', resolve);
    stream.once('close', resolve);
  });
}

interface Pipe {
  readonly read: Socket;
  readonly write: number;
}

/**
 * Real pipes for stdout and stderr. What Node calls a pipe is a socket, and a socket cannot be opened by name: a
 * command that writes to /dev/stdout or /dev/stderr would fail with ENXIO.
 */
async function openPipes(folder: string): Promise<{ stdout: Pipe; stderr: Pipe }> {
  const base = join(folder, `pipe-${randomUUID()}`);
  const paths = [`${base}-1`, `${base}-2`] as const;
  await promisify(execFile)('/usr/bin/env', ['mkfifo', '-m', '666', ...paths]); // 666: the sidecar's uid may differ
  try {
    return { stdout: openPipe(paths[0]), stderr: openPipe(paths[1]) };
  } finally {
    await Promise.all(paths.map((path) => rm(path, { force: true })));
  }
}

function openPipe(path: string): Pipe {
  const both = openSync(path, constants.O_RDWR | constants.O_NONBLOCK); // so that neither end waits for the other
  const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const write = openSync(path, constants.O_WRONLY);
  closeSync(both);
  const socket = new Socket({ fd: read, readable: true, writable: false });
  socket.on('error', () => socket.destroy());
  return { read: socket, write };
}
