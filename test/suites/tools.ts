import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A program written in Go, at a pinned version. */
export interface GoTool {
  /** Path of its package. */
  readonly path: string;
  readonly version: string;
}

const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weft-suites');

/**
 * Path of a Go program: from the cache, or installed into it by `go install`. The repository is not touched.
 * @returns undefined and a reason where it cannot be had
 */
export async function goTool({ path, version }: GoTool): Promise<{ file: string } | { missing: string }> {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const folder = join(CACHE, `${path.replaceAll('/', '_')}@${version}`);
  const file = join(folder, name);
  if (existsSync(file)) return { file };
  if (spawnSync('go', ['version']).status !== 0) return { missing: `${name} ${version} needs Go to be installed` };
  console.log(`  installing ${path}@${version} with go install`);
  mkdirSync(folder, { recursive: true });
  try {
    await promisify(execFile)('go', ['install', `${path}@${version}`], {
      env: { ...process.env, GOBIN: folder, GOFLAGS: '-buildvcs=false' },
      timeout: 600_000,
    });
    return { file };
  } catch (error) {
    return { missing: `go install ${path}@${version} failed: ${(error as Error).message.split('\n').at(-2) ?? ''}` };
  }
}

/** Several programs of one version; or the first reason why they cannot be had. */
export async function goTools(
  paths: readonly string[],
  version: string,
): Promise<{ files: string[] } | { missing: string }> {
  const files: string[] = [];
  for (const path of paths) {
    const tool = await goTool({ path, version });
    if ('missing' in tool) return tool;
    files.push(tool.file);
  }
  return { files };
}

/** Whether a program is on the path. */
export function onPath(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

/** Runs a judge to its end and gives back what it printed; its exit code says no more than its report. */
export function finished(
  file: string,
  args: readonly string[],
  {
    timeoutMs = 280_000,
    env = {},
  }: { readonly timeoutMs?: number; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const options = { maxBuffer: 64 * 1024 * 1024, timeout: timeoutMs, env: { ...process.env, ...env } };
  return new Promise((resolve) => {
    execFile(file, args, options, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}
