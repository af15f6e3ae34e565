import type { Reconciler } from '../../base/reconcile.ts';
import { deploymentStatus, progressDeadlineMs } from './deployment-status.ts';
import { eventRecorder, type EventRecorder } from './events.ts';
import type { Deployment, Pod, ReplicaSet } from './objects.ts';
import { claim, isControlledBy } from './ownership.ts';
import { isFinished } from './pod-state.ts';
import { DEPLOYMENTS, PODS, REPLICA_SETS } from './resources.ts';
import { DESIRED_REPLICAS, MAX_REPLICAS, ensureNewReplicaSet, findNewReplicaSet, revisionOf } from './revisions.ts';
import { newReplicas, oldReplicas, proportional, rolloutBounds, sum, type Scale } from './rollout-plan.ts';
import { selects } from './selector.ts';
import { Alarm, eachObject, putStatus, removeObject, watchOf, type ControllerContext } from './work.ts';

/** One ReplicaSet per pod template, the newest scaled up while the others are scaled down. */
export function deploymentController(context: ControllerContext): Reconciler {
  const { client, clock, log } = context;
  const alarm = new Alarm(clock);
  const events = eventRecorder({ client, clock, log, component: 'deployment-controller' });
  const turn = eachObject('deployment', context, alarm);
  return {
    name: 'deployment',
    watches: [watchOf(client, DEPLOYMENTS), watchOf(client, REPLICA_SETS), watchOf(client, PODS), alarm],
    reconcile: (signal) =>
      turn(
        client.list(DEPLOYMENTS) as readonly Deployment[],
        async (deployment) => {
          const waitMs = await reconcileDeployment(deployment, context, events);
          if (waitMs !== undefined) alarm.ringIn(waitMs, signal);
        },
        signal,
      ),
  };
}

/** Gives back the milliseconds until the Deployment has to be looked at again though nothing changed. */
async function reconcileDeployment(deployment: Deployment, context: ControllerContext, events: EventRecorder) {
  const { client, clock } = context;
  const matches = (object: { metadata: { labels?: Record<string, string> } }) =>
    selects(deployment.spec.selector, object.metadata.labels);
  const owned = (await claim(client, REPLICA_SETS, deployment, matches)) as ReplicaSet[];
  owned.sort(byAge);
  const status = async (replicaSets: readonly ReplicaSet[]) => {
    const stored = client.get(DEPLOYMENTS, deployment.metadata.namespace ?? '', deployment.metadata.name);
    if (stored?.metadata.uid !== deployment.metadata.uid) return undefined;
    const fresh = stored as Deployment;
    const next = deploymentStatus(fresh, replicaSets, findNewReplicaSet(fresh, replicaSets), clock.now());
    // an older observed generation must stay visible until the newer spec was acted upon
    await putStatus(client, DEPLOYMENTS, fresh, {
      ...next,
      observedGeneration: deployment.metadata.generation ?? 1,
    });
    return progressDeadlineMs(fresh, next, clock.now());
  };
  if (deployment.metadata.deletionTimestamp !== undefined) return status(owned);
  const scaler = scalerOf(deployment, context, events);
  if (deployment.spec.paused === true || isScaled(deployment, owned)) {
    return status(await rescale(deployment, owned, scaler));
  }
  if (deployment.spec.strategy?.type === 'Recreate' && hasOldPods(deployment, owned, context)) {
    const old = owned.filter((rs) => rs !== findNewReplicaSet(deployment, owned));
    const scaled = await scaleAll(old, () => 0, scaler);
    if (hasOldPods(deployment, owned, context)) return status([...scaled, ...owned.filter((rs) => !old.includes(rs))]);
  }
  return status(await roll(deployment, owned, context, events, scaler));
}

async function roll(
  deployment: Deployment,
  owned: readonly ReplicaSet[],
  context: ControllerContext,
  events: EventRecorder,
  scale: Scaler,
): Promise<ReplicaSet[]> {
  const bounds = rolloutBounds(deployment);
  const replicasFor = (fresh: number, old: readonly ReplicaSet[]) => newReplicas(fresh, old.map(scaleOf), bounds);
  const { current, old } = await ensureNewReplicaSet(deployment, owned, context, events, replicasFor);
  const wanted = replicasFor(current.spec.replicas ?? 0, old);
  const fresh = await scale(current, wanted);
  const kept = oldReplicas(scaleOf(fresh), old.map(scaleOf), bounds);
  const scaledOld = await scaleAll(old, (_, i) => kept[i] ?? 0, scale);
  await trimHistory(deployment, fresh, scaledOld, context);
  return [...scaledOld, fresh];
}

/** Whether pods of other templates still run: Recreate waits for their end. */
function hasOldPods(deployment: Deployment, owned: readonly ReplicaSet[], { client }: ControllerContext): boolean {
  const current = findNewReplicaSet(deployment, owned);
  const old = owned.filter((rs) => rs !== current);
  const pods = client.list(PODS, deployment.metadata.namespace) as readonly Pod[];
  return pods.some((pod) => !isFinished(pod) && old.some((rs) => isControlledBy(pod, rs)));
}

function scaleOf(rs: ReplicaSet): Scale {
  return { replicas: rs.spec.replicas ?? 0, available: rs.status?.availableReplicas ?? 0 };
}

/** Whether `spec.replicas` was changed since the ReplicaSets were last scaled. */
function isScaled(deployment: Deployment, owned: readonly ReplicaSet[]): boolean {
  return owned.some(
    (rs) =>
      (rs.spec.replicas ?? 0) > 0 &&
      rs.metadata.annotations?.[DESIRED_REPLICAS] !== undefined &&
      rs.metadata.annotations[DESIRED_REPLICAS] !== String(deployment.spec.replicas ?? 1),
  );
}

async function rescale(deployment: Deployment, owned: readonly ReplicaSet[], scale: Scaler): Promise<ReplicaSet[]> {
  const active = owned.filter((rs) => (rs.spec.replicas ?? 0) > 0);
  const bounds = rolloutBounds(deployment);
  const only = active.length === 0 ? owned.at(-1) : active.length === 1 ? active[0] : undefined;
  if (only !== undefined) return scaleAll(owned, (rs) => (rs === only ? bounds.replicas : undefined), scale);
  const sizes = proportional(
    owned.map((rs) => rs.spec.replicas ?? 0),
    bounds,
  );
  return scaleAll(owned, (_, i) => sizes[i], scale);
}

type Scaler = (rs: ReplicaSet, replicas: number) => Promise<ReplicaSet>;

async function scaleAll(
  list: readonly ReplicaSet[],
  wanted: (rs: ReplicaSet, index: number) => number | undefined,
  scale: Scaler,
): Promise<ReplicaSet[]> {
  const scaled: ReplicaSet[] = [];
  for (const [i, rs] of list.entries()) scaled.push(await scale(rs, wanted(rs, i) ?? rs.spec.replicas ?? 0));
  return scaled;
}

/** Sets a ReplicaSet's replicas and notes on it what the Deployment wanted then. */
function scalerOf(deployment: Deployment, { client }: ControllerContext, events: EventRecorder): Scaler {
  const { replicas, maxSurge } = rolloutBounds(deployment);
  const notes = { [DESIRED_REPLICAS]: String(replicas), [MAX_REPLICAS]: String(replicas + maxSurge) };
  return async (rs, wanted) => {
    const present = rs.spec.replicas ?? 0;
    const noted = Object.entries(notes).every(([key, value]) => rs.metadata.annotations?.[key] === value);
    if (present === wanted && noted) return rs;
    const updated = await client.update(REPLICA_SETS, {
      ...rs,
      metadata: { ...rs.metadata, annotations: { ...rs.metadata.annotations, ...notes } },
      spec: { ...rs.spec, replicas: wanted },
    });
    if (present !== wanted) {
      const verb = wanted > present ? 'up' : 'down';
      const message = `Scaled ${verb} replica set ${rs.metadata.name} from ${present} to ${wanted}`;
      events.record(deployment, 'Normal', 'ScalingReplicaSet', message);
    }
    return updated as ReplicaSet;
  };
}

/** Deletes the oldest ReplicaSets beyond `revisionHistoryLimit` that are wholly scaled down. */
async function trimHistory(
  deployment: Deployment,
  fresh: ReplicaSet,
  old: readonly ReplicaSet[],
  { client }: ControllerContext,
): Promise<void> {
  if (scaleOf(fresh).available < (deployment.spec.replicas ?? 1) || sum(old.map((rs) => rs.spec.replicas ?? 0)) > 0) {
    return; // in the middle of a rollout
  }
  const idle = old.filter((rs) => (rs.status?.replicas ?? 0) === 0 && rs.metadata.deletionTimestamp === undefined);
  const excess = old.length - (deployment.spec.revisionHistoryLimit ?? 10);
  const oldest = [...idle].sort((a, b) => revisionOf(a) - revisionOf(b)).slice(0, Math.max(0, excess));
  for (const rs of oldest) await removeObject(client, REPLICA_SETS, rs);
}

function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const [left, right] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}
