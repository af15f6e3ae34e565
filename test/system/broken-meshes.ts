import type { Report } from '../../conformance/report.ts';
import { judgeFault, type FaultName } from '../conformance/faults.ts';
import type { Edit } from './broken-checkout.ts';
import { judgeCopy } from './judge-copy.ts';
import { argsOf, chosenOf, failedOf, runJudging } from './judging.ts';
import { MESH_FAULTS } from './mesh-faults.ts';

const FAULTS = Object.keys(MESH_FAULTS) as FaultName[];
const HELP = `npm run selftest -- [--keep DIR] [FAULT...]
Breaks Weft on purpose, a fault at a time, and judges each broken mesh with its own conformance suite: exactly the groups of
cases that the fault breaks must fail. One after the other: each takes what a machine has. Needs what npm start needs.

  --keep DIR   keeps the reports there

Faults: ${FAULTS.join(', ')}`;

const MOST_MS = 10 * 60_000;

const { values, positionals } = argsOf({ keep: { type: 'string' } }, HELP);
const faults = chosenOf(positionals, FAULTS, 'fault');

await runJudging(judgeAll);

/** Whether every fault was found for what it is. */
async function judgeAll(signal: AbortSignal): Promise<boolean> {
  const unbroken = await conformanceOf('unbroken', [], signal);
  console.log(line('unbroken', unbroken, 'for comparison'));
  const excused = new Set(failedOf(unbroken).map(({ id }) => id));
  if (excused.size > 0) console.log(`  left out of what follows, because they fail without a fault: ${list(excused)}`);
  let found = 0;
  for (const fault of faults) if (await judgeOne(fault, excused, signal)) found++;
  console.log(`${found} of ${faults.length} faults were found by exactly the groups of cases that they break`);
  return found === faults.length;
}

async function judgeOne(fault: FaultName, excused: ReadonlySet<string>, signal: AbortSignal): Promise<boolean> {
  const report = await conformanceOf(fault, MESH_FAULTS[fault] ?? [], signal);
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

function conformanceOf(name: string, edits: readonly Edit[], signal: AbortSignal): Promise<Report> {
  const times = { propagationSeconds: 6, stableSeconds: 1, mostMs: MOST_MS };
  return judgeCopy({ name, edits, keep: values.keep, ...times, signal });
}

function line(name: string, { cases, seconds }: Report, verdict: string): string {
  const failed = failedOf({ cases }).length;
  const passed = cases.filter(({ outcome }) => outcome === 'passed').length;
  const counts = `${String(passed).padStart(3)} passed ${String(failed).padStart(3)} failed`;
  return `${name.padEnd(22)} ${counts} in ${String(Math.round(seconds)).padStart(4)} s  ${verdict}`;
}

function list(names: Iterable<string>): string {
  return [...names].join(', ') || 'none';
}
