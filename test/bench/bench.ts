import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeCertificates } from './certificates.ts';
import type { Column, ColumnKind, Site } from './column.ts';
import { measure, type Runner } from './measure.ts';
import { benchOptions, HELP, type BenchOptions } from './options.ts';
import { end, startReporting } from './processes.ts';
import { figures, NO_FIGURES, type Result } from './result.ts';
import type { Row } from './rows.ts';
import { provenance, tables } from './table.ts';
import { replaceSection } from './section.ts';

const options = optionsOrMessage();
if (options !== undefined) await main(options);

function optionsOrMessage(): BenchOptions | undefined {
  try {
    return benchOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`bench: ${(error as Error).message}; --help says more`);
    process.exitCode = 2;
    return undefined;
  }
}

async function main(options: BenchOptions): Promise<void> {
  if (options.help) return console.log(HELP);
  const results = options.from === undefined ? await runAll(options) : options.from.flatMap(readResults);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, undefined, 2)}\n`);
  const text = `${tables(results)}\n\n${provenance(results)}`;
  if (options.markdown !== undefined) {
    writeFileSync(options.markdown, replaceSection(readFileSync(options.markdown, 'utf8'), text));
  }
  console.log(`\n${text}`);
  const failed = results.filter((result) => result.column.startsWith('weft') && result.failures > 0);
  for (const { row, columnTitle, failures } of failed) console.error(`${row}: ${columnTitle} failed ${failures} times`);
  if (failed.length > 0) process.exitCode = 1;
}

function readResults(file: string): Result[] {
  return JSON.parse(readFileSync(file, 'utf8')) as Result[];
}

async function runAll(options: BenchOptions): Promise<Result[]> {
  const { child, line } = await startReporting(process.execPath, [join(import.meta.dirname, 'app', 'app.ts')]);
  const dir = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  const results: Result[] = [];
  try {
    const app = JSON.parse(line) as Site['app'];
    for (const row of options.rows) results.push(...(await runRow(row, options, dir, app)));
  } finally {
    await end(child);
    rmSync(dir, { recursive: true, force: true });
  }
  return results;
}

/** The pairs of a row are its own: no row is measured in the memory that another one left behind. */
async function runRow(row: Row, options: BenchOptions, top: string, app: Site['app']): Promise<Result[]> {
  const { columns: kinds, rounds, seconds, workers, profile: profiles } = options;
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
      const column = await kind.start({ dir, app, workers, profiles, freePort });
      up.push(column);
      const entry = column.entries[row.entry];
      if ('cannot' in entry) notes.set(kind.id, entry.cannot);
      else {
        const beside = row.beside === undefined ? undefined : column.entries[row.beside.entry];
        if (beside !== undefined && 'cannot' in beside) notes.set(kind.id, beside.cannot);
        else runners.push({ column: kind.id, entry, ...(beside !== undefined && { beside }) });
      }
    }
    const samples = await measure(row, runners, {
      rounds,
      seconds,
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
