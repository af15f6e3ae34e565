import type { Sample } from './measure.ts';
import type { Row } from './rows.ts';

/** What one column made of one row. Medians over the rounds; `null` where there is nothing to say. */
export interface Result {
  readonly row: string;
  readonly column: string;
  readonly requestsPerCpuSecond: number | null;
  readonly requestsPerSecond: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly rssMb: number | null;
  /** Of each proxy, the caller's first. */
  readonly rssMbOfEach: readonly number[];
  /** By how much the proxies have grown together in a run, at most. */
  readonly rssGrowthMb: number | null;
  readonly runs: number;
  readonly title: string;
  readonly columnTitle: string;
  /** What a "request" is here. */
  readonly unit: Row['unit'];
  readonly p999Ms: number | null;
  readonly cpuSecondsPer1000: number | null;
  /** Least and most of the rounds. */
  readonly range: readonly [least: number, most: number] | null;
  /** Of CPU time per request, compared with the first Weft column in the same round: above 1 = Weft needs less. */
  readonly weftIsTimesCheaper: number | null;
  /** Added to what "no mesh" takes, in the same round. */
  readonly addedP50Ms: number | null;
  readonly addedP99Ms: number | null;
  /** How late the load itself began, where it has a rate. */
  readonly late99Ms: number | null;
  readonly failures: number;
  /** Why there are no figures. */
  readonly note: string | null;
  readonly measuredAt: string;
  readonly machine: string;
  /** Of the machine at the end of the row: about 2 where nothing else runs, and figures of a busier one compare only roughly. */
  readonly loadAverage: number;
  readonly version: string;
}

type Figures = Omit<
  Result,
  'title' | 'columnTitle' | 'row' | 'column' | 'unit' | 'measuredAt' | 'machine' | 'loadAverage' | 'version'
>;

export const NO_FIGURES: Figures = {
  requestsPerCpuSecond: null,
  requestsPerSecond: null,
  p50Ms: null,
  p99Ms: null,
  p999Ms: null,
  rssMb: null,
  rssMbOfEach: [],
  rssGrowthMb: null,
  runs: 0,
  cpuSecondsPer1000: null,
  range: null,
  weftIsTimesCheaper: null,
  addedP50Ms: null,
  addedP99Ms: null,
  late99Ms: null,
  failures: 0,
  note: null,
};

/** @param all per column its samples, one per round; a figure that compares does so within a round */
export function figures(row: Row, column: string, all: ReadonlyMap<string, readonly Sample[]>): Figures {
  const own = all.get(column) ?? [];
  const weft = all.get('weft');
  const proxied = column !== 'none';
  const paired = (others: readonly Sample[] | undefined, figure: (one: Sample, other: Sample) => number) =>
    others === undefined || !proxied ? null : median(own.map((sample, round) => figure(sample, others[round]!)));
  const efficiencies = own.map((sample) => sample.units / sample.cpu);
  const latencies = own.some((sample) => sample.p50Ms > 0);
  const timed = (pick: (sample: Sample) => number) => (latencies ? round(median(own.map(pick)), 3) : null);
  const isRate = own.some((sample) => sample.late99Ms > 0);
  // Beside bulk that no proxy slows down requests wait longest of all: nothing is added to that
  const none = isRate && row.beside === undefined ? all.get('none') : undefined;
  const added = (pick: (sample: Sample) => number) =>
    latencies
      ? roundOr(
          paired(none, (one, other) => pick(one) - pick(other)),
          3,
        )
      : null;
  return {
    requestsPerCpuSecond: proxied ? Math.round(median(efficiencies)) : null,
    cpuSecondsPer1000: proxied ? round(1000 / median(efficiencies), 4) : null,
    range: proxied ? [Math.round(Math.min(...efficiencies)), Math.round(Math.max(...efficiencies))] : null,
    weftIsTimesCheaper: roundOr(
      paired(weft, (one, other) => other.units / other.cpu / (one.units / one.cpu)),
      2,
    ),
    requestsPerSecond: round(median(own.map((sample) => sample.perSecond)), 1),
    p50Ms: timed((sample) => sample.p50Ms),
    p99Ms: timed((sample) => sample.p99Ms),
    p999Ms: timed((sample) => sample.p999Ms),
    addedP50Ms: added((sample) => sample.p50Ms),
    addedP99Ms: added((sample) => sample.p99Ms),
    late99Ms: isRate ? round(median(own.map((sample) => sample.late99Ms)), 3) : null,
    rssMb: proxied ? Math.round(median(own.map((sample) => sample.rss))) : null,
    rssMbOfEach: (own[0]?.rssOfEach ?? []).map((_, i) => Math.round(median(own.map((sample) => sample.rssOfEach[i]!)))),
    rssGrowthMb: proxied ? round(Math.max(...own.map((sample) => sample.rssGrowth)), 1) : null,
    runs: own.length,
    failures: own.reduce((sum, sample) => sum + sample.failures, 0),
    note: null,
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function roundOr(value: number | null, digits: number): number | null {
  return value === null ? null : round(value, digits);
}
