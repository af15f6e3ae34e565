import type { Case, Step, Traffic } from './case.ts';
import { CaseFailure, CaseSkipped, Lab, type LabOptions } from './lab.ts';
import * as judge from './object-steps.ts';
import { PLAYS } from './plays.ts';
import type { CaseResult } from './report.ts';

/** Plays one case and cleans up after it. Never rejects but for the run being aborted. */
export async function runCase(options: LabOptions): Promise<CaseResult> {
  const { subject, signal } = options;
  const lab = new Lab(options);
  const began = performance.now();
  let failure: string | undefined;
  let skippedBecause: string | undefined;
  try {
    for (const step of subject.steps) await runStep(lab, step);
  } catch (error) {
    if (signal.aborted) throw error;
    if (error instanceof CaseSkipped) skippedBecause = error.message;
    else failure = error instanceof CaseFailure ? error.message : `could not be judged: ${String(error)}`;
  }
  try {
    await lab.removeAll();
    await nothingRemains(lab, subject);
  } catch (error) {
    if (signal.aborted) throw error;
    failure ??= `after its objects were deleted: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await lab.removePods();
  }
  const outcome = failure !== undefined ? 'failed' : skippedBecause !== undefined ? 'skipped' : 'passed';
  return {
    ...describe(subject),
    outcome,
    seconds: (performance.now() - began) / 1000,
    versions: [...lab.versions].sort(),
    evidence: lab.evidence,
    ...(lab.passed.length === 0 ? {} : { steps: lab.passed }),
    ...(outcome === 'failed' && failure !== undefined ? { failure } : {}),
    ...(outcome === 'skipped' && skippedBecause !== undefined ? { skippedBecause } : {}),
  };
}

export function describe({
  id,
  check,
  title,
  tags,
  api,
  group,
}: Case): Omit<CaseResult, 'outcome' | 'seconds' | 'versions' | 'evidence'> {
  return { id, check, title, tags, api, group };
}

async function runStep(lab: Lab, step: Step): Promise<void> {
  if ('apply' in step) return lab.apply(step.apply);
  if ('remove' in step) return lab.remove(step.remove);
  if ('pods' in step) return lab.pods(step.pods);
  if ('expect' in step) return lab.expect(step.expect);
  if ('pauseMs' in step) return lab.pause(step.pauseMs);
  if ('passed' in step) return void lab.passed.push(step.passed);
  if (!('play' in step)) return judge.objectStep(lab, step);
  const play = PLAYS[step.play];
  if (play === undefined) throw new Error(`there is no play ${step.play}`);
  return play(lab);
}

/** What a case was granted must be gone once its objects are, or the next case would not start from nothing. */
async function nothingRemains(lab: Lab, { home, steps }: Case): Promise<void> {
  if (home !== 'policy') return;
  const last = steps.findLast((step) => 'expect' in step);
  const granted = (last?.expect ?? []).filter(
    ({ is, to, from }) =>
      is === 'allowed' && !JSON.stringify(to).includes('split/') && !`${JSON.stringify(to)} ${from}`.includes('$id-'),
  ); // the Services and pods of the case itself are gone as well
  const denied: Traffic[] = granted.map((traffic) => ({ ...traffic, count: 1, is: 'denied' }));
  await lab.eventually(() => Promise.all(denied.map((traffic) => lab.observe(traffic, 1))));
}
