import { once } from 'node:events';
import { statSync } from 'node:fs';
import http from 'node:http';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChildProcess } from 'node:child_process';
import { cpuSeconds, end, rssMb, startReporting } from '../bench/processes.ts';
import { FLOODS } from './floods.ts';
import { get, GoodClient } from './good-client.ts';
import { startPair, type Pair } from './pair.ts';
import type { Suite, SuiteContext } from './suite.ts';

const APP = resolve(import.meta.dirname, 'flood-app.ts');
const RELAY = resolve(import.meta.dirname, 'flood-relay.ts');
const ATTACKER = resolve(import.meta.dirname, 'flood-attacker.ts');
/** A good client beside the flood is answered within this. */
const GOOD_CLIENT_MS = 1000;
/** Where the app itself, asked without any sidecar, needs so long, a second through two of them says nothing about them. */
const BUSY_MS = 150;
/** What a sidecar may grow by: its heap is not collected at once, and connections that the flood may have cost something. */
const GROWTH_MB = 48;
/** What both sidecars may write about one flood. */
const LOG_BYTES = 1e6;

/** The exhaustion list: each flood for a while, with a good client beside it, and the memory of the sidecars watched. */
export const floods: Suite = {
  name: 'floods',
  title: 'the exhaustion list by raw frames and bytes, with a good client beside each',
  async run(context) {
    // Two apps, so that it is the sidecars that are judged: an app that drowns is its own affair.
    const [appPort, besidePort] = [await startApp(context), await startApp(context)];
    const pair = await startPair(context, { appPort, besidePort });
    await quietSeconds(pair, 2);
    const relayPort = await startRelay(context, pair, appPort);
    for (const name of FLOODS.keys()) {
      const port = name.startsWith('tls ') ? pair.tunnelPort : pair.port;
      await flood(context, name, { name, port }, pair, { appPort, besidePort });
    }
    for (const name of FLOODS.keys()) {
      if (!name.startsWith('h2 ')) continue;
      await flood(context, `from a peer: ${name}`, { name, port: relayPort }, pair, { appPort, besidePort });
    }
  },
};

async function startApp(context: SuiteContext): Promise<number> {
  const { child, line } = await startReporting(process.execPath, [APP]);
  context.after(() => end(child));
  return Number(line);
}

/** A peer with a good certificate: it attacks the far sidecar through a tunnel of its own. */
async function startRelay(context: SuiteContext, pair: Pair, appPort: number): Promise<number> {
  const { child, line } = await startReporting(process.execPath, [
    RELAY,
    context.dir,
    String(pair.tunnelPort),
    `127.0.0.1:${appPort}`,
  ]);
  context.after(() => end(child));
  return Number(line);
}

interface Attack {
  readonly name: string;
  readonly port: number;
}

interface Apps {
  readonly appPort: number;
  readonly besidePort: number;
}

async function flood(context: SuiteContext, name: string, attack: Attack, pair: Pair, apps: Apps): Promise<void> {
  if (!context.wants(name)) return;
  const logBefore = logBytes(pair);
  const rssBefore = pair.pids.map((pid) => rssMb([pid]));
  const cpuBefore = cpuSeconds(pair.pids);
  const { child } = await startReporting(process.execPath, [ATTACKER, attack.name, String(attack.port)]);
  const good = new GoodClient(pair.besidePort);
  const control = new GoodClient(apps.besidePort);
  const growth = await watch(pair, rssBefore, context.options.seconds);
  const sent = await endAttack(child);
  const verdict = await good.stop();
  const { worstMs: withoutSidecars } = await control.stop();
  const cpu = (cpuSeconds(pair.pids) - cpuBefore).toFixed(1);
  const state = await settled(apps.appPort);
  const figures = `worst ${verdict.worstMs} ms of ${verdict.answers} (${withoutSidecars} ms without sidecars), +${growth.map((mb) => mb.toFixed(0)).join(' and +')} MB, ${cpu} s CPU, ${sent}`;
  context.note(`${name}: ${figures}`);
  const problems = [...verdict.problems];
  const slow = verdict.worstMs >= GOOD_CLIENT_MS;
  const busy = withoutSidecars >= BUSY_MS;
  if (slow && !busy) problems.push('the good client had to wait');
  if (logBytes(pair) - logBefore > LOG_BYTES) problems.push('the log grows');
  if (Math.max(...growth) > GROWTH_MB) problems.push('memory grows');
  if (state.open > 0) problems.push(`${state.open} requests are still open at the app`);
  if (pair.a.exitCode !== null || pair.b.exitCode !== null) problems.push('a sidecar is gone');
  if (problems.length > 0) context.fail(name, `${problems.join('; ')} (${figures})`);
  else if (slow) context.skip(name, `the machine is too busy to judge (${figures})`);
  else context.pass(name);
}

function logBytes({ logs }: Pair): number {
  return logs.reduce((sum, file) => sum + statSync(file).size, 0);
}

/** By how much each sidecar has grown at most. */
async function watch(pair: Pair, before: readonly number[], seconds: number): Promise<number[]> {
  const growth = pair.pids.map(() => 0);
  for (const until = performance.now() + seconds * 1000; performance.now() < until; await sleep(200)) {
    for (const [i, pid] of pair.pids.entries()) growth[i] = Math.max(growth[i]!, rssMb([pid]) - before[i]!);
  }
  return growth;
}

async function endAttack(child: ChildProcess): Promise<string> {
  const last = once(createInterface({ input: child.stdout! }), 'line') as Promise<[string]>;
  const exited = once(child, 'exit');
  child.stdin!.end(); // it says how much it has sent, and ends
  const [line] = await last;
  await exited;
  const { bytes, lost } = JSON.parse(line) as { bytes: number; lost: number };
  return `${(bytes / 1e6).toFixed(1)} MB sent, ${lost} connections lost`;
}

/** What the app knows once the attacker has gone: everything that it had asked for must have been called off. */
async function settled(appPort: number): Promise<{ open: number }> {
  for (let attempt = 0; ; attempt++) {
    const state = JSON.parse((await get(appPort, '/state')).body) as { open: number };
    if (state.open === 0 || attempt === 20) return state;
    await sleep(250);
  }
}

/** Lets code be compiled and heaps find their size before anything is measured. */
async function quietSeconds(pair: Pair, seconds: number): Promise<void> {
  const agent = new http.Agent({ keepAlive: true });
  for (const until = performance.now() + seconds * 1000; performance.now() < until;) {
    await Promise.all(Array.from({ length: 8 }, () => get(pair.besidePort, '/fast', agent)));
  }
  agent.destroy();
}
