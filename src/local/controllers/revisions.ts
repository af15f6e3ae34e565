import { createHash } from 'node:crypto';
import { canonicalJson } from '../../base/content-hash.ts';
import type { EventRecorder } from './events.ts';
import type { Deployment, PodTemplate, ReplicaSet } from './objects.ts';
import { controllerReference, isControlledBy } from './ownership.ts';
import { DEPLOYMENTS, REPLICA_SETS } from './resources.ts';
import { rolloutBounds } from './rollout-plan.ts';
import { encodeNumber, hasCode, type ControllerContext } from './work.ts';

/** Annotations that `kubectl rollout status|history|undo` reads. */
export const REVISION = 'deployment.kubernetes.io/revision';
const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';
export const TEMPLATE_HASH = 'pod-template-hash';

const OWN_ANNOTATIONS = new Set([
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  'kubectl.kubernetes.io/last-applied-configuration',
  'deprecated.deployment.rollback.to',
]);

export function revisionOf(object: { metadata: { annotations?: Record<string, string> } }): number {
  return Number(object.metadata.annotations?.[REVISION] ?? 0) || 0;
}

/** The ReplicaSet of the Deployment's present template. The oldest, should there be several. */
export function findNewReplicaSet(deployment: Deployment, replicaSets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const wanted = templateKey(deployment.spec.template);
  return replicaSets.find((rs) => templateKey(rs.spec.template) === wanted);
}

function templateKey(template: PodTemplate): string {
  const { [TEMPLATE_HASH]: _, ...labels } = template.metadata?.labels ?? {};
  const annotations = template.metadata?.annotations ?? {};
  return canonicalJson({ labels, annotations, spec: template.spec });
}

/** Hash of a template as it stands in names and labels. `collisions` makes another one. */
export function templateHash(template: PodTemplate, collisions: number): string {
  const text = `${templateKey(template)}${collisions === 0 ? '' : collisions}`;
  return encodeNumber(createHash('sha256').update(text).digest().readUInt32BE(0));
}

export interface Revisions {
  readonly current: ReplicaSet;
  /** Oldest first. */
  readonly old: readonly ReplicaSet[];
}

/**
 * Finds or makes the ReplicaSet of the present template and gives it the newest revision, which the Deployment's
 * annotation repeats. `replicasFor` says how many replicas a set may have, given its present ones and the older sets.
 */
export async function ensureNewReplicaSet(
  deployment: Deployment,
  owned: readonly ReplicaSet[],
  context: ControllerContext,
  events: EventRecorder,
  replicasFor: (present: number, old: readonly ReplicaSet[]) => number,
): Promise<Revisions> {
  const found = findNewReplicaSet(deployment, owned);
  const old = owned.filter((rs) => rs !== found);
  const revision = Math.max(0, ...old.map(revisionOf)) + 1;
  const current =
    found === undefined
      ? await createReplicaSet(deployment, revision, replicasFor(0, old), context, events)
      : await renumber(deployment, found, revision, context);
  await noteRevision(deployment, current, context);
  return { current, old };
}

async function createReplicaSet(
  deployment: Deployment,
  revision: number,
  replicas: number,
  { client }: ControllerContext,
  events: EventRecorder,
): Promise<ReplicaSet> {
  const hash = templateHash(deployment.spec.template, deployment.status?.collisionCount ?? 0);
  const { namespace = '', name } = deployment.metadata;
  const labels = { ...deployment.spec.template.metadata?.labels, [TEMPLATE_HASH]: hash };
  const bounds = rolloutBounds(deployment);
  const template = { ...deployment.spec.template, metadata: { ...deployment.spec.template.metadata, labels } };
  const { selector, minReadySeconds } = deployment.spec;
  const rs: ReplicaSet = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${name}-${hash}`,
      namespace,
      labels,
      annotations: {
        ...copiedAnnotations(deployment),
        [REVISION]: String(revision),
        [DESIRED_REPLICAS]: String(bounds.replicas),
        [MAX_REPLICAS]: String(bounds.replicas + bounds.maxSurge),
      },
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas,
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [TEMPLATE_HASH]: hash } },
      template,
    },
  };
  const created = await createOrFind(deployment, rs, client);
  const message = `Scaled up replica set ${created.metadata.name} from 0 to ${replicas}`;
  if (replicas > 0) events.record(deployment, 'Normal', 'ScalingReplicaSet', message);
  return created;
}

/** A name that is taken by another template counts as a collision: the next attempt hashes to another name. */
async function createOrFind(
  deployment: Deployment,
  rs: ReplicaSet,
  client: ControllerContext['client'],
): Promise<ReplicaSet> {
  try {
    return (await client.create(REPLICA_SETS, rs)) as ReplicaSet;
  } catch (error) {
    if (!hasCode(error, 409)) throw error;
    const taken = client.get(REPLICA_SETS, rs.metadata.namespace ?? '', rs.metadata.name) as ReplicaSet | undefined;
    if (taken !== undefined && isControlledBy(taken, deployment) && findNewReplicaSet(deployment, [taken]))
      return taken;
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
    await client.updateStatus(DEPLOYMENTS, { ...deployment, status: { ...deployment.status, collisionCount } });
    throw error;
  }
}

/** After a rollback the old ReplicaSet becomes the newest revision; what it was is kept in its history. */
async function renumber(
  deployment: Deployment,
  rs: ReplicaSet,
  revision: number,
  { client }: ControllerContext,
): Promise<ReplicaSet> {
  const annotations: Record<string, string> = { ...rs.metadata.annotations, ...copiedAnnotations(deployment) };
  const present = revisionOf(rs);
  if (present < revision) {
    annotations[REVISION] = String(revision);
    const history = annotations[REVISION_HISTORY];
    if (present > 0) annotations[REVISION_HISTORY] = history === undefined ? `${present}` : `${history},${present}`;
  }
  const minReadySeconds = deployment.spec.minReadySeconds ?? 0;
  if (
    canonicalJson(annotations) === canonicalJson(rs.metadata.annotations ?? {}) &&
    (rs.spec.minReadySeconds ?? 0) === minReadySeconds
  ) {
    return rs;
  }
  const spec = { ...rs.spec, minReadySeconds };
  return (await client.update(REPLICA_SETS, { ...rs, metadata: { ...rs.metadata, annotations }, spec })) as ReplicaSet;
}

async function noteRevision(deployment: Deployment, current: ReplicaSet, { client }: ControllerContext): Promise<void> {
  const revision = String(revisionOf(current));
  if (deployment.metadata.annotations?.[REVISION] === revision) return;
  const annotations = { ...deployment.metadata.annotations, [REVISION]: revision };
  await client.update(DEPLOYMENTS, { ...deployment, metadata: { ...deployment.metadata, annotations } });
}

function copiedAnnotations(deployment: Deployment): Record<string, string> {
  const entries = Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !OWN_ANNOTATIONS.has(key));
  return Object.fromEntries(entries);
}
