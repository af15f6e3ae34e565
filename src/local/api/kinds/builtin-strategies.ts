import { crdStrategy } from '../crd/crd-strategy.ts';
import type { Strategy } from './kind.ts';
import { namespaceStrategy } from './namespace.ts';
import { podStrategy } from './pod.ts';
import { serviceStrategy } from './service.ts';
import {
  apiServiceStrategy,
  configMapStrategy,
  endpointSliceStrategy,
  eventStrategy,
  leaseStrategy,
  nodeStrategy,
  roleBindingStrategy,
  roleStrategy,
  secretStrategy,
  webhookStrategy,
} from './small-kinds.ts';
import {
  cronJobStrategy,
  daemonSetStrategy,
  deploymentStrategy,
  jobStrategy,
  replicaSetStrategy,
  statefulSetStrategy,
} from './workloads.ts';

export interface StrategyOptions {
  /** Where Services take their addresses from, IPv4. */
  readonly serviceCidr: string;
}

/** What is special about each built-in kind, by `group/resource`. */
export function builtinStrategies({ serviceCidr }: StrategyOptions): ReadonlyMap<string, Strategy> {
  const counted: Strategy = { generation: true };
  return new Map<string, Strategy>([
    ['/configmaps', configMapStrategy],
    ['/events', eventStrategy],
    ['/namespaces', namespaceStrategy],
    ['/nodes', nodeStrategy],
    ['/pods', podStrategy],
    ['/secrets', secretStrategy],
    ['/services', serviceStrategy(serviceCidr)],
    ['apps/daemonsets', daemonSetStrategy],
    ['apps/deployments', deploymentStrategy],
    ['apps/replicasets', replicaSetStrategy],
    ['apps/statefulsets', statefulSetStrategy],
    ['autoscaling/horizontalpodautoscalers', {}],
    ['batch/cronjobs', cronJobStrategy],
    ['batch/jobs', jobStrategy],
    ['discovery.k8s.io/endpointslices', endpointSliceStrategy],
    ['coordination.k8s.io/leases', leaseStrategy],
    ['events.k8s.io/events', eventStrategy],
    ['networking.k8s.io/ingresses', counted],
    ['networking.k8s.io/ingressclasses', counted],
    ['networking.k8s.io/networkpolicies', counted],
    ['policy/poddisruptionbudgets', counted],
    ['rbac.authorization.k8s.io/clusterrolebindings', roleBindingStrategy],
    ['rbac.authorization.k8s.io/clusterroles', roleStrategy],
    ['rbac.authorization.k8s.io/rolebindings', roleBindingStrategy],
    ['rbac.authorization.k8s.io/roles', roleStrategy],
    ['apiextensions.k8s.io/customresourcedefinitions', crdStrategy],
    ['admissionregistration.k8s.io/mutatingwebhookconfigurations', webhookStrategy],
    ['admissionregistration.k8s.io/validatingwebhookconfigurations', webhookStrategy],
    ['apiregistration.k8s.io/apiservices', apiServiceStrategy],
  ]);
}
