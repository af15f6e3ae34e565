import type { Reconciler } from '../../base/reconcile.ts';
import type { ApiObject, ApiResourceInfo } from '../api-client.ts';
import { timestamp, withCondition } from './conditions.ts';
import type { Condition } from './objects.ts';
import { CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS } from './resources.ts';
import { watchEverything } from './everything.ts';
import { Alarm, eachObject, hasCode, isNotFound, putStatus, watchOf, type ControllerContext } from './work.ts';

export interface NamespaceDefaultsOptions extends ControllerContext {
  /** PEM of the authority that signed the API server's certificate. */
  readonly caCertificate: string;
}

const ROOT_CA = 'kube-root-ca.crt';
const ROOT_CA_DESCRIPTION =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the ' +
  'internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';

/** Every namespace has a ServiceAccount `default` and the certificates of the API server's authority. */
export function namespaceDefaultsController(options: NamespaceDefaultsOptions): Reconciler {
  const { client, clock, caCertificate } = options;
  const alarm = new Alarm(clock);
  const turn = eachObject('namespace-defaults', options, alarm);
  const rootCa = (namespace: string): ApiObject => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: ROOT_CA,
      namespace,
      annotations: { 'kubernetes.io/description': ROOT_CA_DESCRIPTION },
    },
    data: { 'ca.crt': caCertificate },
  });
  const create = async (resource: typeof CONFIG_MAPS, object: ApiObject) => {
    try {
      await client.create(resource, object);
    } catch (error) {
      if (!hasCode(error, 409)) throw error; // somebody else was first: what is there stays
    }
  };
  return {
    name: 'namespace-defaults',
    watches: [NAMESPACES, SERVICE_ACCOUNTS, CONFIG_MAPS].map((r) => watchOf(client, r)).concat(alarm),
    reconcile: (signal) =>
      turn(
        client.list(NAMESPACES).filter((n) => n.metadata.deletionTimestamp === undefined),
        async ({ metadata: { name } }) => {
          if (client.get(SERVICE_ACCOUNTS, name, 'default') === undefined) {
            const metadata = { name: 'default', namespace: name };
            await create(SERVICE_ACCOUNTS, { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
          }
          const present = client.get(CONFIG_MAPS, name, ROOT_CA);
          if (present === undefined) await create(CONFIG_MAPS, rootCa(name));
          else if ((present.data as Record<string, string> | undefined)?.['ca.crt'] !== caCertificate) {
            await client.update(CONFIG_MAPS, { ...rootCa(name), metadata: present.metadata });
          }
        },
        signal,
      ),
  };
}

/** Empties namespaces that are being deleted, then lets them go. */
export function namespaceDeletionController(context: ControllerContext): Reconciler {
  const { client, clock } = context;
  const alarm = new Alarm(clock);
  const turn = eachObject('namespace-deletion', context, alarm);
  return {
    name: 'namespace-deletion',
    watches: [watchEverything(client), alarm],
    reconcile: (signal) =>
      turn(
        client.list(NAMESPACES).filter((n) => n.metadata.deletionTimestamp !== undefined),
        (namespace) => empty(namespace, context),
        signal,
      ),
  };
}

async function empty(namespace: ApiObject, { client, clock }: ControllerContext): Promise<void> {
  const { name } = namespace.metadata;
  const namespaced = client.resources().filter((r) => r.namespaced);
  const left = () => namespaced.flatMap((r) => client.list(r, name).map((object) => [r, object] as const));
  for (const [resource, object] of left()) {
    if (object.metadata.deletionTimestamp !== undefined) continue; // waits for its finalizers, or for its processes
    try {
      await client.delete(resource, name, object.metadata.name, { propagationPolicy: 'Background' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  const remaining = left();
  const stored = client.get(NAMESPACES, '', name);
  if (stored === undefined || stored.metadata.uid !== namespace.metadata.uid) return;
  if (remaining.length > 0) {
    const previous = (stored.status as { conditions?: Condition[] } | undefined)?.conditions ?? [];
    const conditions = deletionConditions(previous, remaining, clock.now());
    await putStatus(client, NAMESPACES, stored, { phase: 'Terminating', conditions });
    return;
  }
  await client.update(NAMESPACES, { ...stored, spec: { ...(stored.spec as object | undefined), finalizers: [] } });
}

function deletionConditions(
  previous: readonly Condition[],
  remaining: readonly (readonly [ApiResourceInfo, ApiObject])[],
  nowMs: number,
): Condition[] {
  const lastTransitionTime = timestamp(nowMs);
  const finalizers = remaining.flatMap(([, o]) => o.metadata.finalizers ?? []);
  const counted = (names: readonly string[], unit: string) =>
    [...Map.groupBy(names, (n) => n)].map(([n, all]) => `${n} has ${all.length} ${unit}`).join(', ');
  const kinds = remaining.map(([r]) => (r.group === '' ? `${r.resource}.` : `${r.resource}.${r.group}`));
  let conditions = withCondition(previous, {
    type: 'NamespaceDeletionContentFailure',
    status: 'False',
    reason: 'ContentDeleted',
    message: 'All content successfully deleted, may be waiting on finalization',
    lastTransitionTime,
  });
  conditions = withCondition(conditions, {
    type: 'NamespaceContentRemaining',
    status: 'True',
    reason: 'SomeResourcesRemain',
    message: `Some resources are remaining: ${counted(kinds, 'resource instances')}`,
    lastTransitionTime,
  });
  return withCondition(conditions, {
    type: 'NamespaceFinalizersRemaining',
    status: finalizers.length > 0 ? 'True' : 'False',
    reason: finalizers.length > 0 ? 'SomeFinalizersRemain' : 'ContentHasNoFinalizers',
    message:
      finalizers.length > 0
        ? `Some content in the namespace has finalizers remaining: ${counted(finalizers, 'resource instances')}`
        : 'All content-preserving finalizers finished',
    lastTransitionTime,
  });
}
