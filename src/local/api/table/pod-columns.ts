import type { ApiObject } from '../../api-client.ts';
import { type JsonObject, numberOf, objectOf, objectsOf, stringOf } from '../json.ts';
import { printDuration } from './age.ts';
import type { Column } from './column.ts';
import { AGE, column, orNone, spec, status } from './make-column.ts';

/** The columns of `kubectl get pods`. */
export const POD_COLUMNS: readonly Column[] = [
  column('Ready', readyContainers),
  column('Status', podReason),
  column('Restarts', restarts),
  AGE,
  column('wide:IP', (pod) => orNone(stringOf(objectsOf(status(pod)['podIPs'])[0]?.['ip'] ?? status(pod)['podIP']))),
  column('wide:Node', (pod) => orNone(stringOf(spec(pod)['nodeName']))),
  column('wide:Nominated Node', (pod) => orNone(stringOf(status(pod)['nominatedNodeName']))),
  column('wide:Readiness Gates', readinessGates),
];

function isSidecar(pod: ApiObject, name: unknown): boolean {
  return objectsOf(spec(pod)['initContainers']).some((c) => c['name'] === name && c['restartPolicy'] === 'Always');
}

function readyContainers(pod: ApiObject): string {
  const sidecars = objectsOf(status(pod)['initContainerStatuses']).filter((c) => isSidecar(pod, c['name']));
  const total =
    objectsOf(spec(pod)['containers']).length +
    objectsOf(spec(pod)['initContainers']).filter((c) => c['restartPolicy'] === 'Always').length;
  const counted = [...objectsOf(status(pod)['containerStatuses']), ...sidecars];
  return `${counted.filter((c) => c['ready'] === true).length}/${total}`;
}

/** The STATUS of a pod: its phase, or what keeps it from running. Follows printPod of Kubernetes. */
export function podReason(pod: ApiObject): string {
  let reason = stringOf(status(pod)['reason']) || stringOf(status(pod)['phase']);
  const gated = objectsOf(status(pod)['conditions']).some(
    (c) => c['type'] === 'PodScheduled' && c['reason'] === 'SchedulingGated',
  );
  if (gated) reason = 'SchedulingGated';
  const initializing = initReason(pod);
  if (initializing !== undefined) reason = initializing;
  else reason = containerReason(pod, reason);
  if (pod.metadata.deletionTimestamp !== undefined)
    reason = stringOf(status(pod)['reason']) === 'NodeLost' ? 'Unknown' : 'Terminating';
  return reason;
}

function initReason(pod: ApiObject): string | undefined {
  const total = objectsOf(spec(pod)['initContainers']).length;
  for (const [i, container] of objectsOf(status(pod)['initContainerStatuses']).entries()) {
    const { terminated, waiting } = objectOf(container['state']) as { terminated?: JsonObject; waiting?: JsonObject };
    if (terminated !== undefined && numberOf(terminated['exitCode']) === 0) continue;
    if (isSidecar(pod, container['name']) && container['started'] === true) continue;
    if (terminated !== undefined) return `Init:${terminatedReason(terminated)}`;
    const why = stringOf(waiting?.['reason']);
    return why !== '' && why !== 'PodInitializing' ? `Init:${why}` : `Init:${i}/${total}`;
  }
  return undefined;
}

function terminatedReason(terminated: JsonObject): string {
  const reason = stringOf(terminated['reason']);
  if (reason !== '') return reason;
  const signal = numberOf(terminated['signal']);
  return signal !== 0 ? `Signal:${signal}` : `ExitCode:${numberOf(terminated['exitCode'])}`;
}

function containerReason(pod: ApiObject, phase: string): string {
  let reason = phase;
  let running = false;
  for (const container of objectsOf(status(pod)['containerStatuses']).reverse()) {
    const {
      terminated,
      waiting,
      running: runs,
    } = objectOf(container['state']) as Record<string, JsonObject | undefined>;
    const why = stringOf(waiting?.['reason']);
    if (why !== '') reason = why;
    else if (terminated !== undefined) reason = terminatedReason(terminated);
    else if (container['ready'] === true && runs !== undefined) running = true;
  }
  if (reason !== 'Completed' || !running) return reason;
  const ready = objectsOf(status(pod)['conditions']).some((c) => c['type'] === 'Ready' && c['status'] === 'True');
  return ready ? 'Running' : 'NotReady';
}

function restarts(pod: ApiObject, nowMs: number): string {
  const all = [
    ...objectsOf(status(pod)['containerStatuses']),
    ...objectsOf(status(pod)['initContainerStatuses']).filter((c) => isSidecar(pod, c['name'])),
  ];
  const count = all.reduce((sum, c) => sum + numberOf(c['restartCount']), 0);
  const last = Math.max(
    0,
    ...all.map((c) => Date.parse(stringOf(objectOf(objectOf(c['lastState'])['terminated'])['finishedAt'])) || 0),
  );
  return count > 0 && last > 0 ? `${count} (${printDuration(nowMs - last)} ago)` : String(count);
}

function readinessGates(pod: ApiObject): string {
  const gates = objectsOf(spec(pod)['readinessGates']).map((g) => g['conditionType']);
  if (gates.length === 0) return '<none>';
  const conditions = objectsOf(status(pod)['conditions']);
  const met = gates.filter((g) => conditions.some((c) => c['type'] === g && c['status'] === 'True'));
  return `${met.length}/${gates.length}`;
}
