import type { Duplex } from 'node:stream';
import type { Clock } from '../base/clock.ts';
import { http } from '../base/node-http.ts';
import { trafficTable } from '../cli/traffic-table.ts';
import type { TrafficReport } from '../mesh/traffic-report.ts';
import { trafficRows } from '../mesh/traffic-rows.ts';

export interface LiveTableOptions {
  /** Pods with a sidecar, by `namespace/name`, and how to reach their admin listeners. */
  readonly sidecars: () => ReadonlyMap<string, (signal: AbortSignal) => Promise<Duplex>>;
  readonly clock: Clock;
  /** A terminal is redrawn every second; anything else (undefined) gets one block every five. */
  readonly terminal: { readonly columns: () => number } | undefined;
  readonly write: (text: string) => void;
}

const READ_TIMEOUT_MS = 2000;

/** Shows who calls whom until aborted. */
export async function liveTable(
  { sidecars, clock, terminal, write }: LiveTableOptions,
  signal: AbortSignal,
): Promise<void> {
  const pauseMs = terminal === undefined ? 5000 : 1000;
  const windows: { readonly at: number; readonly reports: ReadonlyMap<string, TrafficReport> }[] = [];
  let drawn = 0;
  while (!signal.aborted) {
    windows.push({ at: clock.now(), reports: await look(sidecars(), signal) });
    if (windows.length > (terminal === undefined ? 2 : 6)) windows.shift(); // a terminal shows the last five seconds, smoothly
    const [first, last] = [windows[0], windows.at(-1)];
    if (first !== undefined && last !== undefined && last.at > first.at) {
      const traffic = trafficRows(first.reports, last.reports, (last.at - first.at) / 1000);
      const lines = trafficTable(traffic, terminal?.columns());
      if (drawn > 0) write(`\x1b[${drawn}A\x1b[J`);
      write(`${lines.join('\n')}\n${terminal === undefined ? '\n' : ''}`);
      if (terminal !== undefined) drawn = rows(lines, terminal.columns());
    }
    await clock.sleep(pauseMs, signal).catch(() => undefined);
  }
}

/** How many rows of the screen the lines take: a long one goes on in the next row. */
function rows(lines: readonly string[], columns: number): number {
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
}

/** Asks all sidecars at once; one that does not answer in time is left out of this look. */
async function look(
  sidecars: ReadonlyMap<string, (signal: AbortSignal) => Promise<Duplex>>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TrafficReport>> {
  const reports = new Map<string, TrafficReport>();
  await Promise.all(
    Array.from(sidecars, async ([pod, connect]) => {
      try {
        reports.set(pod, await read(connect, AbortSignal.any([signal, AbortSignal.timeout(READ_TIMEOUT_MS)])));
      } catch {
        // starting, ending, or busy: the next look will tell
      }
    }),
  );
  return reports;
}

async function read(connect: (signal: AbortSignal) => Promise<Duplex>, signal: AbortSignal): Promise<TrafficReport> {
  const socket = await connect(signal);
  return new Promise((resolve, reject) => {
    const options = { path: '/traffic', host: 'sidecar', signal, createConnection: () => socket };
    const request = http.get(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve(JSON.parse(body) as TrafficReport));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.on('close', () => socket.destroy());
  });
}
