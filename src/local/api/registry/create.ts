import { randomUUID } from 'node:crypto';
import type { ApiObject } from '../../api-client.ts';
import { mutate, validate } from '../admission/admission.ts';
import { trackUpdate } from '../apply/managed-fields.ts';
import { alreadyExists, badRequest, invalidObject } from '../errors.ts';
import type { Kind, RequestContext } from '../kinds/kind.ts';
import { decode, reDefault } from './decode.ts';
import { lookAt, type RegistryDeps, storeKey, timestamp, toStored, toVersion } from './deps.ts';
import { generatedName, metadataErrors, typed } from './names.ts';

export interface CreateRequest {
  readonly kind: Kind;
  readonly version: string;
  /** Of the URL; empty for cluster-scoped kinds. */
  readonly namespace: string;
  readonly body: unknown;
  readonly context: RequestContext;
  /** Set when server-side apply creates: it keeps the books itself. */
  readonly managed?: (object: ApiObject) => ApiObject;
}

/** Creates an object: decode, default, admit, validate, store. Returns it in the version asked for. */
export async function create(deps: RegistryDeps, request: CreateRequest): Promise<ApiObject> {
  const { kind, version, namespace, context } = request;
  const given = typed(kind, version, request.body);
  placeIn(kind, namespace, given);
  let draft = decode(kind, version, given, context);
  if ((draft.metadata.resourceVersion ?? '') !== '') {
    throw badRequest('resourceVersion should not be set on objects to be created');
  }
  if ((draft.metadata.name ?? '') === '' && (draft.metadata.generateName ?? '') !== '') {
    draft.metadata.name = generatedName(draft.metadata.generateName ?? '');
  }
  draft.metadata.name ??= '';
  const admission = {
    operation: 'CREATE' as const,
    kind,
    version,
    subresource: '',
    namespace,
    name: draft.metadata.name,
    oldObject: undefined,
    context,
  };
  draft = reDefault(kind, version, (await mutate(deps.admission, { ...admission, object: draft })) ?? draft);
  prepare(deps, kind, version, draft, context);
  draft =
    request.managed === undefined
      ? trackUpdate(kind, version, undefined, draft, context, '', timestamp(deps.clock.now()))
      : request.managed(draft);
  const look = lookAt(deps);
  const errors = [...metadataErrors(kind, draft), ...(kind.strategy.validate?.(draft, look) ?? [])];
  if (errors.length > 0) throw invalidObject(kind.group, kind.kind, draft.metadata.name, errors);
  context.warnings.push(...(kind.strategy.warnings?.(draft) ?? []));
  await validate(deps.admission, { ...admission, name: draft.metadata.name, object: draft });
  const stored = await toStored(deps, kind, draft);
  // From here to the put nothing is awaited: names and addresses are taken by whoever comes first.
  if (deps.store.staged(storeKey(kind), namespace, stored.metadata.name) !== undefined) {
    throw alreadyExists(kind, stored.metadata.name);
  }
  const claimErrors = kind.strategy.claim?.(stored, undefined, look) ?? [];
  if (claimErrors.length > 0) throw invalidObject(kind.group, kind.kind, stored.metadata.name, claimErrors);
  if (context.dryRun) return toVersion(deps, kind, stored, version);
  return toVersion(deps, kind, await deps.store.put(storeKey(kind), stored), version);
}

/** Puts the object into the URL's namespace; refuses one that says otherwise. */
export function placeIn(kind: Kind, namespace: string, object: ApiObject): void {
  const { metadata } = object;
  if (!kind.namespaced) {
    if ((metadata.namespace ?? '') !== '') throw badRequest('namespace is not allowed on cluster-scoped objects');
    delete metadata.namespace;
    return;
  }
  if ((metadata.namespace ?? '') !== '' && metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  metadata.namespace = namespace;
}

function prepare(deps: RegistryDeps, kind: Kind, version: string, draft: ApiObject, context: RequestContext): void {
  const { metadata } = draft;
  metadata.uid = randomUUID();
  metadata.creationTimestamp = timestamp(deps.clock.now());
  for (const key of ['deletionTimestamp', 'deletionGracePeriodSeconds', 'selfLink', 'resourceVersion']) {
    delete metadata[key];
  }
  delete metadata.generation;
  if (hasGeneration(kind, version)) metadata.generation = 1;
  if (kind.status(version)) delete draft['status'];
  kind.strategy.prepareCreate?.(draft, lookAt(deps), context);
}

/** Custom kinds count generations always, built-in ones when their strategy says so. */
export function hasGeneration(kind: Kind, _version: string): boolean {
  return kind.custom !== undefined || kind.strategy.generation === true;
}
