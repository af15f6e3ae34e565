import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { end, startReporting } from '../bench/processes.ts';
import { GoodClient } from './good-client.ts';
import { startPair } from './pair.ts';
import type { Suite, SuiteContext } from './suite.ts';
import { onPath } from './tools.ts';

const APP = resolve(import.meta.dirname, 'flood-app.ts');
const CONNECTIONS = 1000;
const GOOD_CLIENT_MS = 1000;
/** As in the floods: an app that itself needs so long says that the machine is too busy. */
const BUSY_MS = 150;

/** What slowhttptest is asked for; each opens 1,000 connections at 200 a second. */
const ATTACKS: Readonly<Record<string, readonly string[]>> = {
  'slow headers (-H)': ['-H', '-i', '5', '-x', '24'],
  'slow bodies (-B)': ['-B', '-i', '5', '-s', '8192', '-x', '10'],
  'slow readers (-X)': ['-X', '-w', '512', '-y', '1024', '-n', '5', '-z', '32'],
};

/** The classic: many slow connections, and a good client beside them. */
export const slowhttptest: Suite = {
  name: 'slowhttptest',
  title: `slowhttptest with ${CONNECTIONS} connections and a good client beside them`,
  async run(context) {
    if (!onPath('slowhttptest')) return context.skip('slowhttptest', 'it is not installed (Debian: slowhttptest)');
    const { child, line } = await startReporting(process.execPath, [APP]);
    context.after(() => end(child));
    const appPort = Number(line);
    const { port, a, b } = await startPair(context, { appPort });
    for (const [name, args] of Object.entries(ATTACKS)) {
      const good = new GoodClient(port);
      const control = new GoodClient(appPort);
      await attack(context, port, args);
      const { worstMs, problems } = await good.stop();
      const { worstMs: withoutSidecars } = await control.stop();
      const figures = `worst ${worstMs} ms, ${withoutSidecars} ms without sidecars`;
      context.note(`${name}: ${figures}`);
      if (problems.size > 0) context.fail(name, `${[...problems].join('; ')} (${figures})`);
      else if (a.exitCode !== null || b.exitCode !== null) context.fail(name, 'a sidecar is gone');
      else if (worstMs < GOOD_CLIENT_MS) context.pass(name);
      else if (withoutSidecars >= BUSY_MS) context.skip(name, `the machine is too busy to judge (${figures})`);
      else context.fail(name, `the good client had to wait (${figures})`);
    }
  },
};

function attack(context: SuiteContext, port: number, args: readonly string[]): Promise<void> {
  const seconds = String(Math.max(5, context.options.seconds));
  const url = `http://127.0.0.1:${port}/big`;
  const all = [...args, '-c', String(CONNECTIONS), '-r', '200', '-l', seconds, '-p', '3', '-u', url];
  return new Promise((resolve) => {
    execFile('slowhttptest', all, { timeout: 60_000, cwd: context.dir }, () => resolve()); // its exit code is not a verdict
  });
}
