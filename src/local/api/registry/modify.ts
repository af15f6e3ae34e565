import type { ApiMeta, ApiObject } from '../../api-client.ts';
import type { ApiError } from '../../api-error.ts';
import { mutate, validate } from '../admission/admission.ts';
import { trackUpdate } from '../apply/managed-fields.ts';
import { badRequest, conflict, invalidObject, modifiedMeanwhile, notFound } from '../errors.ts';
import { type JsonObject, sameJson } from '../json.ts';
import { type Kind, parseApiVersion, type RequestContext } from '../kinds/kind.ts';
import { hasGeneration, placeIn } from './create.ts';
import { decode, reDefault } from './decode.ts';
import { lookAt, type RegistryDeps, storeKey, timestamp, toStored, toVersion } from './deps.ts';
import { immutableMetadataErrors, metadataErrors, typed } from './names.ts';

export interface ModifyRequest {
  readonly kind: Kind;
  readonly version: string;
  readonly namespace: string;
  readonly name: string;
  /** Empty, `status`, or another one that changes the object itself (`finalize`, `ephemeralcontainers`). */
  readonly subresource: string;
  readonly context: RequestContext;
  /** Makes the new object from the present one (in the request's version; frozen). */
  /** Named in managedFields; `subresource` when missing. */
  readonly trackedAs?: string;
  readonly change: (current: ApiObject) => unknown;
  /** How a client is told that what came out does not decode. */
  readonly undecodable?: (why: string) => ApiError;
  /** Server-side apply keeps the books of field owners itself. */
  readonly managed?: (object: ApiObject, current: ApiObject) => ApiObject;
  /** An update that names no resourceVersion wins over what it has not seen; a patch is worked out again. */
  readonly retries?: number;
}

const RETRIES = 5;

/** Changes an object: work out, decode, admit, validate, store. Returns it in the version asked for. */
export async function modify(deps: RegistryDeps, request: ModifyRequest): Promise<ApiObject> {
  const { kind, namespace, name } = request;
  for (let attempt = 0; ; attempt++) {
    const current = deps.store.staged(storeKey(kind), namespace, name);
    if (current === undefined) throw notFound(kind, name);
    const result = await attemptModify(deps, request, current);
    if (result !== undefined) return result;
    if (attempt >= (request.retries ?? RETRIES)) throw modifiedMeanwhile(kind, name);
  }
}

/** Undefined when somebody else was faster and the change has to be worked out again. */
async function attemptModify(
  deps: RegistryDeps,
  request: ModifyRequest,
  current: ApiObject,
): Promise<ApiObject | undefined> {
  const { kind, version, namespace, name, subresource, context } = request;
  const old = await toVersion(deps, kind, current, version);
  let draft = decode(kind, version, typed(kind, version, request.change(old)), context, request.undecodable);
  checkIdentity(kind, request, draft);
  const asked = draft.metadata.resourceVersion ?? '';
  if ((draft.metadata.uid ?? '') !== '' && draft.metadata.uid !== old.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${draft.metadata.uid}, UID in object meta: ${old.metadata.uid}`;
    throw conflict(kind, name, why);
  }
  if (asked !== '' && asked !== '0' && asked !== old.metadata.resourceVersion) throw modifiedMeanwhile(kind, name);
  const admission = {
    operation: 'UPDATE' as const,
    kind,
    version,
    subresource,
    namespace,
    name,
    oldObject: old,
    context,
  };
  keepSystemFields(draft, old);
  draft = reDefault(kind, version, (await mutate(deps.admission, { ...admission, object: draft })) ?? draft);
  keepSystemFields(draft, old);
  separateStatus(kind, version, subresource, draft, old);
  const look = lookAt(deps);
  kind.strategy.prepareUpdate?.(draft, old, look, {
    ...context,
    internal: context.internal || subresource === 'finalize',
  });
  bumpGeneration(kind, version, draft, old);
  draft =
    request.managed === undefined
      ? trackUpdate(kind, version, old, draft, context, request.trackedAs ?? subresource, timestamp(deps.clock.now()))
      : request.managed(draft, old);
  const errors = [
    ...metadataErrors(kind, draft),
    ...immutableMetadataErrors(draft, old),
    ...(kind.strategy.validate?.(draft, look, old) ?? []),
    ...(kind.strategy.validateUpdate?.(draft, old, look) ?? []),
  ];
  if (errors.length > 0) throw invalidObject(kind.group, kind.kind, name, errors);
  await validate(deps.admission, { ...admission, object: draft });
  const stored = await toStored(deps, kind, draft);
  // From here to the put nothing is awaited.
  const now = deps.store.staged(storeKey(kind), namespace, name);
  if (now === undefined) throw notFound(kind, name);
  // A change that names the version it is for finds out on the next attempt that it is too late.
  if (now.metadata.resourceVersion !== current.metadata.resourceVersion) return undefined;
  const claimErrors = kind.strategy.claim?.(stored, current, look) ?? [];
  if (claimErrors.length > 0) throw invalidObject(kind.group, kind.kind, name, claimErrors);
  return finish(deps, request, current, stored);
}

async function finish(
  deps: RegistryDeps,
  { kind, version, context }: ModifyRequest,
  current: ApiObject,
  stored: ApiObject,
): Promise<ApiObject> {
  const key = storeKey(kind);
  if (context.dryRun || sameExceptTimes(stored, current)) {
    return toVersion(deps, kind, context.dryRun ? stored : current, version);
  }
  const { deletionTimestamp, finalizers = [], deletionGracePeriodSeconds = 0 } = stored.metadata;
  const released = deletionTimestamp !== undefined && finalizers.length === 0 && deletionGracePeriodSeconds === 0;
  if (released && kind.strategy.heldOnDelete?.(stored) !== true) {
    await deps.store.remove(key, stored);
    return toVersion(deps, kind, stored, version);
  }
  return toVersion(deps, kind, await deps.store.put(key, stored), version);
}

function checkIdentity(kind: Kind, { namespace, name, version }: ModifyRequest, draft: ApiObject): void {
  placeIn(kind, namespace, draft);
  draft.metadata.name ??= '';
  if (draft.metadata.name === '') draft.metadata.name = name;
  if (draft.metadata.name !== name) {
    throw badRequest(`the name of the object (${draft.metadata.name}) does not match the name on the URL (${name})`);
  }
  if (parseApiVersion(draft.apiVersion).version !== version) throw badRequest('the version of the object changed');
}

/** What only the server sets stays as it is, whatever the client sent; a different creation time is refused later. */
function keepSystemFields(draft: ApiObject, old: ApiObject): void {
  const meta: ApiMeta = draft.metadata;
  for (const key of [
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generation',
  ] as const) {
    const value = old.metadata[key];
    if (key === 'uid' || key === 'generation' || meta[key] === undefined || meta[key] === null) {
      if (value === undefined) delete meta[key];
      else Object.assign(meta, { [key]: value });
    }
  }
  delete meta['selfLink'];
  if (old.metadata.resourceVersion !== undefined) meta.resourceVersion = old.metadata.resourceVersion;
}

/** With a status subresource, the object's own endpoint leaves status alone, and `/status` everything else. */
function separateStatus(kind: Kind, version: string, subresource: string, draft: ApiObject, old: ApiObject): void {
  if (!kind.status(version)) return;
  if (subresource !== 'status') {
    if (old['status'] === undefined) delete draft['status'];
    else draft['status'] = old['status'];
    return;
  }
  const fields = draft as JsonObject;
  for (const key of Object.keys(fields)) if (!KEPT.has(key) && !(key in old)) delete fields[key];
  for (const [key, value] of Object.entries(old)) if (!KEPT.has(key)) fields[key] = value;
  const { managedFields, labels, annotations, finalizers } = draft.metadata;
  // Kubernetes lets /status of built-in kinds change labels and annotations; of custom kinds, nothing in metadata.
  draft.metadata = { ...old.metadata };
  if (managedFields !== undefined) draft.metadata['managedFields'] = managedFields;
  if (kind.custom !== undefined) return;
  setOrDelete(draft.metadata, 'labels', labels);
  setOrDelete(draft.metadata, 'annotations', annotations);
  setOrDelete(draft.metadata, 'finalizers', finalizers);
}

const KEPT = new Set(['status', 'metadata', 'apiVersion', 'kind']);

function setOrDelete(object: JsonObject, key: string, value: unknown): void {
  if (value === undefined) delete object[key];
  else object[key] = value;
}

/** A new generation is a new wish of the user: anything changed but metadata and status. */
function bumpGeneration(kind: Kind, version: string, draft: ApiObject, old: ApiObject): void {
  if (!hasGeneration(kind, version)) return;
  const wish = ({ metadata: _, status, ...rest }: ApiObject) => (kind.status(version) ? rest : { ...rest, status });
  if (!sameJson(wish(draft), wish(old))) draft.metadata.generation = (old.metadata.generation ?? 0) + 1;
}

/** Whether a write would change nothing but the times in managedFields. Such a write is not made. */
function sameExceptTimes(a: ApiObject, b: ApiObject): boolean {
  const bare = (object: ApiObject) => {
    const { managedFields, ...metadata } = object.metadata;
    const entries = Array.isArray(managedFields) ? (managedFields as JsonObject[]) : [];
    return { ...object, metadata: { ...metadata, managedFields: entries.map(({ time: _, ...entry }) => entry) } };
  };
  return sameJson(bare(a), bare(b));
}
