import type { Logger } from '../../../base/log.ts';
import type { ApiClient, ApiObject } from '../../api-client.ts';
import { isApiError } from '../../api-error.ts';
import type { KindTable } from '../kinds/kind-table.ts';
import { keyOf } from '../kinds/kind-table.ts';
import type { Resolve } from '../schema/schema.ts';
import type { Store } from '../store/store.ts';
import { CLEANUP } from './crd-strategy.ts';
import { customKind } from './custom-kind.ts';

const CRDS = { group: 'apiextensions.k8s.io', resource: 'customresourcedefinitions' };

export interface CrdControllerDeps {
  readonly store: Store;
  readonly kinds: KindTable;
  readonly client: ApiClient;
  readonly resolve: Resolve;
  readonly log: Logger;
}

/**
 * Keeps the served kinds equal to the stored CRDs, from the moment one is stored; empties a kind whose CRD is deleted.
 * Returns the function that ends it.
 */
export function serveCrds(deps: CrdControllerDeps): () => void {
  const { store, client, log } = deps;
  const stored = store.resource(keyOf(CRDS));
  const ended = new AbortController();
  const stops = new Map<string, () => void>();
  const follow = (crd: ApiObject): void => {
    serve(deps, crd);
    if (crd.metadata.deletionTimestamp === undefined || !(crd.metadata.finalizers ?? []).includes(CLEANUP)) return;
    const empty = () =>
      void cleanUp(deps, crd.metadata.name, ended.signal).catch((error: unknown) =>
        log.warn('a deleted CRD could not be cleaned up', { crd: crd.metadata.name, error: String(error) }),
      );
    const kind = customKind(crd, deps.resolve);
    // Objects that finalizers hold go later: look again whenever one goes.
    if (kind !== undefined && !stops.has(crd.metadata.name)) stops.set(crd.metadata.name, client.watch(kind, empty));
    empty();
  };
  for (const crd of stored.all()) follow(crd);
  const stop = stored.subscribe(({ type, object }) => {
    if (type !== 'DELETED') return follow(object);
    stops.get(object.metadata.name)?.();
    stops.delete(object.metadata.name);
    const kind = customKind(object, deps.resolve);
    if (kind !== undefined) deps.kinds.delete(kind);
  });
  return () => {
    ended.abort();
    stop();
    for (const end of stops.values()) end();
  };
}

function serve({ kinds, resolve }: CrdControllerDeps, crd: ApiObject): void {
  const kind = customKind(crd, resolve);
  if (kind !== undefined) kinds.set(kind);
}

/** Deletes every object of the kind; when none is left, lets the CRD go. */
async function cleanUp(
  { store, client, resolve }: CrdControllerDeps,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const crd = store.resource(keyOf(CRDS)).get('', name);
  const kind = crd === undefined ? undefined : customKind(crd, resolve);
  if (crd === undefined || signal.aborted || crd.metadata.deletionTimestamp === undefined) return;
  try {
    for (const { metadata } of kind === undefined ? [] : client.list(kind)) {
      if (metadata.deletionTimestamp === undefined && kind !== undefined) {
        await client.delete(kind, metadata.namespace ?? '', metadata.name);
      }
    }
    if (kind !== undefined && client.list(kind).length > 0) return;
    const finalizers = (crd.metadata.finalizers ?? []).filter((f) => f !== CLEANUP);
    const { resourceVersion: _, ...metadata } = crd.metadata;
    await client.update(CRDS, { ...crd, metadata: { ...metadata, finalizers } });
  } catch (error) {
    if (!isApiError(error, 'NotFound')) throw error; // somebody else was faster: good
  }
}
