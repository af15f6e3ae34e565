import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import type { CaseResult, Report } from '../../conformance/report.ts';

// What the commands that judge broken copies of the project share.

/**
 * The options of such a command, and the names that it is for. Ends the process for `--help`, which prints `help`, and for what is no
 * option, which is said.
 */
export function argsOf<O extends ParseArgsOptionsConfig>(options: O, help: string) {
  if (process.argv.includes('--help')) {
    console.log(help);
    process.exit(0);
  }
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`);
    process.exit(2);
  }
}

/** The names that were asked for, or all that there are. One that does not exist is said, and ends the process. */
export function chosenOf<T extends string>(asked: readonly string[], all: readonly T[], noun: string): readonly T[] {
  const unknown = asked.filter((name) => !(all as readonly string[]).includes(name));
  if (unknown.length > 0) {
    console.error(`There is no ${noun} ${unknown.join(', ')}. There are: ${all.join(', ')}.`);
    process.exit(2);
  }
  return asked.length === 0 ? all : all.filter((name) => asked.includes(name));
}

/** Runs such a command to its end, or until it is interrupted. The exit code says whether all was as it should be. */
export async function runJudging(judgeAll: (signal: AbortSignal) => Promise<boolean>): Promise<void> {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
  try {
    process.exitCode = (await judgeAll(interrupted.signal)) ? 0 : 1;
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    process.exitCode = 130;
  }
}

export function failedOf({ cases }: Pick<Report, 'cases'>): CaseResult[] {
  return cases.filter(({ outcome }) => outcome === 'failed');
}
