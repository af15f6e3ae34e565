import type { Reconciler } from '../../base/reconcile.ts';
import type { ApiClient } from '../api-client.ts';
import { findCondition, timestamp, withCondition } from './conditions.ts';
import { eventRecorder, type EventRecorder } from './events.ts';
import type { Job, JobStatus, Pod } from './objects.ts';
import { controllerReference, isControlledBy } from './ownership.ts';
import { isActive, isReady } from './pod-state.ts';
import { JOBS, PODS } from './resources.ts';
import { Alarm, eachObject, nameSuffix, putStatus, removeObject, watchOf, type ControllerContext } from './work.ts';

/** Failed pods are replaced after 10 s, 20 s, 40 s... up to this, as in Kubernetes. */
const MAX_BACKOFF_MS = 600_000;
const MIN_BACKOFF_MS = 10_000;

/** Runs pods until as many as asked have succeeded, or too many have failed. */
export function jobController(context: ControllerContext): Reconciler {
  const { client, clock, log } = context;
  const alarm = new Alarm(clock);
  const events = eventRecorder({ client, clock, log, component: 'job-controller' });
  const turn = eachObject('job', context, alarm);
  return {
    name: 'job',
    watches: [watchOf(client, JOBS), watchOf(client, PODS), alarm],
    reconcile: (signal) =>
      turn(
        client.list(JOBS) as readonly Job[],
        async (job) => {
          const waitMs = await reconcileJob(job, context, events);
          if (waitMs !== undefined) alarm.ringIn(Math.max(1, waitMs), signal);
        },
        signal,
      ),
  };
}

interface Tally {
  readonly active: readonly Pod[];
  readonly succeeded: number;
  readonly failed: number;
  /** Restarts of containers count as failures when the pods restart them themselves (restartPolicy OnFailure). */
  readonly restarts: number;
  readonly lastFailureMs: number;
}

function tally(job: Job, client: ApiClient): Tally {
  const pods = (client.list(PODS, job.metadata.namespace) as readonly Pod[]).filter((pod) => isControlledBy(pod, job));
  const failed = pods.filter((pod) => pod.status?.phase === 'Failed');
  const active = pods.filter(isActive);
  const statuses = pods.flatMap((pod) => pod.status?.containerStatuses ?? []);
  const finishedAt = failed
    .flatMap((pod) => pod.status?.containerStatuses ?? [])
    .map((s) => s.state.terminated?.finishedAt);
  return {
    active,
    succeeded: pods.filter((pod) => pod.status?.phase === 'Succeeded').length,
    failed: failed.length,
    restarts: statuses.reduce((sum, s) => sum + s.restartCount, 0),
    lastFailureMs: Math.max(0, ...finishedAt.map((t) => Date.parse(t ?? '') || 0)),
  };
}

async function reconcileJob(job: Job, context: ControllerContext, events: EventRecorder): Promise<number | undefined> {
  const { client, clock } = context;
  if (job.metadata.deletionTimestamp !== undefined) return undefined;
  const finished = job.status?.conditions?.find((c) => c.type === 'Complete' || c.type === 'Failed');
  if (finished?.status === 'True') return expire(job, Date.parse(finished.lastTransitionTime ?? ''), context);
  const now = clock.now();
  const status: JobStatus = { ...job.status };
  const suspended = job.spec.suspend === true;
  if (!suspended) status.startTime ??= timestamp(now);
  const count = tally(job, client);
  const verdict = suspended ? undefined : judge(job, count, Date.parse(status.startTime ?? ''), now);
  let waitMs = deadlineMs(job, status, now);
  if (verdict !== undefined || suspended) for (const pod of count.active) await removeObject(client, PODS, pod);
  else waitMs = least(waitMs, await startPods(job, count, context, events));
  await putStatus(client, JOBS, job, nextStatus(job, status, verdict, client, now));
  if (verdict !== undefined) tell(job, verdict, events);
  if (suspended && findCondition(job.status?.conditions, 'Suspended')?.status !== 'True') {
    events.record(job, 'Normal', 'Suspended', 'Job suspended');
  }
  return waitMs;
}

interface Verdict {
  readonly type: 'Complete' | 'Failed';
  readonly reason: string;
  readonly message: string;
}

function judge(job: Job, count: Tally, startMs: number, nowMs: number): Verdict | undefined {
  const { completions, backoffLimit = 6, activeDeadlineSeconds } = job.spec;
  if (count.failed > backoffLimit || (isRestarting(job) && count.restarts > backoffLimit)) {
    const message = 'Job has reached the specified backoff limit';
    return { type: 'Failed', reason: 'BackoffLimitExceeded', message };
  }
  if (activeDeadlineSeconds !== undefined && nowMs >= startMs + activeDeadlineSeconds * 1000) {
    return { type: 'Failed', reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' };
  }
  const done =
    completions === undefined ? count.succeeded > 0 && count.active.length === 0 : count.succeeded >= completions;
  if (!done) return undefined;
  return { type: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' };
}

function isRestarting(job: Job): boolean {
  return job.spec.template.spec.restartPolicy === 'OnFailure';
}

/** Creates missing pods. Gives back the milliseconds to wait when a failure has to be paused for. */
async function startPods(job: Job, count: Tally, { client, clock, random }: ControllerContext, events: EventRecorder) {
  const { parallelism = 1, completions } = job.spec;
  const wanted =
    completions === undefined
      ? count.succeeded > 0
        ? count.active.length
        : parallelism
      : Math.min(parallelism, completions - count.succeeded);
  for (const pod of count.active.slice(wanted)) await removeObject(client, PODS, pod);
  if (count.active.length >= wanted) return undefined;
  if (count.failed > 0) {
    const pause = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** (count.failed - 1));
    const waitMs = count.lastFailureMs + pause - clock.now();
    if (waitMs > 0) return waitMs;
  }
  for (let i = count.active.length; i < wanted; i++) {
    const pod = await client.create(PODS, podOf(job, nameSuffix(random)));
    events.record(job, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
  }
  return undefined;
}

function podOf(job: Job, suffix: string): Pod {
  const { labels, annotations } = job.spec.template.metadata ?? {};
  const { name, uid = '', namespace = '' } = job.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${name}-${suffix}`,
      generateName: `${name}-`,
      namespace,
      labels: {
        ...labels,
        'batch.kubernetes.io/controller-uid': uid,
        'batch.kubernetes.io/job-name': name,
        'controller-uid': uid,
        'job-name': name,
      },
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [controllerReference(job)],
    },
    spec: structuredClone(job.spec.template.spec),
  };
}

function nextStatus(
  job: Job,
  status: JobStatus,
  verdict: Verdict | undefined,
  client: ApiClient,
  nowMs: number,
): JobStatus {
  const { active: _a, ready: _r, succeeded: _s, failed: _f, terminating: _t, ...rest } = status;
  const count = tally(job, client);
  const now = timestamp(nowMs);
  let conditions = status.conditions ?? [];
  if (verdict !== undefined) {
    const mark = { status: 'True' as const, reason: verdict.reason, message: verdict.message };
    const first = verdict.type === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget';
    for (const type of [first, verdict.type]) {
      conditions = withCondition(conditions, { type, ...mark, lastProbeTime: now, lastTransitionTime: now });
    }
  }
  const suspended = job.spec.suspend === true;
  if (suspended || findCondition(conditions, 'Suspended') !== undefined) {
    conditions = withCondition(conditions, {
      type: 'Suspended',
      status: suspended ? 'True' : 'False',
      reason: suspended ? 'JobSuspended' : 'JobResumed',
      message: suspended ? 'Job suspended' : 'Job resumed',
      lastProbeTime: findCondition(conditions, 'Suspended')?.lastProbeTime ?? now,
      lastTransitionTime: now,
    });
  }
  const ready = count.active.filter(isReady).length;
  return {
    ...rest,
    ...(count.active.length === 0 ? {} : { active: count.active.length }),
    ready,
    ...(count.succeeded === 0 ? {} : { succeeded: count.succeeded }),
    ...(count.failed === 0 ? {} : { failed: count.failed }),
    terminating: 0,
    uncountedTerminatedPods: {},
    ...(verdict?.type === 'Complete' ? { completionTime: now } : {}),
    ...(conditions.length === 0 ? {} : { conditions }),
  };
}

function tell(job: Job, verdict: Verdict, events: EventRecorder): void {
  if (verdict.type === 'Complete') events.record(job, 'Normal', 'Completed', 'Job completed');
  else events.record(job, 'Warning', verdict.reason, verdict.message);
}

/** Deletes a finished Job after its `ttlSecondsAfterFinished`. */
async function expire(job: Job, finishedMs: number, { client, clock }: ControllerContext): Promise<number | undefined> {
  const { ttlSecondsAfterFinished } = job.spec;
  if (ttlSecondsAfterFinished === undefined) return undefined;
  const waitMs = finishedMs + ttlSecondsAfterFinished * 1000 - clock.now();
  if (waitMs > 0) return waitMs;
  await removeObject(client, JOBS, job);
  return undefined;
}

function deadlineMs(job: Job, status: JobStatus, nowMs: number): number | undefined {
  const { activeDeadlineSeconds, suspend } = job.spec;
  if (activeDeadlineSeconds === undefined || suspend === true) return undefined;
  return Date.parse(status.startTime ?? '') + activeDeadlineSeconds * 1000 - nowMs;
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b);
}
