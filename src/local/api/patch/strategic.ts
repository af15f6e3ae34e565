import { badRequest } from '../errors.ts';
import { arrayOf, isObject, type JsonObject, objectsOf, sameJson, stringsOf } from '../json.ts';
import { memberSchema, type Resolve, resolved, type Schema } from '../schema/schema.ts';

/**
 * Kubernetes' strategic merge patch: like a merge patch, but lists that the schema gives a merge key are merged by it,
 * with the directives `$patch`, `$retainKeys`, `$setElementOrder/x` and `$deleteFromPrimitiveList/x`.
 */
export function strategicMergePatch(
  document: unknown,
  patch: unknown,
  schema: Schema | undefined,
  resolve: Resolve,
): unknown {
  if (!isObject(patch)) throw badRequest('a strategic merge patch has to be an object');
  return mergeObject(isObject(document) ? document : {}, patch, resolved(schema, resolve), resolve);
}

const ORDER = '$setElementOrder/';
const DELETE = '$deleteFromPrimitiveList/';

function mergeObject(
  document: JsonObject,
  patch: JsonObject,
  schema: Schema | undefined,
  resolve: Resolve,
): JsonObject {
  const { $patch: directive, $retainKeys: retain, ...rest } = patch;
  if (directive === 'delete') return {};
  if (directive === 'replace') return withoutDirectives(rest) as JsonObject;
  if (directive !== undefined && directive !== 'merge')
    throw badRequest(`Unknown patch type found: ${JSON.stringify(directive)}`);
  let out: JsonObject = { ...document };
  if (retain !== undefined) {
    const kept = new Set(stringsOf(retain));
    out = Object.fromEntries(Object.entries(out).filter(([key]) => kept.has(key)));
  }
  for (const [key, value] of Object.entries(rest)) {
    if (key.startsWith(ORDER)) continue;
    if (key.startsWith(DELETE)) {
      const field = key.slice(DELETE.length);
      const gone = arrayOf(value);
      if (Array.isArray(out[field])) out[field] = arrayOf(out[field]).filter((v) => !gone.some((g) => sameJson(g, v)));
    } else if (value === null) delete out[key];
    else out[key] = mergeMember(out[key], value, memberSchema(schema, key, resolve), resolve, patch[`${ORDER}${key}`]);
  }
  for (const [key, order] of Object.entries(rest)) {
    const field = key.slice(ORDER.length);
    if (!key.startsWith(ORDER) || !Array.isArray(out[field])) continue;
    out[field] = ordered(arrayOf(out[field]), arrayOf(order), mergeKey(memberSchema(schema, field, resolve)));
  }
  return out;
}

function mergeMember(
  current: unknown,
  value: unknown,
  schema: Schema | undefined,
  resolve: Resolve,
  order: unknown,
): unknown {
  if (isObject(value)) {
    if (schema?.['x-kubernetes-patch-strategy'] === 'replace') return withoutDirectives(value);
    return mergeObject(isObject(current) ? current : {}, value, schema, resolve);
  }
  if (!Array.isArray(value)) return value;
  const list = value as unknown[];
  const strategies = (schema?.['x-kubernetes-patch-strategy'] ?? '').split(',');
  if (!strategies.includes('merge')) return withoutDirectives(list);
  const key = mergeKey(schema);
  if (key === undefined) return mergePrimitives(arrayOf(current), list, order);
  return mergeList(arrayOf(current), list, key, resolved(schema?.items, resolve), resolve);
}

function mergeKey(schema: Schema | undefined): string | undefined {
  return schema?.['x-kubernetes-patch-merge-key'];
}

function mergePrimitives(current: unknown[], patch: unknown[], _order: unknown): unknown[] {
  return [...current, ...patch.filter((v) => !current.some((c) => sameJson(c, v)))];
}

function mergeList(
  current: unknown[],
  patch: unknown[],
  key: string,
  schema: Schema | undefined,
  resolve: Resolve,
): unknown[] {
  const items = objectsOf(patch);
  if (items.some((item) => item['$patch'] === 'replace' && !(key in item))) {
    return withoutDirectives(items.filter((item) => item['$patch'] === undefined)) as unknown[];
  }
  let out = [...current];
  for (const item of items) {
    if (!(key in item)) throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
    const same = (other: unknown) => isObject(other) && sameJson(other[key], item[key]);
    if (item['$patch'] === 'delete') {
      out = out.filter((other) => !same(other));
      continue;
    }
    const at = out.findIndex(same);
    const merged = mergeObject(at < 0 ? {} : (out[at] as JsonObject), item, schema, resolve);
    if (at < 0) out.push(merged);
    else out[at] = merged;
  }
  return out;
}

/** Puts what the patch names into its order; what only the server has keeps its place relative to its neighbours. */
function ordered(list: unknown[], order: unknown[], key: string | undefined): unknown[] {
  const identity = (v: unknown) => JSON.stringify(key !== undefined && isObject(v) ? v[key] : v);
  const rank = new Map(order.map((v, i) => [identity(v), i]));
  const named = list
    .filter((v) => rank.has(identity(v)))
    .sort((a, b) => (rank.get(identity(a)) ?? 0) - (rank.get(identity(b)) ?? 0));
  const out: unknown[] = [];
  for (const item of list) {
    if (!rank.has(identity(item))) out.push(item);
    else {
      const next = named.shift();
      if (next !== undefined) out.push(next);
    }
  }
  return out;
}

function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(
        ([key, v]) =>
          v !== null && key !== '$patch' && key !== '$retainKeys' && !key.startsWith(ORDER) && !key.startsWith(DELETE),
      )
      .map(([key, v]) => [key, withoutDirectives(v)]),
  );
}
