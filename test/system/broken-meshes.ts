import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { WEFT_CAPABILITIES } from '../../conformance/capabilities.ts';
import type { CaseResult, Report } from '../../conformance/report.ts';
import { FAULTS, judgeFault, type FaultName } from '../conformance/faults.ts';
import { breakCheckout, type Edit } from './broken-checkout.ts';
import { MESH_FAULTS } from './mesh-faults.ts';

// npm run selftest -- [--keep DIR] [fault ...]
// Breaks Weft on purpose, a fault at a time, and judges each broken mesh with its own conformance suite: exactly the
// groups that the fault breaks must fail. Runs one after the other: each takes what a machine has. --keep keeps the reports.

/** What is expected to fail waits this long before it does. Cases are watched for 5 s normally, which is no news here. */
const FAST = 'propagationSeconds: 6\nstableSeconds: 1\n';
const MOST_MS = 10 * 60_000;
/** How long a suite that is stopped may take to clean up; whatever it leaves then, its mesh's reaper removes. */
const STOP_MS = 20_000;

const { values, positionals } = parseArgs({ options: { keep: { type: 'string' } }, allowPositionals: true });
const unknown = positionals.filter((name) => !(name in FAULTS));
if (unknown.length > 0) throw new Error(`no fault ${unknown.join(', ')}; there are ${Object.keys(FAULTS).join(', ')}`);
const faults = (positionals.length > 0 ? positionals : Object.keys(FAULTS)) as FaultName[];

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
const dir = values.keep ?? mkdtempSync(join(tmpdir(), 'weft-selftest-'));
try {
  process.exitCode = (await judgeAll()) ? 0 : 1;
} catch (error) {
  if (!interrupted.signal.aborted) throw error;
  process.exitCode = 130;
} finally {
  if (values.keep === undefined) rmSync(dir, { recursive: true });
}

/** Whether every fault was found for what it is. */
async function judgeAll(): Promise<boolean> {
  const unbroken = await conformanceOf('unbroken', []);
  console.log(line('unbroken', unbroken, 'for comparison'));
  const excused = new Set(failedOf(unbroken).map(({ id }) => id));
  if (excused.size > 0) console.log(`  left out of what follows, because they fail without a fault: ${list(excused)}`);
  let found = 0;
  for (const fault of faults) if (await judgeOne(fault, excused)) found++;
  console.log(`${found} of ${faults.length} faults were found by exactly the groups of cases that they break`);
  return found === faults.length;
}

async function judgeOne(fault: FaultName, excused: ReadonlySet<string>): Promise<boolean> {
  const report = await conformanceOf(fault, MESH_FAULTS[fault]);
  const cases = report.cases.filter(({ id }) => !excused.has(id));
  const { blind, unrelated } = judgeFault(fault, { ...report, cases });
  const ids = Object.values(unrelated).flat();
  const right = blind.length === 0 && ids.length === 0;
  const groups = new Set(failedOf({ cases }).map(({ group }) => group));
  console.log(line(fault, { ...report, cases }, `${right ? 'as expected' : 'WRONG'}; failed: ${list(groups)}`));
  if (blind.length > 0) console.log(`  nothing failed in ${list(blind)}`);
  for (const { id, title, failure } of cases.filter((result) => ids.includes(result.id)))
    console.log(`  the fault has nothing to do with ${id} ${title}: ${failure}`);
  return right;
}

/** Judges a copy of the project with these edits by the copy's own suite, on a mesh of the copy. */
async function conformanceOf(name: string, edits: readonly Edit[]): Promise<Report> {
  const checkout = breakCheckout(name, edits);
  try {
    const capabilities = join(dir, 'capabilities.yaml');
    writeFileSync(capabilities, readFileSync(WEFT_CAPABILITIES, 'utf8') + FAST);
    const file = join(dir, `${name}.yaml`);
    rmSync(file, { force: true });
    const program = join(checkout.root, 'src/main/weft.cjs');
    const args = ['conformance', '--local', '--isolation', 'process', '--capabilities', capabilities, '--yaml', file];
    const output = await run([program, ...args]);
    if (!existsSync(file)) throw new Error(`the suite gave no report on the mesh ${name}:\n${output}`);
    return parse(readFileSync(file, 'utf8')) as Report;
  } finally {
    checkout.remove();
  }
}

/** Runs node to its end; gives back what it printed. @throws Error when it takes too long or is interrupted */
async function run(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let kill: NodeJS.Timeout | undefined;
  const stop = () => {
    kill ??= setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    child.kill('SIGINT');
  };
  const timer = setTimeout(stop, MOST_MS);
  interrupted.signal.addEventListener('abort', stop, { once: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  await once(child, 'close');
  clearTimeout(timer);
  clearTimeout(kill);
  interrupted.signal.removeEventListener('abort', stop);
  interrupted.signal.throwIfAborted();
  if (kill !== undefined) throw new Error(`not at its end after ${MOST_MS / 60_000} minutes:\n${output}`);
  return output;
}

function line(name: string, { cases, seconds }: Report, verdict: string): string {
  const failed = failedOf({ cases }).length;
  const passed = cases.filter(({ outcome }) => outcome === 'passed').length;
  const counts = `${String(passed).padStart(3)} passed ${String(failed).padStart(3)} failed`;
  return `${name.padEnd(22)} ${counts} in ${String(Math.round(seconds)).padStart(4)} s  ${verdict}`;
}

function failedOf({ cases }: Pick<Report, 'cases'>): CaseResult[] {
  return cases.filter(({ outcome }) => outcome === 'failed');
}

function list(names: Iterable<string>): string {
  return [...names].join(', ') || 'none';
}
