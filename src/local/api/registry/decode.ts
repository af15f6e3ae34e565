import type { ApiObject } from '../../api-client.ts';
import type { ApiError } from '../../api-error.ts';
import { badRequest } from '../errors.ts';
import { isObject, type JsonObject } from '../json.ts';
import type { Kind, RequestContext } from '../kinds/kind.ts';
import { fillDefaults } from '../schema/defaults.ts';
import { goTypeProblem } from '../schema/go-types.ts';
import { prune } from '../schema/prune.ts';
import type { Schema } from '../schema/schema.ts';

/**
 * Makes a draft of what a client sent: own copy, unknown fields dropped (refused when the client asked for strictness),
 * defaults filled in. @throws ApiError 400 for values of the wrong type
 */
export function decode(
  kind: Kind,
  version: string,
  object: ApiObject,
  context: RequestContext,
  refuse: (why: string) => ApiError = (why) => undecodable(kind, version, why),
): ApiObject {
  const draft = structuredClone(object);
  const schema = kind.schema(version);
  if (kind.custom === undefined) {
    dropNulls(draft, schema);
    const problem = goTypeProblem(draft, schema, kind.resolve, kind.kind);
    if (problem !== undefined) throw refuse(problem);
  }
  const unknown = [...pruneBody(kind, schema, draft)];
  if (unknown.length > 0 && context.fieldValidation !== 'Ignore') {
    const lines = unknown.map((path) => `unknown field ${JSON.stringify(path)}`);
    if (context.fieldValidation === 'Strict') throw refuse(`strict decoding error: ${lines.join(', ')}`);
    context.warnings.push(...lines);
  }
  if (kind.custom !== undefined) checkMetadata(kind, version, draft);
  return reDefault(kind, version, draft);
}

function undecodable(kind: Kind, version: string, why: string) {
  return badRequest(`${kind.kind} in version "${version}" cannot be handled as a ${kind.kind}: ${why}`);
}

function pruneBody(kind: Kind, schema: Schema | undefined, draft: ApiObject): string[] {
  if (schema === undefined) return [];
  if (kind.custom === undefined) return prune(draft, schema, kind.resolve, false);
  const meta = kind.resolve(OBJECT_META);
  const dropped = prune(draft.metadata, meta, kind.resolve, false, 'metadata');
  if (kind.custom.preserveUnknownFields) return dropped;
  const { metadata, apiVersion, kind: kindName, ...rest } = draft;
  const more = prune(rest, schema, kind.resolve, true);
  for (const key of Object.keys(draft)) if (!(key in rest) && !FIXED.has(key)) delete draft[key];
  Object.assign(draft, { metadata, apiVersion, kind: kindName });
  return [...more, ...dropped];
}

export const OBJECT_META = '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const FIXED = new Set(['metadata', 'apiVersion', 'kind']);

function checkMetadata(kind: Kind, version: string, draft: ApiObject): void {
  const problem = goTypeProblem(draft.metadata, kind.resolve(OBJECT_META), kind.resolve, 'ObjectMeta');
  if (problem !== undefined) throw undecodable(kind, version, problem);
}

/** In Go's JSON, null is the same as absent. */
function dropNulls(value: unknown, schema: Schema | undefined): void {
  if (Array.isArray(value)) for (const item of value as unknown[]) dropNulls(item, schema);
  if (!isObject(value)) return;
  for (const [key, member] of Object.entries(value as JsonObject)) {
    if (member === null) delete value[key];
    else dropNulls(member, schema);
  }
}

/** Fills in defaults again, after admission has changed the object. Returns a draft. */
export function reDefault(kind: Kind, version: string, object: ApiObject): ApiObject {
  const draft = structuredClone(object);
  if (kind.custom !== undefined) {
    const { metadata: _, ...rest } = draft;
    fillDefaults(rest, kind.schema(version), kind.resolve);
    Object.assign(draft, rest);
    for (const key of Object.keys(draft)) if (key !== 'metadata' && !(key in rest)) delete draft[key];
  }
  kind.strategy.defaults?.(draft);
  return draft;
}
