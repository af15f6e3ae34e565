import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { NEEDS, type ApiGroup, type Capabilities, type Need } from './capabilities.ts';
import { bandsOf, type Case } from './case.ts';
import { CASES } from './cases/all.ts';
import { controlsOf, metBy, type Controls } from './controls.ts';
import { Fleet } from './fleet.ts';
import { htmlReport } from './html-report.ts';
import { Kube } from './kube.ts';
import { describe, runCase } from './run-case.ts';
import { junitReport, makeReport, MARKS, yamlReport, type CaseResult, type Report } from './report.ts';
import { alphaPerBand, RUN_FALSE_ALARM } from './statistics.ts';

export interface ConformanceOptions {
  /** Text of a kubeconfig; its current context is judged. */
  readonly kubeconfig: string;
  readonly capabilities: Capabilities;
  /** Image of the test pods; it has `weft` on its path. Ignored by meshes that run pods as processes. */
  readonly image?: string;
  /** Only cases whose id, group or title contains this, or one of several with commas between (no regard to case). */
  readonly filter?: string;
  /** Files to write. */
  readonly junit?: string;
  readonly yaml?: string;
  readonly html?: string;
  /** How parts of the mesh are stopped and started; before what the capability file says about it. */
  readonly controls?: Controls;
  /** How many cases play at once. Default 8. */
  readonly parallel?: number;
  /** How long the test pods may take to become ready. Default 120 s. */
  readonly readyWithinMs?: number;
  /** Told one line for each thing that happens. */
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

const DEFAULT_PARALLEL = 8;
const MOST_TARGETS = 5;
const DEFAULT_READY_MS = 120_000;

/** Judges a mesh by what its traffic does. Leaves nothing behind. Rejects when the test pods cannot be had. */
export async function runConformance(options: ConformanceOptions): Promise<Report> {
  const { capabilities, log, signal } = options;
  const started = new Date();
  const began = performance.now();
  const chosen = selectCases(options.filter);
  const kube = await Kube.connect(options.kubeconfig);
  const controls = { ...controlsOf(capabilities, kube, signal), ...options.controls };
  const playable = chosen.filter((subject) => skipReason(subject, capabilities, controls) === undefined);
  const skipped = chosen.flatMap((subject) => {
    const skippedBecause = skipReason(subject, capabilities, controls);
    return skippedBecause === undefined ? [] : [skippedResult(subject, skippedBecause)];
  });
  const bands = playable.reduce((sum, subject) => sum + bandsOf(subject), 0);
  let played: CaseResult[] = [];
  try {
    if (playable.length > 0)
      played = await playAll(playable, { ...options, kube, controls, alpha: alphaPerBand(bands) });
  } finally {
    kube.close();
  }
  const statistics = { falseAlarm: RUN_FALSE_ALARM, bands };
  const seconds = (performance.now() - began) / 1000;
  const report = makeReport(capabilities.mesh, started, seconds, statistics, [...played, ...skipped]);
  if (options.junit !== undefined) writeFileSync(options.junit, junitReport(report));
  if (options.yaml !== undefined) writeFileSync(options.yaml, yamlReport(report));
  if (options.html !== undefined) writeFileSync(options.html, htmlReport(report));
  log(`${report.passed} passed, ${report.failed} failed, ${report.skipped} skipped`);
  signal.throwIfAborted();
  return report;
}

/** The cases whose id, group or title contains the text, or one of several texts with commas between; all without one. */
export function selectCases(filter = ''): readonly Case[] {
  const wanted = filter
    .toLowerCase()
    .split(',')
    .map((text) => text.trim());
  return CASES.filter(({ id, group, title }) => {
    const text = `${id} ${group} ${title}`.toLowerCase();
    return wanted.some((each) => text.includes(each));
  });
}

/** Why a mesh with these capabilities is not asked this. */
export function skipReason(
  { id, check, needs = [], serves = [], waitsFor }: Case,
  { has, notClaimed, served, conditions }: Capabilities,
  controls: Controls = {},
): string | undefined {
  const reason = notClaimed[id] ?? notClaimed[String(check)];
  if (reason !== undefined) return `not claimed: ${reason}`;
  if (waitsFor !== undefined) return `not written yet: ${waitsFor}`;
  const unserved = serves.filter((version) => {
    const [group, name = ''] = version.split('/') as [ApiGroup, string];
    return !served[group].includes(name);
  });
  if (unserved.length > 0) return `not claimed to be served: ${unserved.join(', ')}`;
  const met: readonly Need[] = [
    ...(Object.keys(has) as (keyof typeof has)[]).filter((need) => has[need]),
    ...metBy(controls),
    ...(Object.keys(conditions).length === 0 ? [] : (['conditions'] as const)),
  ];
  const missing = needs.filter((need) => !met.includes(need));
  return missing.length === 0 ? undefined : `needs ${missing.map((need) => `${need} (${NEEDS[need]})`).join(', ')}`;
}

function skippedResult(subject: Case, skippedBecause: string): CaseResult {
  const versions = versionsOf(subject);
  return { ...describe(subject), outcome: 'skipped', seconds: 0, versions, evidence: [], skippedBecause };
}

function versionsOf({ serves = [] }: Case): string[] {
  return serves.map((version) => version.replace('/', '.smi-spec.io/'));
}

interface PlayOptions extends ConformanceOptions {
  readonly kube: Kube;
  readonly controls: Controls;
  readonly alpha: number;
}

async function playAll(cases: readonly Case[], options: PlayOptions): Promise<CaseResult[]> {
  const { capabilities, kube, controls, alpha, log, signal } = options;
  const parallel = options.parallel ?? DEFAULT_PARALLEL;
  const fleet = new Fleet({
    kube,
    capabilities,
    image: options.image ?? 'weft',
    run: randomBytes(3).toString('hex'),
    targets: Math.min(MOST_TARGETS, Math.max(2, parallel)),
    readyWithinMs: options.readyWithinMs ?? DEFAULT_READY_MS,
    signal,
  });
  const play = async (subject: Case, targets: readonly string[]) => {
    const result = await runCase({ subject, kube, fleet, capabilities, controls, alpha, targets, signal });
    log(`${MARKS[result.outcome]} ${result.id} ${result.title} (${result.seconds.toFixed(1)} s)`);
    return result;
  };
  try {
    const began = performance.now();
    await fleet.start();
    log(`test pods ready after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    await warmUp(fleet, capabilities, signal);
    const together = cases.filter((subject) => subject.alone !== true);
    const alone = cases.filter((subject) => subject.alone === true);
    const first = await schedule(together, parallel, fleet.targets, play);
    return [...first, ...(await schedule(alone, 1, fleet.targets, play))];
  } finally {
    await fleet.stop().catch((error: unknown) => log(`cleaning up: ${String(error)}`));
  }
}

/** New proxies may still be waiting for their first configuration: a call that every mesh lets through shows the end of it. */
async function warmUp(fleet: Fleet, { propagationSeconds }: Capabilities, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + 3 * propagationSeconds * 1000;
  while (Date.now() < deadline) {
    const { tallies } = await fleet.driver('split', 'web').call({
      protocol: 'http1',
      host: `v1.${fleet.namespace('split')}`,
      port: 8080,
      id: 'warm-up',
    });
    if (tallies[0]?.answer.status === 200) return;
    await sleep(200, undefined, { signal });
  }
}

/** Plays cases side by side. Cases about access get workloads of their own to call, so that grants never mix. */
export async function schedule<Result>(
  cases: readonly Case[],
  parallel: number,
  targets: readonly string[],
  play: (subject: Case, targets: readonly string[]) => Promise<Result>,
): Promise<Result[]> {
  const pending = [...cases];
  const needs = new Map(cases.map((subject) => [subject, targetsOf(subject)]));
  const free = [...targets];
  const results: Result[] = [];
  let wake: (() => void)[] = [];
  const worker = async () => {
    while (pending.length > 0) {
      const index = pending.findIndex((subject) => (needs.get(subject) ?? 0) <= free.length);
      if (index < 0) {
        await new Promise<void>((resolve) => wake.push(resolve));
        continue;
      }
      const [subject] = pending.splice(index, 1);
      if (subject === undefined) return;
      const mine = free.splice(0, needs.get(subject));
      try {
        results.push(await play(subject, mine));
      } finally {
        free.push(...mine);
        const sleepers = wake;
        wake = [];
        for (const resolve of sleepers) resolve();
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.max(1, parallel) }, worker));
  for (const end of ended) if (end.status === 'rejected') throw end.reason; // once nobody is at work any more
  return results;
}

/** How many workloads of its own a case needs. */
export function targetsOf(subject: Case): number {
  const text = JSON.stringify(subject.steps);
  if (text.includes('$b2')) return 2;
  return subject.home === 'policy' ? 1 : 0;
}
