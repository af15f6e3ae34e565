import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds, end, startReporting } from '../bench/processes.ts';
import { GoodClient } from './good-client.ts';
import { startPair } from './pair.ts';
import type { Suite, SuiteContext } from './suite.ts';
import { onPath } from './tools.ts';

const APP = resolve(import.meta.dirname, 'flood-app.ts');
const CONNECTIONS = 1000;
/** Each takes 4 MB of the kernel's memory for TCP before it is slow; with a thousand the app itself is not answered any more. */
const READERS = 200;
/** A second. */
const RATE = 200;
const SETTLE_MS = 60_000;
const GOOD_CLIENT_MS = 1000;
/** As in the floods: an app that itself needs so long says that the machine is too busy. */
const BUSY_MS = 150;

/** What slowhttptest is asked for; connections are opened at 200 a second. */
const ATTACKS: Readonly<Record<string, readonly string[]>> = {
  'slow headers (-H)': ['-H', '-i', '5', '-x', '24'],
  'slow bodies (-B)': ['-B', '-i', '5', '-s', '8192', '-x', '10'],
  'slow readers (-X)': ['-X', '-w', '512', '-y', '1024', '-n', '5', '-z', '32'],
};

/** The classic: many slow connections, and a good client beside them. */
export const slowhttptest: Suite = {
  name: 'slowhttptest',
  title: `slowhttptest with ${CONNECTIONS} connections (${READERS} slow readers) and a good client beside them`,
  async run(context) {
    if (!onPath('slowhttptest')) return context.skip('slowhttptest', 'it is not installed (Debian: slowhttptest)');
    const { child, line } = await startReporting(process.execPath, [APP]);
    context.after(() => end(child));
    const appPort = Number(line);
    const { port, a, b, pids } = await startPair(context, { appPort });
    for (const [name, args] of Object.entries(ATTACKS)) {
      const attacked = attack(context, port, args);
      // Until the kernel's buffers of each reader are full (4 MB and more) it is a bulk transfer, and no reader is slow yet
      if (args.includes('-X')) await settled(context, pids);
      const good = new GoodClient(port);
      const control = new GoodClient(appPort);
      await sleep(secondsOf(context) * 1000);
      const { worstMs, problems } = await good.stop();
      const { worstMs: withoutSidecars, problems: ofTheApp } = await control.stop();
      await attacked.end();
      const figures = `worst ${worstMs} ms, ${withoutSidecars} ms without sidecars`;
      context.note(`${name}: ${figures}`);
      if (problems.size > 0 && ofTheApp.size === 0) context.fail(name, `${[...problems].join('; ')} (${figures})`);
      else if (a.exitCode !== null || b.exitCode !== null) context.fail(name, 'a sidecar is gone');
      else if (worstMs < GOOD_CLIENT_MS) context.pass(name);
      else if (withoutSidecars >= BUSY_MS) context.skip(name, `the machine is too busy to judge (${figures})`);
      else context.fail(name, `the good client had to wait (${figures})`);
    }
  },
};

function secondsOf({ options }: SuiteContext): number {
  return Math.max(CONNECTIONS / RATE, options.seconds);
}

/** Waits until the sidecars have little to do, or for a minute. */
async function settled(context: SuiteContext, pids: readonly number[]): Promise<void> {
  const started = performance.now();
  await sleep((CONNECTIONS / RATE) * 1000);
  for (let last = cpuSeconds(pids), quiet = 0; quiet < 2 && performance.now() - started < SETTLE_MS;) {
    await sleep(1000);
    const now = cpuSeconds(pids);
    quiet = now - last < 0.3 ? quiet + 1 : 0;
    last = now;
  }
  context.note(`buffers were full after ${Math.round((performance.now() - started) / 1000)} s`);
}

function attack(context: SuiteContext, port: number, args: readonly string[]): { end(): Promise<void> } {
  const longest = String(Math.ceil(secondsOf(context) + SETTLE_MS / 1000) + 5);
  const url = `http://127.0.0.1:${port}/${args.includes('-B') ? 'sink' : 'big'}`;
  const all = [
    ...args,
    '-c',
    String(args.includes('-X') ? READERS : CONNECTIONS),
    '-r',
    String(RATE),
    '-l',
    longest,
    '-p',
    '3',
    '-u',
    url,
  ];
  const child = spawn('slowhttptest', all, { cwd: context.dir, stdio: 'ignore' }); // its exit code is no verdict
  context.after(() => end(child));
  return { end: () => end(child) };
}
