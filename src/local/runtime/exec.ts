import { PassThrough, type Readable, Writable } from 'node:stream';
import type { ExecOptions, ExecSession } from '../pod-streams.ts';
import { carryingOddNames, startChild, type ChildSpec } from './child.ts';
import { findExecutable } from './executable.ts';
import type { Launcher } from './launch.ts';
import { resolved } from './launch.ts';

/** Runs a command beside a container: the same environment, folder and sandbox. Ends with the signal. */
export async function execIn(
  { options, sandbox }: Launcher,
  container: ChildSpec,
  { command, stdin, tty }: Pick<ExecOptions, 'command' | 'stdin' | 'tty'>,
  signal: AbortSignal,
): Promise<ExecSession> {
  const plain = resolved({ ...container, argv: command, stdin });
  const argv = tty ? withTerminal(plain.argv, plain.env['PATH'] ?? '') : plain.argv;
  const carrying = carryingOddNames({ ...plain, argv });
  const entered = await sandbox.enter(carrying.argv, 'app', plain.cwd);
  const env = tty ? { TERM: 'xterm', ...plain.env } : plain.env;
  const child = await startChild({ argv: entered, env, cwd: plain.cwd, stdin }, options.run.reaper, options.run.folder);
  const kill = () => child.kill('SIGKILL');
  if (signal.aborted) kill();
  signal.addEventListener('abort', kill, { once: true });
  const exit = child.exit.then(({ code }) => {
    signal.removeEventListener('abort', kill);
    return { code };
  });
  const input = child.stdin ?? nowhere();
  input.on('close', () => {
    if (!input.writableFinished) kill(); // destroyed, not ended: the client is gone
  });
  return {
    stdin: input,
    stdout: child.stdout,
    stderr: tty ? ended() : child.stderr,
    exit,
    resize: () => {}, // util-linux' script has no way to be told
  };
}

function withTerminal(argv: readonly string[], path: string): readonly string[] {
  const quoted = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  // Node has no pseudo terminals; script(1) of util-linux has, and passes the exit code on
  return [findExecutable('script', path, '/'), '-q', '-e', '-f', '-c', `exec ${quoted}`, '/dev/null'];
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

function ended(): Readable {
  const stream = new PassThrough();
  stream.end();
  return stream;
}
