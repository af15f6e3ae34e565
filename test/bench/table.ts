import type { Result } from './result.ts';

/** Results as Markdown, a table per row. Says of every column that has no figures why. */
export function tables(results: readonly Result[]): string {
  const rows = [...new Set(results.map((result) => result.row))];
  return rows.map((row) => table(results.filter((result) => result.row === row))).join('\n\n');
}

/** When, where and with what it was measured. */
export function provenance(results: readonly Result[]): string {
  const distinct = (pick: (result: Result) => string) => [...new Set(results.map(pick))].filter(Boolean);
  const versions = distinct(({ columnTitle, version }) =>
    version === '' ? '' : `${columnTitle.replace(/,.*/, '')} ${version}`,
  );
  const days = distinct(({ measuredAt }) => measuredAt.slice(0, 10)).sort();
  const loads = results.map((result) => result.loadAverage);
  const runs = results.filter(({ note }) => note === null).map((result) => result.runs);
  return `Measured on ${days.join(', ')}; ${distinct((result) => result.machine).join('; ')}; ${versions.join(', ')}. Medians of ${between(runs)} rounds. Load average of the machine: ${between(loads)}.`;
}

function between(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least === most ? String(least) : `${least} to ${most}`;
}

function table(results: readonly Result[]): string {
  const [first] = results;
  if (first === undefined) return '';
  const { unit } = first;
  const units = unit === 'MiB' ? 'MiB' : `${unit}s`;
  const columns: [head: string, cell: (result: Result) => string][] = [
    ['column', (r) => r.columnTitle],
    [`CPU-s per 1,000 ${units}`, (r) => show(r.cpuSecondsPer1000)],
    [`${units} per CPU-s (range)`, (r) => withRange(r)],
    ["Weft's, as a multiple", (r) => (r.column === 'weft' ? '1' : show(r.weftIsTimesCheaper))],
    [`${units}/s`, (r) => show(r.requestsPerSecond, 0)],
    ['p50 / p99 / p99.9 ms', (r) => latencies(r)],
    ['added p50 / p99 ms', (r) => (r.addedP50Ms === null ? '' : `${show(r.addedP50Ms)} / ${show(r.addedP99Ms)}`)],
    ['RSS MB', (r) => memory(r)],
    ['RSS grows by MB', (r) => (r.row === 'stalled' ? show(r.rssGrowthMb) : '')],
  ];
  const used = columns.filter(([, cell], i) => i === 0 || results.some((r) => !['', '-'].includes(cell(r))));
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const body = results.map((r) =>
    r.note === null
      ? line(used.map(([, cell]) => cell(r)))
      : line([r.columnTitle, r.note, ...used.slice(2).map(() => '')]),
  );
  const head = [line(used.map(([name]) => name)), `|${'---|'.repeat(used.length)}`];
  return [`### ${first.title}`, '', ...head, ...body].join('\n');
}

function show(value: number | null, digits?: number): string {
  if (value === null) return '-';
  return value.toLocaleString('en', { maximumFractionDigits: digits ?? 4, minimumFractionDigits: 0 });
}

function withRange({ requestsPerCpuSecond, range, failures }: Result): string {
  if (requestsPerCpuSecond === null || range === null) return '-';
  const failed = failures === 0 ? '' : `, ${show(failures)} failed`;
  return `${show(requestsPerCpuSecond)} (${show(range[0])}-${show(range[1])}${failed})`;
}

/** Together, and of each. */
function memory({ rssMb, rssMbOfEach }: Result): string {
  const each = rssMbOfEach.length < 2 ? '' : ` (${rssMbOfEach.map((mb) => show(mb)).join(' + ')})`;
  return `${show(rssMb)}${each}`;
}

function latencies({ p50Ms, p99Ms, p999Ms }: Result): string {
  return p50Ms === null ? '' : `${show(p50Ms, 2)} / ${show(p99Ms, 2)} / ${show(p999Ms, 2)}`;
}
