import type { ApiObject } from '../../api-client.ts';
import { badRequest } from '../errors.ts';
import { arrayOf, isObject, objectOf, stringOf } from '../json.ts';
import { apiVersionOf, type Kind, type RequestContext } from '../kinds/kind.ts';
import { OBJECT_META } from '../registry/decode.ts';
import type { Schema } from '../schema/schema.ts';
import { difference, emptySet, type FieldSet, isEmpty, parseSet, printSet, union } from './field-set.ts';
import { compareValues } from './typed-walk.ts';

/** Who set which fields, one entry per manager, operation and subresource. */
export interface ManagerEntry {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string;
  readonly fields: FieldSet;
}

/** The schema of a whole object, metadata included. */
export function rootSchema(kind: Kind, version: string): Schema | undefined {
  const schema = kind.schema(version);
  if (kind.custom === undefined) return schema;
  return { ...schema, type: 'object', properties: { ...schema?.properties, metadata: { $ref: OBJECT_META } } };
}

/** What nobody owns: what names the object, and what the server sets. */
const UNOWNED_META = [
  'creationTimestamp',
  'deletionGracePeriodSeconds',
  'deletionTimestamp',
  'generation',
  'managedFields',
  'name',
  'namespace',
  'resourceVersion',
  'selfLink',
  'uid',
];

export function stripUnowned(set: FieldSet): FieldSet {
  const unowned = emptySet();
  for (const key of ['apiVersion', 'kind']) unowned.children.set(`f:${key}`, emptySet(true));
  const metadata = emptySet(true);
  for (const key of UNOWNED_META) metadata.children.set(`f:${key}`, emptySet(true));
  unowned.children.set('f:metadata', metadata);
  const out = difference(set, unowned);
  // An entry below an unowned name cannot be: those are plain values.
  const meta = out.children.get('f:metadata');
  if (meta !== undefined && isEmpty(meta)) out.children.delete('f:metadata');
  return out;
}

/** The entries of an object. @throws ApiError 400 for entries that make no sense */
export function entriesOf(object: ApiObject | undefined): ManagerEntry[] {
  return arrayOf(object?.metadata['managedFields']).flatMap((entry) => {
    if (!isObject(entry) || Object.keys(entry).length === 0) return [];
    const { operation } = entry;
    if (operation !== 'Apply' && operation !== 'Update') {
      throw badRequest(
        `metadata.managedFields: operation must be \`Apply\` or \`Update\`, not ${JSON.stringify(operation)}`,
      );
    }
    return [
      {
        manager: stringOf(entry['manager']),
        operation,
        apiVersion: stringOf(entry['apiVersion']),
        subresource: stringOf(entry['subresource']),
        time: stringOf(entry['time']),
        fields: parseSet(entry['fieldsV1']),
      },
    ];
  });
}

/** Writes the entries onto an object, in Kubernetes' order; empty ones go. */
export function withEntries(object: ApiObject, entries: readonly ManagerEntry[]): ApiObject {
  const kept = entries.filter((e) => !isEmpty(e.fields)).sort(compareEntries);
  const printed = kept.map((e) => ({
    apiVersion: e.apiVersion,
    fieldsType: 'FieldsV1',
    fieldsV1: printSet(e.fields),
    manager: e.manager,
    operation: e.operation,
    ...(e.subresource === '' ? {} : { subresource: e.subresource }),
    time: e.time,
  }));
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata: { ...metadata, ...(printed.length === 0 ? {} : { managedFields: printed }) } };
}

function compareEntries(a: ManagerEntry, b: ManagerEntry): number {
  const order = (e: ManagerEntry) => [e.operation, e.time, e.manager, e.apiVersion, e.subresource].join('\u0000');
  const [x, y] = [order(a), order(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

export function sameManager(e: ManagerEntry, manager: string, operation: string, subresource: string): boolean {
  return e.manager === manager && e.operation === operation && e.subresource === subresource;
}

/**
 * Writes down in managedFields what a plain write (not an apply) has changed: the writer now owns it, nobody else does.
 * A client may replace the entries (kubectl does when it takes objects over to server-side apply), or clear them.
 */
export function trackUpdate(
  kind: Kind,
  version: string,
  old: ApiObject | undefined,
  object: ApiObject,
  context: RequestContext,
  subresource: string,
  now: string,
): ApiObject {
  const schema = rootSchema(kind, version);
  const sent = object.metadata['managedFields'];
  const before = old === undefined ? [] : Array.isArray(sent) ? entriesOf(object) : entriesOf(old);
  const diff = compareValues(old === undefined ? EMPTY : bare(old), bare(object), schema, kind.resolve);
  const changed = stripUnowned(diff.changed);
  const removed = stripUnowned(diff.removed);
  const lost = union(changed, removed);
  const mine = before.find((e) => sameManager(e, context.fieldManager, 'Update', subresource));
  const others = before.filter((e) => e !== mine).map((e) => ({ ...e, fields: difference(e.fields, lost) }));
  if (mine === undefined && isEmpty(changed)) return withEntries(object, others);
  const fields = difference(union(mine?.fields ?? emptySet(), changed), removed);
  const same =
    mine !== undefined && JSON.stringify(printSet(mine.fields)) === JSON.stringify(printSet(fields)) && isEmpty(lost);
  const time = same ? mine.time : now;
  // a write in another version that changes nothing is no write
  const apiVersion = same ? mine.apiVersion : apiVersionOf(kind.group, version);
  return withEntries(object, [
    ...others,
    { manager: context.fieldManager, operation: 'Update', apiVersion, subresource, time, fields },
  ]);
}

const EMPTY = { metadata: {} };

function bare(object: ApiObject): unknown {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...objectOf(object), metadata };
}
