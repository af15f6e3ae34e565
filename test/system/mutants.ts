import { readFileSync, writeFileSync } from 'node:fs';
import type { Report } from '../../conformance/report.ts';
import { editOfLine } from './broken-checkout.ts';
import { judgeCopy, NoReport } from './judge-copy.ts';
import { argsOf, chosenOf, failedOf, runJudging } from './judging.ts';
import { MUTANTS, type Mutant } from './mutant-list.ts';
import { readTable, writeTable } from './mutant-table.ts';

const HELP = `npm run mutants -- [--write] [--seconds N] [--trust] [MUTANT...]
Puts one fault after the other into a copy of the sources and judges the mesh that comes of it with the conformance suite:
first the cases that should notice, then, if none did, all of them. A fault that nobody notices is a missing check.

  --write       records who noticed in docs/conformance.md
  --seconds N   begins no other mutant after that long
  --trust       leaves out the comparison with a copy without a fault, whose failures would not count

Mutants: ${MUTANTS.map(({ name }) => name).join(', ')}`;

const DOCUMENT = new URL('../../docs/conformance.md', import.meta.url);
const MOST_MS = 10 * 60_000;

const { values, positionals } = argsOf(
  {
    write: { type: 'boolean', default: false },
    seconds: { type: 'string', default: 'Infinity' },
    trust: { type: 'boolean', default: false },
  },
  HELP,
);
const names = chosenOf(
  positionals,
  MUTANTS.map(({ name }) => name),
  'mutant',
);
const chosen = MUTANTS.filter(({ name }) => names.includes(name));
for (const mutant of MUTANTS) editOfLine(mutant); // an error in the list is better known before an hour has passed

await runJudging(judgeAll);

/** Whether every mutant was noticed. */
async function judgeAll(signal: AbortSignal): Promise<boolean> {
  const until = Date.now() + Number(values.seconds) * 1000;
  const unbroken = values.trust ? undefined : await played('unbroken', [], firstOf(chosen), signal);
  const excused = new Set(unbroken === undefined ? [] : idsOf(unbroken));
  if (excused.size > 0) console.log(`do not count, because they fail without a fault: ${[...excused].join(', ')}`);
  let unnoticed = 0;
  for (const mutant of chosen) {
    if (Date.now() > until) {
      console.log(`no time left for ${mutant.name}`);
      continue;
    }
    const began = performance.now();
    const caught = await whoNotices(mutant, excused, signal);
    if (caught.length === 0) unnoticed++;
    const seconds = Math.round((performance.now() - began) / 1000);
    console.log(`${mutant.name.padEnd(34)} ${String(seconds).padStart(4)} s  ${caught.join(', ') || 'NOBODY NOTICED'}`);
    if (values.write) record(mutant.name, caught);
  }
  return unnoticed === 0;
}

async function whoNotices(mutant: Mutant, excused: ReadonlySet<string>, signal: AbortSignal): Promise<string[]> {
  const noticed = async (cases: readonly string[]) => {
    const failed = idsOf(await played(mutant.name, [mutant], cases, signal));
    return failed.filter((id) => !excused.has(id));
  };
  const caught = await noticed(mutant.first);
  return caught.length > 0 ? caught : noticed([]);
}

/** Plays these cases, or all, on a mesh with these faults. A mesh that does not come up is noticed by whoever waits for it. */
async function played(
  name: string,
  faults: readonly Mutant[],
  cases: readonly string[],
  signal: AbortSignal,
): Promise<Report> {
  const args = ['--parallel', '6', ...(cases.length === 0 ? [] : ['--filter', cases.join(',')])];
  const edits = faults.map(editOfLine);
  const times = { propagationSeconds: 5, stableSeconds: 1, mostMs: MOST_MS };
  try {
    return await judgeCopy({ name, edits, ...times, args, signal });
  } catch (error) {
    if (error instanceof NoReport && faults.length > 0) console.log(`${name}: ${error.message}`);
    throw error;
  }
}

function idsOf(report: Report): string[] {
  return failedOf(report).map(({ id }) => id);
}

function firstOf(mutants: readonly Mutant[]): string[] {
  return [...new Set(mutants.flatMap(({ first }) => first))];
}

/** Read and written anew for each mutant: several runs may share the work. */
function record(name: string, caught: readonly string[]): void {
  const document = readFileSync(DOCUMENT, 'utf8');
  writeFileSync(DOCUMENT, writeTable(document, MUTANTS, new Map([...readTable(document), [name, caught]])));
}
