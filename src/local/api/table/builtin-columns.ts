import type { ApiObject } from '../../api-client.ts';
import { arrayOf, isObject, type JsonObject, numberOf, objectOf, objectsOf, stringOf } from '../json.ts';
import { printAge } from './age.ts';
import type { Column } from './column.ts';
import { AGE, column, CREATED_AT, orNone, printMap, spec, status } from './make-column.ts';
import {
  ENDPOINT_SLICE_COLUMNS,
  ENDPOINTS_COLUMNS,
  INGRESS_CLASS_COLUMNS,
  INGRESS_COLUMNS,
  NETWORK_POLICY_COLUMNS,
  SERVICE_COLUMNS,
} from './network-columns.ts';
import { NODE_COLUMNS } from './node-columns.ts';
import { POD_COLUMNS } from './pod-columns.ts';
import {
  CRON_JOB_COLUMNS,
  DAEMON_SET_COLUMNS,
  DEPLOYMENT_COLUMNS,
  HPA_COLUMNS,
  JOB_COLUMNS,
  REPLICA_SET_COLUMNS,
  STATEFUL_SET_COLUMNS,
} from './workload-columns.ts';

const EVENT_COLUMNS: readonly Column[] = [
  column('Last Seen', (o, nowMs) => printAge(lastSeen(o), nowMs)),
  column('Type', (o) => stringOf(o['type'])),
  column('Reason', (o) => stringOf(o['reason'])),
  column('Object', (o) => {
    const { kind, name } = regarding(o);
    return stringOf(kind) === '' ? stringOf(name) : `${stringOf(kind).toLowerCase()}/${stringOf(name)}`;
  }),
  column('wide:Subobject', (o) => stringOf(regarding(o)['fieldPath'])),
  column('wide:Source', (o) => {
    const { component, host } = objectOf(o['source'] ?? o['deprecatedSource']);
    const who = stringOf(component) || stringOf(o['reportingComponent'] ?? o['reportingController']);
    return [who, stringOf(host)].filter((s) => s !== '').join(', ');
  }),
  column('Message', (o) => stringOf(o['message'] ?? o['note']).trim()),
  column('wide:First Seen', (o, nowMs) =>
    printAge(o['firstTimestamp'] ?? o['deprecatedFirstTimestamp'] ?? o['eventTime'], nowMs),
  ),
  column('wide:Count', (o) => numberOf(objectOf(o['series'])['count'] ?? o['count'] ?? o['deprecatedCount'], 1)),
  column('wide:Name', (o) => o.metadata.name, 'string', 'name'),
];

function regarding(event: ApiObject): JsonObject {
  return objectOf(event['involvedObject'] ?? event['regarding']);
}

function lastSeen(event: ApiObject): unknown {
  const series = objectOf(event['series'])['lastObservedTime'];
  return (
    series ??
    event['lastTimestamp'] ??
    event['deprecatedLastTimestamp'] ??
    event['eventTime'] ??
    event['firstTimestamp']
  );
}

const BINDING_COLUMNS: readonly Column[] = [
  column('Role', (o) => `${stringOf(objectOf(o['roleRef'])['kind'])}/${stringOf(objectOf(o['roleRef'])['name'])}`),
  AGE,
  column('wide:Users', subjects('User')),
  column('wide:Groups', subjects('Group')),
  column('wide:ServiceAccounts', subjects('ServiceAccount')),
];

function subjects(kind: string): Column['cell'] {
  return (object) =>
    objectsOf(object['subjects'])
      .filter((s) => s['kind'] === kind)
      .map((s) =>
        kind === 'ServiceAccount' ? `${stringOf(s['namespace'])}/${stringOf(s['name'])}` : stringOf(s['name']),
      )
      .join(', ');
}

const DATA = column('Data', (o) => dataSize(o), 'string');

function dataSize(object: ApiObject): number {
  return Object.keys(objectOf(object['data'])).length + Object.keys(objectOf(object['binaryData'])).length;
}

const WEBHOOKS: readonly Column[] = [column('Webhooks', (o) => arrayOf(o['webhooks']).length, 'integer'), AGE];

const COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  '/configmaps': [DATA, AGE],
  '/endpoints': ENDPOINTS_COLUMNS,
  '/events': EVENT_COLUMNS,
  'events.k8s.io/events': EVENT_COLUMNS,
  '/limitranges': [CREATED_AT],
  '/namespaces': [column('Status', (o) => stringOf(status(o)['phase'])), AGE],
  '/nodes': NODE_COLUMNS,
  '/persistentvolumeclaims': [
    column('Status', (o) => stringOf(status(o)['phase']) || 'Pending'),
    column('Volume', (o) => stringOf(spec(o)['volumeName'])),
    column('Capacity', (o) => stringOf(objectOf(status(o)['capacity'])['storage'])),
    column('Access Modes', (o) => arrayOf(status(o)['accessModes']).join(',')),
    column('StorageClass', (o) => stringOf(spec(o)['storageClassName'])),
    column('VolumeAttributesClass', (o) => stringOf(spec(o)['volumeAttributesClassName']) || '<unset>'),
    AGE,
    column('wide:VolumeMode', (o) => stringOf(spec(o)['volumeMode']) || '<unset>'),
  ],
  '/pods': POD_COLUMNS,
  '/podtemplates': [
    column('Containers', (o) =>
      objectsOf(objectOf(objectOf(o['template'])['spec'])['containers'])
        .map((c) => stringOf(c['name']))
        .join(','),
    ),
    column('Images', (o) =>
      objectsOf(objectOf(objectOf(o['template'])['spec'])['containers'])
        .map((c) => stringOf(c['image']))
        .join(','),
    ),
    column('Pod Labels', (o) => printMap(objectOf(objectOf(o['template'])['metadata'])['labels'])),
  ],
  '/resourcequotas': [column('Request', () => ''), column('Limit', () => ''), AGE],
  '/secrets': [column('Type', (o) => stringOf(o['type'])), DATA, AGE],
  '/serviceaccounts': [AGE],
  '/services': SERVICE_COLUMNS,
  'apps/controllerrevisions': [
    column('Controller', (o) => {
      const owner = (o.metadata.ownerReferences ?? []).find((r) => r.controller === true);
      return owner === undefined
        ? '<none>'
        : `${owner.kind.toLowerCase()}.${owner.apiVersion.split('/')[0] ?? ''}/${owner.name}`;
    }),
    column('Revision', (o) => numberOf(o['revision'])),
    AGE,
  ],
  'apps/daemonsets': DAEMON_SET_COLUMNS,
  'apps/deployments': DEPLOYMENT_COLUMNS,
  'apps/replicasets': REPLICA_SET_COLUMNS,
  'apps/statefulsets': STATEFUL_SET_COLUMNS,
  'autoscaling/horizontalpodautoscalers': HPA_COLUMNS,
  'batch/cronjobs': CRON_JOB_COLUMNS,
  'batch/jobs': JOB_COLUMNS,
  'coordination.k8s.io/leases': [column('Holder', (o) => stringOf(spec(o)['holderIdentity'])), AGE],
  'discovery.k8s.io/endpointslices': ENDPOINT_SLICE_COLUMNS,
  'networking.k8s.io/ingressclasses': INGRESS_CLASS_COLUMNS,
  'networking.k8s.io/ingresses': INGRESS_COLUMNS,
  'networking.k8s.io/networkpolicies': NETWORK_POLICY_COLUMNS,
  'policy/poddisruptionbudgets': [
    column('Min Available', (o) => String(spec(o)['minAvailable'] ?? 'N/A')),
    column('Max Unavailable', (o) => String(spec(o)['maxUnavailable'] ?? 'N/A')),
    column('Allowed Disruptions', (o) => numberOf(status(o)['disruptionsAllowed']), 'integer'),
    AGE,
  ],
  'scheduling.k8s.io/priorityclasses': [
    column('Value', (o) => numberOf(o['value']), 'integer'),
    column('Global-Default', (o) => o['globalDefault'] === true, 'boolean'),
    AGE,
    column('PreemptionPolicy', (o) => orNone(stringOf(o['preemptionPolicy']))),
  ],
  'rbac.authorization.k8s.io/clusterroles': [CREATED_AT],
  'rbac.authorization.k8s.io/roles': [CREATED_AT],
  'rbac.authorization.k8s.io/clusterrolebindings': BINDING_COLUMNS,
  'rbac.authorization.k8s.io/rolebindings': BINDING_COLUMNS,
  'apiextensions.k8s.io/customresourcedefinitions': [CREATED_AT],
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': WEBHOOKS,
  'admissionregistration.k8s.io/validatingwebhookconfigurations': WEBHOOKS,
  'apiregistration.k8s.io/apiservices': [
    column('Service', (o) => {
      const service = spec(o)['service'];
      return isObject(service) ? `${stringOf(service['namespace'])}/${stringOf(service['name'])}` : 'Local';
    }),
    column('Available', (o) => {
      const available = objectsOf(status(o)['conditions']).find((c) => c['type'] === 'Available');
      if (available === undefined) return 'Unknown';
      return available['status'] === 'True'
        ? 'True'
        : `${stringOf(available['status'])} (${stringOf(available['reason'])})`;
    }),
    AGE,
  ],
};

/** The columns that kubectl shows for a built-in kind, without Name. */
export function builtinColumns(group: string, resource: string): readonly Column[] {
  return COLUMNS[`${group}/${resource}`] ?? [AGE];
}
