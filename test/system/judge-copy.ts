import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { WEFT_CAPABILITIES } from '../../conformance/capabilities.ts';
import type { Report } from '../../conformance/report.ts';
import { breakCheckout, type Edit } from './broken-checkout.ts';

/** How long a suite that is stopped may take to clean up; whatever it leaves then, its mesh's reaper removes. */
const STOP_MS = 20_000;

export interface JudgeOptions {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** Where the report is kept; without it the report is gone when it has been read. */
  readonly keep?: string | undefined;
  /** Seconds, in place of what Weft's capability file says: what is expected to fail waits this long before it does. */
  readonly propagationSeconds: number;
  readonly stableSeconds: number;
  /** Further arguments of `weft conformance`. */
  readonly args?: readonly string[];
  readonly mostMs: number;
  readonly signal: AbortSignal;
}

/** A copy of the project in which nobody could be judged, because its mesh did not come up. */
export class NoReport extends Error {}

/**
 * Judges a copy of the project with these edits by the copy's own suite, on a mesh of the copy.
 * @throws NoReport with what the suite printed; another Error when it takes too long or is interrupted
 */
export async function judgeCopy(options: JudgeOptions): Promise<Report> {
  const { name, edits, keep, propagationSeconds, stableSeconds } = options;
  const checkout = breakCheckout(name, edits);
  const dir = mkdtempSync(join(tmpdir(), 'weft-judge-'));
  try {
    const capabilities = join(dir, 'capabilities.yaml');
    const times = `propagationSeconds: ${propagationSeconds}\nstableSeconds: ${stableSeconds}\n`;
    writeFileSync(capabilities, readFileSync(WEFT_CAPABILITIES, 'utf8') + times);
    const file = join(keep ?? dir, `${name}.yaml`);
    rmSync(file, { force: true });
    const program = join(checkout.root, 'src/main/weft.cjs');
    const common = ['conformance', '--local', '--isolation', 'process', '--capabilities', capabilities];
    const output = await run([program, ...common, '--yaml', file, ...(options.args ?? [])], options);
    if (!existsSync(file)) throw new NoReport(`the suite gave no report on the mesh ${name}:\n${output}`);
    return parse(readFileSync(file, 'utf8')) as Report;
  } finally {
    checkout.remove();
    rmSync(dir, { recursive: true });
  }
}

/** Runs node to its end; gives back what it printed. */
async function run(args: readonly string[], { mostMs, signal }: JudgeOptions): Promise<string> {
  signal.throwIfAborted();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let kill: NodeJS.Timeout | undefined;
  const stop = () => {
    kill ??= setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    child.kill('SIGINT');
  };
  const timer = setTimeout(stop, mostMs);
  signal.addEventListener('abort', stop, { once: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  await once(child, 'close');
  clearTimeout(timer);
  clearTimeout(kill);
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  if (kill !== undefined) throw new Error(`not at its end after ${mostMs / 60_000} minutes:\n${output}`);
  return output;
}
