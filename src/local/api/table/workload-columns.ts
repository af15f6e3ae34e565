import type { ApiObject } from '../../api-client.ts';
import { type JsonObject, numberOf, objectOf, objectsOf, stringOf } from '../json.ts';
import { printLabelSelector } from '../selectors.ts';
import { printAge, printDuration } from './age.ts';
import type { Column } from './column.ts';
import { AGE, column, CONTAINERS, orNone, printMap, spec, status } from './make-column.ts';

const SELECTOR = column('wide:Selector', (o) => printLabelSelector(spec(o)['selector']));

function count(name: string, of: 'spec' | 'status', field: string): Column {
  return column(name, (o) => numberOf(objectOf(o[of])[field]), 'integer');
}

function ready(object: ApiObject): string {
  return `${numberOf(status(object)['readyReplicas'])}/${numberOf(spec(object)['replicas'])}`;
}

export const DEPLOYMENT_COLUMNS: readonly Column[] = [
  column('Ready', ready),
  column('Up-to-date', (o) => numberOf(status(o)['updatedReplicas'])),
  column('Available', (o) => numberOf(status(o)['availableReplicas'])),
  AGE,
  ...CONTAINERS,
  SELECTOR,
];

export const REPLICA_SET_COLUMNS: readonly Column[] = [
  count('Desired', 'spec', 'replicas'),
  count('Current', 'status', 'replicas'),
  count('Ready', 'status', 'readyReplicas'),
  AGE,
  ...CONTAINERS,
  SELECTOR,
];

export const STATEFUL_SET_COLUMNS: readonly Column[] = [column('Ready', ready), AGE, ...CONTAINERS];

export const DAEMON_SET_COLUMNS: readonly Column[] = [
  count('Desired', 'status', 'desiredNumberScheduled'),
  count('Current', 'status', 'currentNumberScheduled'),
  count('Ready', 'status', 'numberReady'),
  count('Up-to-date', 'status', 'updatedNumberScheduled'),
  count('Available', 'status', 'numberAvailable'),
  column('Node Selector', (o) => printMap(objectOf(objectOf(spec(o)['template'])['spec'])['nodeSelector'])),
  AGE,
  ...CONTAINERS,
  SELECTOR,
];

export const JOB_COLUMNS: readonly Column[] = [
  column('Status', jobStatus),
  column('Completions', completions),
  column('Duration', (o, nowMs) => {
    const start = Date.parse(stringOf(status(o)['startTime']));
    const end = Date.parse(stringOf(status(o)['completionTime']));
    return Number.isNaN(start) ? '' : printDuration((Number.isNaN(end) ? nowMs : end) - start);
  }),
  AGE,
  ...CONTAINERS,
  SELECTOR,
];

function jobStatus(job: ApiObject): string {
  const has = (type: string) =>
    objectsOf(status(job)['conditions']).some((c) => c['type'] === type && c['status'] === 'True');
  if (has('Complete')) return 'Complete';
  if (has('Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (has('Suspended')) return 'Suspended';
  if (has('FailureTarget')) return 'FailureTarget';
  return has('SuccessCriteriaMet') ? 'SuccessCriteriaMet' : 'Running';
}

function completions(job: ApiObject): string {
  const done = numberOf(status(job)['succeeded']);
  const wanted = spec(job)['completions'];
  if (typeof wanted === 'number') return `${done}/${wanted}`;
  const parallel = numberOf(spec(job)['parallelism']);
  return parallel > 1 ? `${done}/1 of ${parallel}` : `${done}/1`;
}

export const CRON_JOB_COLUMNS: readonly Column[] = [
  column('Schedule', (o) => stringOf(spec(o)['schedule'])),
  column('Timezone', (o) => orNone(stringOf(spec(o)['timeZone']))),
  column('Suspend', (o) => (spec(o)['suspend'] === true ? 'True' : 'False'), 'boolean'),
  column('Active', (o) => objectsOf(status(o)['active']).length, 'integer'),
  column('Last Schedule', (o, nowMs) => {
    const at = status(o)['lastScheduleTime'];
    return at === undefined ? '<none>' : printAge(at, nowMs);
  }),
  AGE,
  ...CONTAINERS,
  column('wide:Selector', () => '<none>'),
];

export const HPA_COLUMNS: readonly Column[] = [
  column('Reference', (o) => {
    const { kind, name } = objectOf(spec(o)['scaleTargetRef']);
    return `${stringOf(kind)}/${stringOf(name)}`;
  }),
  column('Targets', (o) => orNone(objectsOf(spec(o)['metrics']).map(printMetric).join(', '))),
  column('MinPods', (o) => String(spec(o)['minReplicas'] ?? '<unset>')),
  column('MaxPods', (o) => numberOf(spec(o)['maxReplicas'])),
  column('Replicas', (o) => numberOf(status(o)['currentReplicas'])),
  AGE,
];

/** Nothing measures here, so what is now is always unknown. */
function printMetric(metric: JsonObject): string {
  const { name, target } = objectOf(metric['resource']);
  const goal = objectOf(target);
  const percent = goal['averageUtilization'];
  const wanted = percent === undefined ? stringOf(goal['averageValue'] ?? goal['value']) : `${numberOf(percent)}%`;
  return `${stringOf(name) || stringOf(metric['type'])}: <unknown>/${wanted}`;
}
