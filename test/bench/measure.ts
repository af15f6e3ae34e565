import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Entry } from './column.ts';
import type { LoadReport } from './load/spec.ts';
import { cpuSeconds, end, rssMb, startReporting } from './processes.ts';
import type { Row } from './rows.ts';

/** One run: one row on one column in one round. */
export interface Sample extends LoadReport {
  /** CPU-seconds of the proxies while the load ran. */
  readonly cpu: number;
  /** MB of the proxies together, right after. */
  readonly rss: number;
  /** Of each of them. */
  readonly rssOfEach: readonly number[];
  /** By how much they have grown together. */
  readonly rssGrowth: number;
}

/** One column that takes part in a row. */
export interface Runner {
  readonly column: string;
  readonly entry: Entry;
  /** For a row with another load beside it. */
  readonly beside?: Entry;
}

const LOAD = join(import.meta.dirname, 'load', 'load.ts');
/**
 * Long enough for compiled code even where a column gets a fraction of a core. Saturated, also where the row has a rate: a sidecar
 * runs for days, and a few thousand requests would leave it half compiled.
 */
const WARM_SECONDS = 5;
/**
 * V8 makes the young generation of a process small that rests for 5 s, and requests are dearer then (docs/performance.md). Whoever was warmed
 * first has rested while the others were: so all do. Of two columns of the same code the first one cost 8 % more without.
 */
const REST_SECONDS = 7;

export interface MeasureOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Told after every run that counts. */
  readonly onSample: (column: string, round: number, sample: Sample) => void;
}

/**
 * Runs a row on all its columns, round by round, each round beginning with another column and every second one going backwards: what
 * else happens on the machine meets all of them alike, and so does what the column before leaves behind (V8 collects when it is idle).
 * @returns per column its samples, one per round
 */
export async function measure(
  row: Row,
  runners: readonly Runner[],
  { rounds, seconds, onSample }: MeasureOptions,
): Promise<Map<string, Sample[]>> {
  const samples = new Map(runners.map((runner) => [runner.column, [] as Sample[]]));
  // Connections, caches and compiled code are warm before anything counts
  if (row.unit !== 'connection' && row.cold !== true) {
    for (const { entry } of runners) await runOnce(warmUp(row), entry, WARM_SECONDS);
    await sleep(REST_SECONDS * 1000);
  }
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < runners.length; i++) {
      const runner = runners[(round + (round % 2 === 0 ? i : runners.length - i)) % runners.length]!;
      const sample = await runBeside(row, runner, seconds);
      samples.get(runner.column)!.push(sample);
      onSample(runner.column, round, sample);
    }
  }
  return samples;
}

/** Lets the load beside it begin a second earlier, and end later. */
async function runBeside(row: Row, { entry, beside }: Runner, seconds: number): Promise<Sample> {
  if (row.beside === undefined || beside === undefined) return runOnce(row, entry, seconds);
  const other = runOnce(row.beside, beside, seconds + 2);
  await sleep(1000);
  const sample = await runOnce(row, entry, seconds);
  const { failures, firstFailure } = await other;
  return { ...sample, failures: sample.failures + failures, firstFailure: sample.firstFailure || firstFailure };
}

/** The same load without its rate. */
function warmUp({ load }: Row): Loaded {
  return {
    load(port, seconds) {
      const spec = load(port, seconds);
      return 'ratePerSecond' in spec ? { ...spec, ratePerSecond: 0 } : spec;
    },
  };
}

type Loaded = Pick<Row, 'load'>;

async function runOnce(row: Loaded, { port, pids }: Entry, seconds: number): Promise<Sample> {
  const { child, next } = await startReporting(process.execPath, [LOAD, JSON.stringify(row.load(port, seconds))]);
  try {
    const rssBefore = rssMb(pids);
    const before = cpuSeconds(pids);
    child.stdin!.write('go\n');
    const report = JSON.parse(await next()) as LoadReport;
    const cpu = cpuSeconds(pids) - before;
    const rss = rssMb(pids);
    return { ...report, cpu, rss, rssOfEach: pids.map((pid) => rssMb([pid])), rssGrowth: rss - rssBefore };
  } finally {
    await end(child);
  }
}
