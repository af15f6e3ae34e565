import { findCondition, timestamp, withCondition } from './conditions.ts';
import type { Condition, Deployment, DeploymentStatus, ReplicaSet } from './objects.ts';
import { rolloutBounds, sum } from './rollout-plan.ts';

/** What `kubectl rollout status` and canary tools read: counts, Available and Progressing. */
export function deploymentStatus(
  deployment: Deployment,
  replicaSets: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
  nowMs: number,
): DeploymentStatus {
  const count = (field: 'replicas' | 'readyReplicas' | 'availableReplicas') =>
    sum(replicaSets.map((rs) => rs.status?.[field] ?? 0));
  const total = sum(replicaSets.map((rs) => rs.spec.replicas ?? 0));
  const available = count('availableReplicas');
  const counts = {
    replicas: count('replicas'),
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: count('readyReplicas'),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, total - available),
  };
  const { replicas, maxUnavailable } = rolloutBounds(deployment);
  const previous = deployment.status ?? {};
  const isAvailable = available >= replicas - maxUnavailable;
  let conditions = withCondition(previous.conditions ?? [], {
    type: 'Available',
    status: isAvailable ? 'True' : 'False',
    reason: isAvailable ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: `Deployment ${isAvailable ? 'has' : 'does not have'} minimum availability.`,
    ...times(previous.conditions, 'Available', isAvailable ? 'True' : 'False', nowMs),
  });
  const progressing = progress(deployment, counts, current, nowMs);
  if (progressing !== undefined) conditions = withCondition(conditions, progressing);
  const failed = findCondition(current?.status?.conditions, 'ReplicaFailure');
  if (failed !== undefined)
    conditions = withCondition(conditions, { ...failed, ...keepUpdate(previous, failed, nowMs) });
  else conditions = conditions.filter((c) => c.type !== 'ReplicaFailure');
  const collisions = previous.collisionCount;
  return { ...nonZero(counts), ...(collisions === undefined ? {} : { collisionCount: collisions }), conditions };
}

/** Milliseconds until `progressDeadlineSeconds` has to be judged; undefined when there is nothing to wait for. */
export function progressDeadlineMs(
  deployment: Deployment,
  status: DeploymentStatus,
  nowMs: number,
): number | undefined {
  const progressing = findCondition(status.conditions, 'Progressing');
  if (progressing === undefined || isSettled(progressing) || deployment.spec.paused === true) return undefined;
  return Math.max(50, deadlineOf(deployment, progressing) - nowMs + 50);
}

function isSettled({ reason }: Condition): boolean {
  return reason === 'NewReplicaSetAvailable' || reason === 'ProgressDeadlineExceeded';
}

function deadlineOf(deployment: Deployment, progressing: Condition): number {
  const since = Date.parse(progressing.lastUpdateTime ?? progressing.lastTransitionTime ?? '');
  return since + (deployment.spec.progressDeadlineSeconds ?? 600) * 1000;
}

function progress(
  deployment: Deployment,
  counts: Required<Pick<DeploymentStatus, 'replicas' | 'updatedReplicas' | 'readyReplicas' | 'availableReplicas'>>,
  current: ReplicaSet | undefined,
  nowMs: number,
): Condition | undefined {
  const previous = findCondition(deployment.status?.conditions, 'Progressing');
  const now = timestamp(nowMs);
  const make = (status: Condition['status'], reason: string, message: string): Condition => ({
    type: 'Progressing',
    status,
    reason,
    message,
    lastUpdateTime: now,
    lastTransitionTime: now,
  });
  if (deployment.spec.paused === true) {
    if (previous?.reason === 'DeploymentPaused') return previous;
    return make('Unknown', 'DeploymentPaused', 'Deployment is paused');
  }
  if (current === undefined) return previous;
  const name = `ReplicaSet "${current.metadata.name}"`;
  const wanted = deployment.spec.replicas ?? 1;
  const complete =
    counts.updatedReplicas === wanted && counts.replicas === wanted && counts.availableReplicas >= wanted;
  if (complete) {
    if (previous?.reason === 'NewReplicaSetAvailable' && previous.message?.startsWith(name)) return previous;
    return make('True', 'NewReplicaSetAvailable', `${name} has successfully progressed.`);
  }
  // a finished rollout stays finished when one of its pods goes away; only a new template or pod counts as progress
  if (previous?.reason === 'NewReplicaSetAvailable' && previous.message?.startsWith(name)) return previous;
  if (previous === undefined) {
    return make('True', 'NewReplicaSetCreated', `Created new replica set "${current.metadata.name}"`);
  }
  if (hasProgressed(deployment.status ?? {}, counts) || isSettled(previous) || previous.status === 'Unknown') {
    if (previous.reason === 'ProgressDeadlineExceeded' && !hasProgressed(deployment.status ?? {}, counts))
      return previous;
    return make('True', 'ReplicaSetUpdated', `${name} is progressing.`);
  }
  if (nowMs < deadlineOf(deployment, previous)) return previous;
  return make('False', 'ProgressDeadlineExceeded', `${name} has timed out progressing.`);
}

function hasProgressed(
  before: DeploymentStatus,
  now: Required<Pick<DeploymentStatus, 'replicas' | 'updatedReplicas' | 'readyReplicas' | 'availableReplicas'>>,
): boolean {
  const old = (s: { replicas?: number; updatedReplicas?: number }) => (s.replicas ?? 0) - (s.updatedReplicas ?? 0);
  return (
    now.updatedReplicas > (before.updatedReplicas ?? 0) ||
    old(now) < old(before) ||
    now.readyReplicas > (before.readyReplicas ?? 0) ||
    now.availableReplicas > (before.availableReplicas ?? 0)
  );
}

function times(conditions: readonly Condition[] | undefined, type: string, status: string, nowMs: number) {
  const previous = findCondition(conditions, type);
  const now = timestamp(nowMs);
  if (previous?.status !== status) return { lastUpdateTime: now, lastTransitionTime: now };
  return {
    lastUpdateTime: previous.lastUpdateTime ?? now,
    lastTransitionTime: previous.lastTransitionTime ?? now,
  };
}

function keepUpdate(previous: DeploymentStatus, next: Condition, nowMs: number) {
  return times(previous.conditions, next.type, next.status, nowMs);
}

/** Kubernetes leaves counts of 0 out. */
function nonZero<T extends Record<string, number>>(counts: T): Partial<T> {
  return Object.fromEntries(Object.entries(counts).filter(([, n]) => n !== 0)) as Partial<T>;
}
