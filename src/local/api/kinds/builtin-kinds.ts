import type { BuiltinSchemas } from '../schema/builtin-schemas.ts';
import { builtinColumns } from '../table/builtin-columns.ts';
import { ALL_VERBS, type Kind, type Strategy } from './kind.ts';
import { builtinStrategies, type StrategyOptions } from './builtin-strategies.ts';
import { convertHpa } from './hpa-conversion.ts';
import { eventConversion } from './event-conversion.ts';

interface Row {
  readonly group?: string;
  readonly version?: string;
  readonly resource: string;
  readonly kind: string;
  readonly singular?: string;
  readonly short?: readonly string[];
  readonly cluster?: true;
  readonly all?: true;
  readonly status?: true;
  readonly scale?: true;
  /** Kinds that are only ever posted, and answered at once. */
  readonly review?: true;
  /** Served beside `version`. */
  readonly also?: readonly string[];
  readonly convert?: NonNullable<Kind['convert']>;
}

const APPS_SCALE = { spec: '.spec.replicas', status: '.status.replicas', selector: '.status.selector' };

const ROWS: readonly Row[] = [
  { resource: 'configmaps', kind: 'ConfigMap', short: ['cm'] },
  { resource: 'endpoints', kind: 'Endpoints', short: ['ep'], singular: 'endpoints' },
  { resource: 'events', kind: 'Event', short: ['ev'] },
  { resource: 'limitranges', kind: 'LimitRange', short: ['limits'] },
  { resource: 'namespaces', kind: 'Namespace', short: ['ns'], cluster: true, status: true },
  { resource: 'nodes', kind: 'Node', short: ['no'], cluster: true, status: true },
  { resource: 'persistentvolumeclaims', kind: 'PersistentVolumeClaim', short: ['pvc'], status: true },
  { resource: 'pods', kind: 'Pod', short: ['po'], all: true, status: true },
  { resource: 'podtemplates', kind: 'PodTemplate' },
  { resource: 'resourcequotas', kind: 'ResourceQuota', short: ['quota'], status: true },
  { resource: 'secrets', kind: 'Secret' },
  { resource: 'serviceaccounts', kind: 'ServiceAccount', short: ['sa'] },
  { resource: 'services', kind: 'Service', short: ['svc'], all: true, status: true },
  { group: 'apps', resource: 'controllerrevisions', kind: 'ControllerRevision' },
  { group: 'apps', resource: 'daemonsets', kind: 'DaemonSet', short: ['ds'], all: true, status: true },
  {
    group: 'apps',
    resource: 'deployments',
    kind: 'Deployment',
    short: ['deploy'],
    all: true,
    status: true,
    scale: true,
  },
  { group: 'apps', resource: 'replicasets', kind: 'ReplicaSet', short: ['rs'], all: true, status: true, scale: true },
  {
    group: 'apps',
    resource: 'statefulsets',
    kind: 'StatefulSet',
    short: ['sts'],
    all: true,
    status: true,
    scale: true,
  },
  { group: 'batch', resource: 'cronjobs', kind: 'CronJob', short: ['cj'], all: true, status: true },
  { group: 'batch', resource: 'jobs', kind: 'Job', all: true, status: true },
  {
    group: 'autoscaling',
    version: 'v2',
    also: ['v1'],
    convert: convertHpa,
    resource: 'horizontalpodautoscalers',
    kind: 'HorizontalPodAutoscaler',
    short: ['hpa'],
    all: true,
    status: true,
  },
  { group: 'discovery.k8s.io', resource: 'endpointslices', kind: 'EndpointSlice' },
  { group: 'coordination.k8s.io', resource: 'leases', kind: 'Lease' },
  { group: 'events.k8s.io', resource: 'events', kind: 'Event', short: ['ev'] },
  { group: 'networking.k8s.io', resource: 'ingressclasses', kind: 'IngressClass', cluster: true },
  { group: 'networking.k8s.io', resource: 'ingresses', kind: 'Ingress', short: ['ing'], status: true },
  { group: 'networking.k8s.io', resource: 'networkpolicies', kind: 'NetworkPolicy', short: ['netpol'] },
  { group: 'policy', resource: 'poddisruptionbudgets', kind: 'PodDisruptionBudget', short: ['pdb'], status: true },
  { group: 'scheduling.k8s.io', resource: 'priorityclasses', kind: 'PriorityClass', short: ['pc'], cluster: true },
  { group: 'rbac.authorization.k8s.io', resource: 'clusterrolebindings', kind: 'ClusterRoleBinding', cluster: true },
  { group: 'rbac.authorization.k8s.io', resource: 'clusterroles', kind: 'ClusterRole', cluster: true },
  { group: 'rbac.authorization.k8s.io', resource: 'rolebindings', kind: 'RoleBinding' },
  { group: 'rbac.authorization.k8s.io', resource: 'roles', kind: 'Role' },
  {
    group: 'apiextensions.k8s.io',
    resource: 'customresourcedefinitions',
    kind: 'CustomResourceDefinition',
    short: ['crd', 'crds'],
    cluster: true,
    status: true,
  },
  {
    group: 'admissionregistration.k8s.io',
    resource: 'mutatingwebhookconfigurations',
    kind: 'MutatingWebhookConfiguration',
    cluster: true,
  },
  {
    group: 'admissionregistration.k8s.io',
    resource: 'validatingwebhookconfigurations',
    kind: 'ValidatingWebhookConfiguration',
    cluster: true,
  },
  { group: 'apiregistration.k8s.io', resource: 'apiservices', kind: 'APIService', cluster: true, status: true },
  {
    group: 'authentication.k8s.io',
    resource: 'selfsubjectreviews',
    kind: 'SelfSubjectReview',
    cluster: true,
    review: true,
  },
  { group: 'authentication.k8s.io', resource: 'tokenreviews', kind: 'TokenReview', cluster: true, review: true },
  {
    group: 'authorization.k8s.io',
    resource: 'localsubjectaccessreviews',
    kind: 'LocalSubjectAccessReview',
    review: true,
  },
  {
    group: 'authorization.k8s.io',
    resource: 'selfsubjectaccessreviews',
    kind: 'SelfSubjectAccessReview',
    cluster: true,
    review: true,
  },
  {
    group: 'authorization.k8s.io',
    resource: 'selfsubjectrulesreviews',
    kind: 'SelfSubjectRulesReview',
    cluster: true,
    review: true,
  },
  {
    group: 'authorization.k8s.io',
    resource: 'subjectaccessreviews',
    kind: 'SubjectAccessReview',
    cluster: true,
    review: true,
  },
];

/** The kinds that are served without any CRD. StatefulSet, DaemonSet, CronJob, HPA and the like are stored, nothing acts on them. */
export function builtinKinds(schemas: BuiltinSchemas, options: StrategyOptions): Kind[] {
  const strategies = builtinStrategies(options);
  return ROWS.map((row) => builtinKind(row, schemas, strategies));
}

function builtinKind(row: Row, schemas: BuiltinSchemas, strategies: ReadonlyMap<string, Strategy>): Kind {
  const { group = '', version = 'v1', resource, kind } = row;
  const found = schemas.find(group, version, kind);
  if (found === undefined) throw new Error(`no schema for ${kind} of ${group}/${version}`);
  const columns = builtinColumns(group, resource);
  return {
    group,
    resource,
    kind,
    listKind: `${kind}List`,
    singular: row.singular ?? kind.toLowerCase(),
    shortNames: row.short ?? [],
    categories: row.all === true ? ['all'] : [],
    namespaced: row.cluster !== true,
    versions: [version, ...(row.also ?? [])],
    storageVersion: version,
    verbs: row.review === true ? ['create'] : ALL_VERBS,
    status: () => row.status === true,
    scale: () => (row.scale === true ? APPS_SCALE : undefined),
    strategy: strategies.get(`${group}/${resource}`) ?? {},
    schema: (v) => schemas.find(group, v, kind)?.schema,
    resolve: schemas.resolve,
    columns: () => columns,
    custom: undefined,
    ...(row.convert === undefined ? {} : { convert: row.convert }),
    ...(group === 'events.k8s.io' ? { storedAs: eventConversion } : {}),
  };
}
