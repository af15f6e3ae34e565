import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeCertificates } from './certificates.ts';
import { nginxPair } from './nginx.ts';
import { cpuSeconds, end, rssMb, startReporting } from './processes.ts';
import { weftPair } from './weft.ts';

// npm run bench -- [--json FILE] [--rounds N] [--seconds S]
// Sidecar pairs (plain -> mutual TLS -> plain) between the same client and the same app, all in one run, rounds
// interleaved in rotated order. Counts the CPU time of the proxies alone, from the operating system.

/** What one column of the table is: something that takes requests at `port`. */
export interface Column {
  readonly name: string;
  readonly port: number;
  /** The proxies whose CPU time counts; none for "no mesh". */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

/** What a pair needs to come up: certificates a, b (and ca) as `.pem` and `.key` files in `dir`. */
export interface PairFiles {
  readonly dir: string;
  readonly appPort: number;
  freePort(): Promise<number>;
}

interface Result {
  readonly row: string;
  readonly column: string;
  readonly requestsPerCpuSecond: number | null;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMb: number;
  readonly runs: number;
}

interface Sample {
  readonly requests: number;
  readonly failures: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpu: number;
  readonly rss: number;
}

const ROW = 'HTTP/1.1 keep-alive, 50 clients, 36-byte body, saturated';
const { values } = parseArgs({
  options: { json: { type: 'string' }, rounds: { type: 'string' }, seconds: { type: 'string' } },
});
const rounds = Number(values.rounds ?? 5);
const seconds = Number(values.seconds ?? 4);

const dir = mkdtempSync(join(tmpdir(), 'weft-bench-'));
const app = await startReporting(process.execPath, [join(import.meta.dirname, 'app.ts')]);
const columns: Column[] = [];
try {
  await writeCertificates(dir);
  const files: PairFiles = { dir, appPort: Number(app.line), freePort };
  columns.push({ name: 'no mesh', port: files.appPort, pids: [], stop: () => Promise.resolve() });
  columns.push(await weftPair(files));
  const nginx = await nginxPair(files);
  if (nginx === undefined) console.log('nginx: not installed, its column is left out');
  else columns.push(nginx);
  const results = await measure(columns);
  print(results);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`);
} finally {
  for (const column of columns) await column.stop();
  await end(app.child);
  rmSync(dir, { recursive: true, force: true });
}

async function measure(pairs: readonly Column[]): Promise<Result[]> {
  const samples = new Map(pairs.map((pair) => [pair, [] as Sample[]]));
  for (const pair of pairs) await load(pair, 1); // connections, caches and compiled code are warm before anything counts
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < pairs.length; i++) {
      const pair = pairs[(i + round) % pairs.length];
      if (pair === undefined) continue;
      const sample = await load(pair, seconds);
      if (sample.failures > 0)
        throw new Error(`${pair.name}: ${sample.failures} of ${sample.requests} requests failed`);
      samples.get(pair)?.push(sample);
    }
  }
  return pairs.map((pair) => summary(pair, samples.get(pair) ?? []));
}

async function load(pair: Column, forSeconds: number): Promise<Sample> {
  const before = cpuSeconds(pair.pids);
  const { child, line } = await startReporting(process.execPath, [
    join(import.meta.dirname, 'load.ts'),
    String(pair.port),
    '50',
    String(forSeconds),
  ]);
  const cpu = cpuSeconds(pair.pids) - before;
  await end(child);
  return { ...(JSON.parse(line) as Sample), cpu, rss: rssMb(pair.pids) };
}

function summary(pair: Column, samples: readonly Sample[]): Result {
  const middle = (pick: (sample: Sample) => number) => median(samples.map(pick));
  return {
    row: ROW,
    column: pair.name,
    requestsPerCpuSecond: pair.pids.length === 0 ? null : Math.round(middle((s) => s.requests / s.cpu)),
    requestsPerSecond: Math.round(middle((s) => s.perSecond)),
    p50Ms: round(middle((s) => s.p50Ms)),
    p99Ms: round(middle((s) => s.p99Ms)),
    rssMb: Math.round(middle((s) => s.rss)),
    runs: samples.length,
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

function print(results: readonly Result[]): void {
  console.log(
    `\n${ROW}; Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown CPU'}, ${rounds} rounds\n`,
  );
  console.log('| column | requests per CPU-second of the proxies | requests/s | p50 ms | p99 ms | RSS MB (both) |');
  console.log('|---|---|---|---|---|---|');
  for (const r of results)
    console.log(
      `| ${r.column} | ${r.requestsPerCpuSecond ?? '-'} | ${r.requestsPerSecond} | ${r.p50Ms} | ${r.p99Ms} | ${r.rssMb} |`,
    );
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
