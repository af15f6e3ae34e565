import type { Diagnostic } from '../base/diagnostic.ts';
import { DEFAULT_OPAQUE_PORTS } from '../mesh/ports.ts';
import type { WorkloadLabels, WorkloadResource } from '../mesh/resources.ts';
import { spiffeId } from '../mesh/spiffe.ts';
import type { Pod, WorkloadOwner } from '../spec/kubernetes.ts';
import type { OwnerReference } from '../spec/meta.ts';
import { INJECTED } from '../spec/names.ts';
import { opaquePorts } from './namespace.ts';

/** What the rest of the compiler needs to know about a pod; equal as long as nothing of that changes. */
export interface PodFacts {
  /** `namespace/name` of its ServiceAccount. */
  readonly account: string;
  readonly labels: WorkloadLabels;
  /** Opaque by the annotation of the pod or of its namespace. */
  readonly opaquePorts: readonly number[];
  /** Present when a sidecar stands beside the pod. */
  readonly workload: WorkloadResource | undefined;
  /** Of its own: none while it has none, or when it shares its node's. */
  readonly addresses: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

export function podFacts(
  pod: Pod,
  owner: WorkloadOwner | undefined,
  namespaceOpaquePorts: readonly number[],
  trustDomain: string,
): PodFacts {
  const { namespace } = pod.metadata;
  const { serviceAccountName: serviceAccount } = pod.spec;
  const labels = workloadLabels(pod, owner);
  const own = opaquePorts(pod);
  const opaque = sorted([...own.ports, ...namespaceOpaquePorts]);
  const workload: WorkloadResource | undefined = isMeshed(pod)
    ? {
        type: 'workload',
        key: 'workload',
        trustDomain,
        identity: spiffeId({ trustDomain, namespace, serviceAccount }),
        labels,
        opaquePorts: sorted([...DEFAULT_OPAQUE_PORTS, ...opaque]),
      }
    : undefined;
  const account = `${namespace}/${serviceAccount}`;
  const addresses = pod.spec.hostNetwork ? [] : pod.status.podIPs;
  return { account, labels, opaquePorts: opaque, workload, addresses, diagnostics: own.diagnostics };
}

/** The injector's mark, on a pod that still runs. */
function isMeshed(pod: Pod): boolean {
  const { phase } = pod.status;
  return pod.metadata.annotations.get(INJECTED) === 'true' && phase !== 'Succeeded' && phase !== 'Failed';
}

/** The key in `workloadOwners` of the object between a pod and its workload, if there is one. */
export function ownerKey(pod: Pod): string | undefined {
  const owner = controllerOf(pod.metadata.ownerReferences);
  if (owner?.kind !== 'ReplicaSet' && owner?.kind !== 'Job') return undefined;
  return `${owner.kind}/${pod.metadata.namespace}/${owner.name}`;
}

const OWNER_KINDS = new Set(['ReplicaSet', 'Job', 'StatefulSet', 'DaemonSet']);

/** pod -> ReplicaSet -> Deployment; a Job stays the Job, even under a CronJob (`smi.md` M9). */
function workloadLabels(pod: Pod, owner: WorkloadOwner | undefined): WorkloadLabels {
  const { namespace, name, ownerReferences } = pod.metadata;
  const own = { namespace, pod: name, serviceAccount: pod.spec.serviceAccountName };
  const direct = controllerOf(ownerReferences);
  if (direct === undefined || !OWNER_KINDS.has(direct.kind)) return { ...own, ownerKind: 'pod', owner: name };
  const above = direct.kind === 'ReplicaSet' ? controllerOf(owner?.metadata.ownerReferences ?? []) : undefined;
  if (above?.kind === 'Deployment') return { ...own, ownerKind: 'deployment', owner: above.name };
  return { ...own, ownerKind: direct.kind.toLowerCase(), owner: direct.name };
}

function controllerOf(owners: readonly OwnerReference[]): OwnerReference | undefined {
  return owners.find((owner) => owner.controller);
}

function sorted(ports: readonly number[]): number[] {
  return [...new Set(ports)].sort((a, b) => a - b);
}
