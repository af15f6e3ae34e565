import type { ApiDeleteOptions, ApiObject } from '../../api-client.ts';
import { validate } from '../admission/admission.ts';
import { conflict, notFound } from '../errors.ts';
import type { Kind, RequestContext } from '../kinds/kind.ts';
import { hasGeneration } from './create.ts';
import { type RegistryDeps, storeKey, timestamp, toVersion } from './deps.ts';

export interface RemoveRequest {
  readonly kind: Kind;
  readonly version: string;
  readonly namespace: string;
  readonly name: string;
  readonly options: ApiDeleteOptions;
  readonly context: RequestContext;
}

export interface Removal {
  /** The object as it is now (still there, with a deletionTimestamp) or was last. */
  readonly object: ApiObject;
  /** False while finalizers or a grace period keep it. */
  readonly gone: boolean;
}

/** Deletes an object, or marks it deleted when something still has to happen first. */
export async function remove(deps: RegistryDeps, request: RemoveRequest): Promise<Removal> {
  const { kind, version, namespace, name, options, context } = request;
  for (;;) {
    const current = deps.store.staged(storeKey(kind), namespace, name);
    if (current === undefined) throw notFound(kind, name);
    checkPreconditions(kind, name, current, options);
    kind.strategy.beforeDelete?.(current);
    const oldObject = await toVersion(deps, kind, current, version);
    await validate(deps.admission, {
      operation: 'DELETE',
      kind,
      version,
      subresource: '',
      namespace,
      name,
      object: undefined,
      oldObject,
      context,
    });
    if (deps.store.staged(storeKey(kind), namespace, name) !== current) continue; // changed while admission was asked
    const marked = mark(deps, kind, current, options);
    const done = marked === undefined;
    if (context.dryRun) return { object: await toVersion(deps, kind, marked ?? current, version), gone: done };
    if (done) {
      const last = await deps.store.remove(storeKey(kind), current);
      return { object: await toVersion(deps, kind, last, version), gone: true };
    }
    const kept = marked === current ? current : await deps.store.put(storeKey(kind), marked);
    return { object: await toVersion(deps, kind, kept, version), gone: false };
  }
}

function checkPreconditions(kind: Kind, name: string, current: ApiObject, options: ApiDeleteOptions): void {
  const { uid, resourceVersion } = current.metadata;
  if (options.uid !== undefined && options.uid !== uid) {
    const why = `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${uid}`;
    throw conflict(kind, name, why);
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    const why = `Precondition failed: ResourceVersion in precondition: ${options.resourceVersion}, ResourceVersion in object meta: ${resourceVersion}`;
    throw conflict(kind, name, why);
  }
}

/** The object with its deletion written on it; undefined when it can go at once. */
function mark(deps: RegistryDeps, kind: Kind, current: ApiObject, options: ApiDeleteOptions): ApiObject | undefined {
  const grace = kind.strategy.gracePeriodSeconds?.(current, options.gracePeriodSeconds) ?? 0;
  const finalizers = finalizersAfter(current.metadata.finalizers ?? [], options.propagationPolicy);
  const held = finalizers.length > 0 || kind.strategy.heldOnDelete?.(current) === true;
  if (!held && grace === 0) return undefined;
  const already = current.metadata.deletionTimestamp !== undefined;
  const before = current.metadata.deletionGracePeriodSeconds ?? 0;
  if (already && grace >= before && finalizers.length === (current.metadata.finalizers ?? []).length) return current;
  const object = structuredClone(current);
  const { metadata } = object;
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  const seconds = already ? Math.min(before, grace) : grace;
  if (!already || seconds < before) {
    metadata.deletionTimestamp = timestamp(deps.clock.now() + seconds * 1000);
    metadata.deletionGracePeriodSeconds = seconds;
    if (hasGeneration(kind, kind.storageVersion)) metadata.generation = (metadata.generation ?? 0) + 1;
  }
  kind.strategy.markDeleted?.(object);
  return object;
}

/** What the garbage collector has to do with dependants is written down as a finalizer. */
function finalizersAfter(finalizers: string[], policy: ApiDeleteOptions['propagationPolicy']): string[] {
  const others = finalizers.filter((f) => f !== 'orphan' && f !== 'foregroundDeletion');
  switch (policy) {
    case 'Orphan':
      return [...others, 'orphan'];
    case 'Foreground':
      return [...others, 'foregroundDeletion'];
    case 'Background':
      return others;
    case undefined:
      return finalizers;
  }
}
