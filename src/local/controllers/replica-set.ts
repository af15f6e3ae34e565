import type { Reconciler } from '../../base/reconcile.ts';
import { findCondition, timestamp, withCondition } from './conditions.ts';
import { eventRecorder, type EventRecorder } from './events.ts';
import type { Pod, ReplicaSet, ReplicaSetStatus } from './objects.ts';
import { claim, controllerReference } from './ownership.ts';
import { availableInMs, isActive, isReady } from './pod-state.ts';
import { PODS, REPLICA_SETS } from './resources.ts';
import { hasLabels, selects } from './selector.ts';
import { Alarm, eachObject, isNotFound, nameSuffix, putStatus, watchOf, type ControllerContext } from './work.ts';

/** Keeps as many pods as asked. */
export function replicaSetController(context: ControllerContext): Reconciler {
  const { client, clock, log } = context;
  const alarm = new Alarm(clock);
  const events = eventRecorder({ client, clock, log, component: 'replicaset-controller' });
  const turn = eachObject('replicaset', context, alarm);
  return {
    name: 'replicaset',
    watches: [watchOf(client, REPLICA_SETS), watchOf(client, PODS), alarm],
    reconcile: (signal) =>
      turn(
        client.list(REPLICA_SETS) as readonly ReplicaSet[],
        async (rs) => {
          const waitMs = await reconcileReplicaSet(rs, context, events);
          if (waitMs !== undefined) alarm.ringIn(waitMs, signal);
        },
        signal,
      ),
  };
}

/** Gives back the milliseconds until one of the pods will have been ready long enough to be available. */
async function reconcileReplicaSet(rs: ReplicaSet, context: ControllerContext, events: EventRecorder) {
  const { client, clock } = context;
  const claimed = await claim(client, PODS, rs, (pod) => selects(rs.spec.selector, pod.metadata.labels));
  const active = (claimed as Pod[]).filter(isActive);
  let failure: unknown;
  if (rs.metadata.deletionTimestamp === undefined) {
    try {
      await scalePods(rs, active, context, events);
    } catch (error) {
      failure = error; // the status tells; thrown below, so that it is tried again
    }
  }
  const present = (client.list(PODS, rs.metadata.namespace) as readonly Pod[]).filter(
    (pod) => isActive(pod) && pod.metadata.ownerReferences?.some((o) => o.uid === rs.metadata.uid),
  );
  const stored = client.get(REPLICA_SETS, rs.metadata.namespace ?? '', rs.metadata.name) as ReplicaSet | undefined;
  if (stored?.metadata.uid === rs.metadata.uid && stored !== undefined) {
    await putStatus(client, REPLICA_SETS, stored, {
      ...replicaSetStatus(rs, present, failure, clock.now()),
      observedGeneration: rs.metadata.generation ?? 1,
    });
  }
  if (failure !== undefined) throw failure as Error;
  const waits = present
    .map((pod) => availableInMs(pod, rs.spec.minReadySeconds ?? 0, clock.now()))
    .filter((ms): ms is number => ms !== undefined && ms > 0);
  return waits.length === 0 ? undefined : Math.min(...waits);
}

async function scalePods(rs: ReplicaSet, active: readonly Pod[], context: ControllerContext, events: EventRecorder) {
  const wanted = rs.spec.replicas ?? 1;
  for (let i = active.length; i < wanted; i++) await createPod(rs, context, events);
  if (active.length <= wanted) return;
  const victims = [...active].sort(deletionOrder).slice(0, active.length - wanted);
  for (const pod of victims) {
    try {
      await context.client.delete(PODS, pod.metadata.namespace ?? '', pod.metadata.name, {
        uid: pod.metadata.uid ?? '',
      });
      events.record(rs, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

async function createPod(rs: ReplicaSet, { client, random }: ControllerContext, events: EventRecorder): Promise<void> {
  try {
    const pod = await client.create(PODS, podOf(rs, `${rs.metadata.name}-${nameSuffix(random)}`));
    events.record(rs, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
  } catch (error) {
    events.record(rs, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
    throw error;
  }
}

function podOf(rs: ReplicaSet, name: string): Pod {
  const { labels, annotations } = rs.spec.template.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      generateName: `${rs.metadata.name}-`,
      namespace: rs.metadata.namespace ?? '',
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [controllerReference(rs)],
    },
    spec: structuredClone(rs.spec.template.spec),
  };
}

/** Those that serve least go first: unscheduled, pending, not ready, then the youngest. */
function deletionOrder(a: Pod, b: Pod): number {
  return (
    rank(a) - rank(b) || Date.parse(b.metadata.creationTimestamp ?? '') - Date.parse(a.metadata.creationTimestamp ?? '')
  );
}

function rank(pod: Pod): number {
  if (pod.spec.nodeName === undefined) return 0;
  if (pod.status?.phase !== 'Running') return 1;
  return isReady(pod) ? 3 : 2;
}

function replicaSetStatus(rs: ReplicaSet, pods: readonly Pod[], failure: unknown, nowMs: number): ReplicaSetStatus {
  const available = pods.filter((pod) => availableInMs(pod, rs.spec.minReadySeconds ?? 0, nowMs) === 0).length;
  const ready = pods.filter(isReady).length;
  const labelled = pods.filter((pod) => hasLabels(pod.metadata.labels, rs.spec.template.metadata?.labels ?? {})).length;
  const before = rs.status?.conditions ?? [];
  const conditions =
    failure === undefined
      ? before.filter((c) => c.type !== 'ReplicaFailure')
      : withCondition(before, {
          type: 'ReplicaFailure',
          status: 'True',
          reason: 'FailedCreate',
          message: messageOf(failure),
          lastTransitionTime: findCondition(before, 'ReplicaFailure')?.lastTransitionTime ?? timestamp(nowMs),
        });
  return {
    replicas: pods.length,
    ...(labelled === 0 ? {} : { fullyLabeledReplicas: labelled }),
    ...(ready === 0 ? {} : { readyReplicas: ready }),
    ...(available === 0 ? {} : { availableReplicas: available }),
    ...(conditions.length === 0 ? {} : { conditions }),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
