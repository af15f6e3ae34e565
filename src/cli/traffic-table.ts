import type { TrafficRow } from '../mesh/traffic-rows.ts';

type Align = 'left' | 'right';

interface Column {
  readonly title: string;
  readonly align: Align;
  cell(row: TrafficRow): string;
}

const COLUMNS: readonly Column[] = [
  { title: 'SOURCE', align: 'left', cell: (row) => row.source },
  { title: 'DESTINATION', align: 'left', cell: (row) => row.destination },
  {
    title: 'RATE',
    align: 'right',
    cell: (row) => `${number(row.perSecond)} ${row.unit === 'requests' ? 'rps' : 'cps'}`,
  },
  {
    title: 'SUCCESS',
    align: 'right',
    cell: (row) => (row.successRate === undefined ? '-' : percent(row.successRate, 1)),
  },
  { title: 'P50', align: 'right', cell: (row) => latency(row.p50Ms) },
  { title: 'P99', align: 'right', cell: (row) => latency(row.p99Ms) },
  { title: 'SPLIT', align: 'left', cell: shares },
  { title: 'DENIED', align: 'left', cell: refusals },
];

/** What moves to lines of its own where the screen is too narrow for the whole table. */
const DETAILS = new Set(['SPLIT', 'DENIED']);

/**
 * Renders the table, one string per line, without trailing white space. Where it is wider than `columns`, what is said
 * about splits and refusals stands below its row. Names come from objects that anybody may write: control characters
 * are dropped, so that none of them reaches the terminal.
 */
export function trafficTable(rows: readonly TrafficRow[], columns = Infinity): string[] {
  const sorted = [...rows].sort((a, b) => order(a.source, b.source) || order(a.destination, b.destination));
  const wide = aligned(COLUMNS, sorted);
  if (wide.every((line) => line.length <= columns)) return wide;
  const [header = '', ...lines] = aligned(
    COLUMNS.filter((c) => !DETAILS.has(c.title)),
    sorted,
  );
  return [header, ...lines.flatMap((line, i) => [line, ...details(sorted[i])])];
}

function aligned(columns: readonly Column[], rows: readonly TrafficRow[]): string[] {
  const cells = [columns.map((c) => c.title), ...rows.map((row) => columns.map((c) => printable(c.cell(row))))];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i]?.length ?? 0)));
  return cells.map((line) =>
    line
      .map((cell, i) => pad(cell, widths[i] ?? 0, columns[i]?.align ?? 'left'))
      .join('  ')
      .trimEnd(),
  );
}

function details(row: TrafficRow | undefined): string[] {
  if (row === undefined) return [];
  return COLUMNS.filter((c) => DETAILS.has(c.title))
    .map((c) => ({ title: c.title.toLowerCase(), cell: printable(c.cell(row)) }))
    .filter(({ cell }) => cell !== '')
    .map(({ title, cell }) => `  ${title} ${cell}`);
}

function shares(row: TrafficRow): string {
  if (row.shares.length < 2)
    return row.shares[0]?.backend === undefined || row.destination.endsWith(`/${row.shares[0].backend}`)
      ? ''
      : `${row.shares[0].backend} 100%`;
  return [...row.shares]
    .sort((a, b) => order(a.backend, b.backend))
    .map(({ backend, fraction }) => `${backend} ${percent(fraction, 0)}`)
    .join(', ');
}

function refusals(row: TrafficRow): string {
  return row.refusals.map(({ reason, perSecond }) => `${number(perSecond)}/s ${reason}`).join(', ');
}

function number(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

function percent(fraction: number, digits: number): string {
  return `${(fraction * 100).toFixed(digits)}%`;
}

function latency(ms: number | undefined): string {
  if (ms === undefined) return '-';
  return ms < 10 ? `${ms.toFixed(1)}ms` : `${ms.toFixed(0)}ms`;
}

function pad(cell: string, width: number, align: Align): string {
  return align === 'left' ? cell.padEnd(width) : cell.padStart(width);
}

function printable(text: string): string {
  return text.replace(/\p{C}/gu, '');
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
