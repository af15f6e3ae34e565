import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A mesh started by its command line, as a user would, and driven by real kubectl. */
export interface LocalMesh {
  readonly child: ChildProcess;
  readonly kubeconfig: string;
  /** Everything that it has printed so far. */
  output(): string;
  /** Waits until the output matches. @throws after `timeoutMs`, with the output */
  printed(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  kubectl(args: readonly string[], stdin?: string): Promise<Finished>;
  /** Ctrl-C, and waits for the end. Returns the exit code. */
  stop(): Promise<number | null>;
}

/** Whether kubectl is installed; tests that need it say so when they skip. */
export const kubectlMissing = spawnSync('kubectl', ['version', '--client']).status !== 0 ? 'needs kubectl' : false;

/** Starts `weft local` with these arguments and waits for the line that begins `mesh ready`. */
export async function startMesh(
  args: readonly string[],
  options: { readonly root?: string; readonly npm?: true } = {},
): Promise<LocalMesh> {
  const dir = mkdtempSync(join(tmpdir(), 'weft-system-'));
  const kubeconfig = join(dir, 'kubeconfig');
  const program = join(options.root ?? root, 'src/main/weft.cjs');
  const ours = ['--kubeconfig', kubeconfig, ...args];
  const [command, ...words] =
    options.npm === true ? ['npm', 'start', '--', ...ours] : [process.execPath, program, 'local', ...ours];
  const child = spawn(command, words, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const grown = new EventTarget();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      grown.dispatchEvent(new Event('text'));
    });
  }
  const exited = once(child, 'exit');
  void exited.then(() => grown.dispatchEvent(new Event('text')));
  const mesh: LocalMesh = {
    child,
    kubeconfig,
    output: () => output,
    async printed(pattern, timeoutMs = 120_000) {
      const deadline = AbortSignal.timeout(timeoutMs);
      for (;;) {
        const match = pattern.exec(output);
        if (match !== null) return match;
        if (child.exitCode !== null) throw new Error(`weft local ended with ${child.exitCode}:\n${output}`);
        if (deadline.aborted) throw new Error(`no ${String(pattern)} within ${timeoutMs} ms in:\n${output}`);
        await once(grown, 'text', { signal: AbortSignal.timeout(200) }).catch(() => undefined);
      }
    },
    kubectl: (kubectlArgs, stdin) => run('kubectl', ['--kubeconfig', kubeconfig, ...kubectlArgs], stdin),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGINT');
      await exited;
      rmSync(dir, { recursive: true, force: true });
      return child.exitCode;
    },
  };
  try {
    await mesh.printed(/^mesh ready/m);
  } catch (error) {
    child.kill('SIGKILL');
    await mesh.stop();
    throw error;
  }
  return mesh;
}

/** Runs a program to its end. */
export async function run(command: string, args: readonly string[], stdin = ''): Promise<Finished> {
  const child = spawn(command, args, { stdio: 'pipe' });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => {}).end(stdin);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? -1, stdout, stderr };
}

/** Tries until `attempt` does not throw; fails with its last error after `timeoutMs`. */
export async function eventually<T>(attempt: () => Promise<T>, timeoutMs = 15_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((r) => setTimeout(r, 200));
    }
  }
}
