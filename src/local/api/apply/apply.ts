import type { ApiObject } from '../../api-client.ts';
import { ApiError } from '../../api-error.ts';
import { badRequest, conflict } from '../errors.ts';
import { isObject, type JsonObject } from '../json.ts';
import { apiVersionOf, type Kind, type RequestContext } from '../kinds/kind.ts';
import { create } from '../registry/create.ts';
import { type RegistryDeps, storeKey, timestamp } from '../registry/deps.ts';
import { modify } from '../registry/modify.ts';
import { prune } from '../schema/prune.ts';
import {
  difference,
  emptySet,
  type FieldSet,
  intersection,
  isEmpty,
  printPaths,
  printSet,
  union,
} from './field-set.ts';
import { entriesOf, type ManagerEntry, rootSchema, sameManager, stripUnowned, withEntries } from './managed-fields.ts';
import { compareValues, fieldsOf, mergeApplied, without } from './typed-walk.ts';

export interface ApplyRequest {
  readonly kind: Kind;
  readonly version: string;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly body: unknown;
  readonly force: boolean;
  readonly context: RequestContext;
}

/** Server-side apply: the object is made or changed to hold what was sent; what the manager no longer sends goes. */
export async function apply(
  deps: RegistryDeps,
  request: ApplyRequest,
): Promise<{ object: ApiObject; created: boolean }> {
  const { kind, version, namespace, name, subresource, context, force } = request;
  const config = configOf(request);
  const owned = ownedBy(kind, version, config, subresource);
  const now = timestamp(deps.clock.now());
  const exists = deps.store.staged(storeKey(kind), namespace, name) !== undefined;
  if (!exists && subresource === '') {
    const managed = (object: ApiObject) => withEntries(object, [entry(request, owned, now)]);
    return { object: await create(deps, { kind, version, namespace, body: config, context, managed }), created: true };
  }
  const object = await modify(deps, {
    kind,
    version,
    namespace,
    name,
    subresource,
    context,
    change: (current) => merged(request, config, owned, current, force),
    managed: (changed, current) => withEntries(changed, entriesAfter(request, owned, current, changed, now)),
  });
  return { object, created: false };
}

function configOf({ body, name, kind, version, context }: ApplyRequest): ApiObject {
  if (!isObject(body)) throw badRequest('the body of an apply has to be an object');
  if (context.fieldManager === '') {
    const message = 'Required value: is required for apply patch';
    throw new ApiError(422, 'Invalid', `PatchOptions.meta.k8s.io "" is invalid: fieldManager: ${message}`, {
      group: 'meta.k8s.io',
      kind: 'PatchOptions',
      causes: [{ reason: 'FieldValueRequired', message, field: 'fieldManager' }],
    });
  }
  const metadata = isObject(body['metadata']) ? { ...body['metadata'] } : {};
  if (metadata['managedFields'] !== undefined) throw badRequest('metadata.managedFields must be nil');
  if (body['apiVersion'] !== apiVersionOf(kind.group, version) || body['kind'] !== kind.kind) {
    throw badRequest(
      `the object to apply is a ${String(body['kind'])} of ${String(body['apiVersion'])}, the URL names ${kind.kind} of ${apiVersionOf(kind.group, version)}`,
    );
  }
  metadata['name'] ??= name;
  return { ...body, metadata } as unknown as ApiObject;
}

/** The fields that the manager sends, unknown ones left out. */
function ownedBy(kind: Kind, version: string, config: ApiObject, subresource: string): FieldSet {
  const schema = rootSchema(kind, version);
  const known = structuredClone(config);
  prune(known, schema, kind.resolve, kind.custom !== undefined);
  const all = stripUnowned(fieldsOf(known, schema, kind.resolve, false));
  if (!kind.status(version)) return all;
  const out = emptySet();
  for (const [key, child] of all.children)
    if ((key === 'f:status') === (subresource === 'status')) out.children.set(key, child);
  return out;
}

function entry({ kind, version, subresource, context }: ApplyRequest, fields: FieldSet, time: string): ManagerEntry {
  return {
    manager: context.fieldManager,
    operation: 'Apply',
    apiVersion: apiVersionOf(kind.group, version),
    subresource,
    time,
    fields,
  };
}

function merged(
  request: ApplyRequest,
  config: ApiObject,
  owned: FieldSet,
  current: ApiObject,
  force: boolean,
): JsonObject {
  const { kind, version, context, subresource, name } = request;
  const schema = rootSchema(kind, version);
  const entries = entriesOf(current);
  const others = entries.filter((e) => !sameManager(e, context.fieldManager, 'Apply', subresource));
  const mine = entries.find((e) => sameManager(e, context.fieldManager, 'Apply', subresource));
  const overlay = mergeApplied(current, config, schema, kind.resolve);
  const { changed } = compareValues(current, overlay, schema, kind.resolve);
  if (!force) refuseConflicts(others, intersection(stripUnowned(changed), owned), kind, name);
  const kept = others.reduce((all, e) => union(all, e.fields), owned);
  const gone = difference(mine?.fields ?? emptySet(), owned);
  const out = without(overlay, gone, kept, schema, kind.resolve) as JsonObject;
  return out;
}

function refuseConflicts(others: readonly ManagerEntry[], changed: FieldSet, kind: Kind, name: string): void {
  const found = others
    .map((e) => ({ manager: printManager(e), paths: printPaths(intersection(e.fields, changed)) }))
    .filter(({ paths }) => paths.length > 0);
  const causes = found.flatMap(({ manager, paths }) =>
    paths.map((field) => ({ reason: 'FieldManagerConflict', message: `conflict with ${manager}`, field })),
  );
  const only = causes[0];
  if (only === undefined) return;
  const lists = found.map(
    ({ manager, paths }) => `conflicts with ${manager}:\n${paths.map((p) => `- ${p}`).join('\n')}`,
  );
  const message =
    causes.length === 1
      ? `Apply failed with 1 conflict: ${only.message}: ${only.field}`
      : `Apply failed with ${causes.length} conflicts: ${lists.join('\n')}`;
  const { details } = conflict(kind, name, '');
  throw new ApiError(409, 'Conflict', message, { ...details, causes });
}

function printManager({ manager, operation, apiVersion, subresource }: ManagerEntry): string {
  const by = `${JSON.stringify(manager)}${subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`}`;
  return operation === 'Update' ? `${by} using ${apiVersion}` : by;
}

/** Everybody's fields after the apply: forced ones change hands, equal ones are shared. */
function entriesAfter(
  request: ApplyRequest,
  owned: FieldSet,
  current: ApiObject,
  changed: ApiObject,
  now: string,
): ManagerEntry[] {
  const { kind, version, context, subresource } = request;
  const entries = entriesOf(current);
  const mine = entries.find((e) => sameManager(e, context.fieldManager, 'Apply', subresource));
  const diff = compareValues(current, changed, rootSchema(kind, version), kind.resolve);
  const lost = stripUnowned(union(intersection(diff.changed, owned), diff.removed));
  const others = entries.filter((e) => e !== mine).map((e) => ({ ...e, fields: difference(e.fields, lost) }));
  const same = mine !== undefined && JSON.stringify(printSet(mine.fields)) === JSON.stringify(printSet(owned));
  const mineNow = entry(request, owned, same && isEmpty(lost) ? mine.time : now);
  return [...others, mineNow];
}
