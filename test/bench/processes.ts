import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface, type Interface } from 'node:readline';

/** A program that talks in lines. */
export interface Reporting {
  readonly child: ChildProcess;
  /** The first line on its standard output. */
  readonly line: string;
  /** The next one. @throws Error when it ends before */
  next(): Promise<string>;
}

/** Starts a program that reports its first line on stdout (a port, say); it dies with this process. */
export async function startReporting(command: string, args: readonly string[]): Promise<Reporting> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]() as ReturnType<
    Interface[typeof Symbol.asyncIterator]
  >;
  const next = async () => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`${command} ${args.join(' ')} ended before it had reported`);
    return value as string;
  };
  return { child, line: await next(), next };
}

/** Starts a program and waits until something listens at the port. @throws Error when that takes 10 s, or it ends */
export async function startListening(
  command: string,
  args: readonly string[],
  port: number,
  cwd?: string,
): Promise<ChildProcess> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], ...(cwd !== undefined && { cwd }) });
  child.on('error', () => {}); // it never came up: told below
  for (let attempt = 0; attempt < 200 && child.exitCode === null; attempt++) {
    if (await isListening(port)) return child;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await end(child);
  throw new Error(`${command} ${args.join(' ')}: nothing listens on 127.0.0.1:${port}`);
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => resolve(false));
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** What a program says about its version, or that it is not there. */
export function versionOf(
  command: string,
  args: readonly string[],
  pattern: RegExp,
): { readonly found: string } | { readonly missing: string } {
  const { error, stdout, stderr, status } = spawnSync(command, args, { encoding: 'utf8' });
  if (error !== undefined || status !== 0) return { missing: `${command} is not installed` };
  return { found: pattern.exec(stdout + stderr)?.[1] ?? 'of unknown version' };
}

/** Ends programs that this bench started and waits for them. */
export async function stopAll(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(children.map(end));
}

/** Ends a program that this bench started, and its children with it, and waits for it. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const children = family(child.pid).slice(1); // a wrapper script may not hand the signal on
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
  await exited;
  clearTimeout(timer);
  for (const pid of children) if (existsSync(`/proc/${pid}`)) kill(pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // it has just ended
  }
}

/** A process and its children: nginx does its work in a worker, a wrapper script in the program that it starts. */
function family(pid: number): number[] {
  const children = tasks(pid).flatMap((task) =>
    readFileSync(`${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(family)];
}

function tasks(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}`);
}

/**
 * CPU-seconds that these processes and their children have used, from the operating system: user and system time of
 * every thread, in nanoseconds (the ticks of `stat` are too coarse for a second at a low rate).
 */
export function cpuSeconds(pids: readonly number[]): number {
  const nanoseconds = pids
    .flatMap(family)
    .flatMap(tasks)
    .map((task) => Number(readFileSync(`${task}/schedstat`, 'utf8').split(' ')[0]));
  return nanoseconds.reduce((sum, n) => sum + n, 0) / 1e9;
}

/** Resident memory of these processes and their children, in MB. */
export function rssMb(pids: readonly number[]): number {
  const pages = pids.flatMap(family).map((pid) => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]));
  return (pages.reduce((sum, p) => sum + p, 0) * 4096) / 1e6;
}
