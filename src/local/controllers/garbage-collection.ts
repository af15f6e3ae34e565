import type { Reconciler } from '../../base/reconcile.ts';
import type { ApiClient, ApiMeta, ApiObject, ApiResourceInfo } from '../api-client.ts';
import { watchEverything } from './everything.ts';
import { Alarm, eachObject, removeObject, type ControllerContext } from './work.ts';

/** Finalizers that the API server sets for `propagationPolicy: Foreground` and `Orphan`. */
const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';

type OwnerReference = NonNullable<ApiMeta['ownerReferences']>[number];

/** What is owned goes when its last owner goes; owners that are to wait for it, or to leave it behind, do so. */
export function garbageCollector(context: ControllerContext): Reconciler {
  const { client, clock } = context;
  const alarm = new Alarm(clock);
  const turn = eachObject('garbage-collector', context, alarm);
  return {
    name: 'garbage-collector',
    watches: [watchEverything(client), alarm],
    settleMs: 100, // it looks at everything there is after each change of anything, and nobody waits for it
    async reconcile(signal) {
      const graph = graphOf(client);
      const owners = graph.all.filter((node) => isWaiting(node.object));
      const dependents = graph.all.filter((node) => (node.object.metadata.ownerReferences ?? []).length > 0);
      const nodes = new Map([...owners, ...dependents].map((node) => [node.object, node]));
      await turn(
        [...nodes.keys()],
        async (object) => {
          const node = nodes.get(object);
          if (node === undefined) return;
          if (isWaiting(object)) await release(node, graph, client);
          else await collect(node, graph, client);
        },
        signal,
      );
    },
  };
}

interface Node {
  readonly resource: ApiResourceInfo;
  readonly object: ApiObject;
}

interface Graph {
  readonly all: readonly Node[];
  readonly byUid: ReadonlyMap<string, Node>;
  /** Kinds that are served: an owner of another kind cannot be judged and counts as present. */
  readonly kinds: ReadonlySet<string>;
}

function graphOf(client: ApiClient): Graph {
  const resources = client.resources();
  const all = resources
    .filter((r) => r.resource !== 'events') // never owned, and many
    .flatMap((resource) => client.list(resource).map((object) => ({ resource, object })));
  return {
    all,
    byUid: new Map(all.map((node) => [node.object.metadata.uid ?? '', node])),
    kinds: new Set(resources.map((r) => `${r.group}/${r.kind}`)),
  };
}

/** Whether the object is an owner whose deletion waits for the collector. */
function isWaiting({ metadata }: ApiObject): boolean {
  return (
    metadata.deletionTimestamp !== undefined &&
    (metadata.finalizers ?? []).some((f) => f === FOREGROUND || f === ORPHAN)
  );
}

function ownerOf(reference: OwnerReference, dependent: ApiObject, graph: Graph): Node | 'absent' | 'unknown' {
  const node = graph.byUid.get(reference.uid);
  if (node !== undefined) {
    // an owner in another namespace is no owner
    const near = !node.resource.namespaced || node.object.metadata.namespace === dependent.metadata.namespace;
    if (near && node.object.metadata.name === reference.name) return node;
    return 'absent';
  }
  const group = reference.apiVersion.includes('/') ? reference.apiVersion.split('/')[0] : '';
  return graph.kinds.has(`${group}/${reference.kind}`) ? 'absent' : 'unknown';
}

/** Deletes an object all of whose owners are gone (or wait for their dependents), else drops dangling references. */
async function collect({ resource, object }: Node, graph: Graph, client: ApiClient): Promise<void> {
  const references = object.metadata.ownerReferences ?? [];
  const owners = references.map((reference) => ({ reference, owner: ownerOf(reference, object, graph) }));
  const solid = owners.filter(({ owner }) => owner !== 'absent' && !isForeground(owner));
  const waiting = owners.filter(({ owner }) => isForeground(owner));
  if (solid.length > 0) {
    if (solid.length === references.length) return;
    const ownerReferences = solid.map(({ reference }) => reference);
    await client.update(resource, { ...object, metadata: { ...object.metadata, ownerReferences } });
    return;
  }
  if (object.metadata.deletionTimestamp !== undefined) return;
  const blocks = waiting.some(({ reference }) => reference.blockOwnerDeletion === true);
  const hasDependents = graph.all.some((n) =>
    n.object.metadata.ownerReferences?.some((o) => o.uid === object.metadata.uid && o.blockOwnerDeletion === true),
  );
  if (blocks && hasDependents) {
    const { namespace = '', name, uid = '' } = object.metadata;
    await client.delete(resource, namespace, name, { uid, propagationPolicy: 'Foreground' });
  } else await removeObject(client, resource, object);
}

function isForeground(owner: Node | 'absent' | 'unknown'): boolean {
  if (owner === 'absent' || owner === 'unknown') return false;
  const { deletionTimestamp, finalizers } = owner.object.metadata;
  return deletionTimestamp !== undefined && finalizers?.includes(FOREGROUND) === true;
}

/** Lets an owner go: for Orphan after its dependents forgot it, for Foreground when none that blocks is left. */
async function release({ resource, object }: Node, graph: Graph, client: ApiClient): Promise<void> {
  const { uid = '', finalizers = [] } = object.metadata;
  const dependents = graph.all.filter((n) => n.object.metadata.ownerReferences?.some((o) => o.uid === uid));
  if (finalizers.includes(ORPHAN)) {
    for (const { resource: r, object: o } of dependents) {
      const ownerReferences = (o.metadata.ownerReferences ?? []).filter((reference) => reference.uid !== uid);
      await client.update(r, { ...o, metadata: { ...o.metadata, ownerReferences } });
    }
    return dropFinalizer(resource, object, ORPHAN, client);
  }
  for (const node of dependents) await collect(node, graph, client);
  const blocking = dependents.filter(({ resource: r, object: o }) => {
    const now = client.get(r, o.metadata.namespace ?? '', o.metadata.name);
    return now?.metadata.ownerReferences?.some(
      (reference) => reference.uid === uid && reference.blockOwnerDeletion === true,
    );
  });
  if (blocking.length === 0) await dropFinalizer(resource, object, FOREGROUND, client);
}

async function dropFinalizer(
  resource: ApiResourceInfo,
  object: ApiObject,
  name: string,
  client: ApiClient,
): Promise<void> {
  const finalizers = (object.metadata.finalizers ?? []).filter((f) => f !== name);
  await client.update(resource, { ...object, metadata: { ...object.metadata, finalizers } });
}
