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
    else out[key] = mergeMember(out[key], value, memberSchema(schema, key, resolve), resolve);
  }
  for (const [key, order] of Object.entries(rest)) {
    const field = key.slice(ORDER.length);
    if (!key.startsWith(ORDER) || !Array.isArray(out[field])) continue;
    const by = mergeKey(memberSchema(schema, field, resolve));
    out[field] = ordered(arrayOf(out[field]), arrayOf(order), arrayOf(document[field]), by);
  }
  return out;
}

function mergeMember(current: unknown, value: unknown, schema: Schema | undefined, resolve: Resolve): unknown {
  if (isObject(value)) {
    if (schema?.['x-kubernetes-patch-strategy'] === 'replace') return withoutDirectives(value);
    return mergeObject(isObject(current) ? current : {}, value, schema, resolve);
  }
  if (!Array.isArray(value)) return value;
  const list = value as unknown[];
  const strategies = (schema?.['x-kubernetes-patch-strategy'] ?? '').split(',');
  if (!strategies.includes('merge')) return withoutDirectives(list);
  const key = mergeKey(schema);
  if (key === undefined) return mergePrimitives(arrayOf(current), list);
  return mergeList(arrayOf(current), list, key, resolved(schema?.items, resolve), resolve);
}

function mergeKey(schema: Schema | undefined): string | undefined {
  return schema?.['x-kubernetes-patch-merge-key'];
}

function mergePrimitives(current: unknown[], patch: unknown[]): unknown[] {
  const merged = [...current, ...patch.filter((v) => !current.some((c) => sameJson(c, v)))];
  return ordered(merged, patch, current, undefined);
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
  return ordered(out, patch, current, key);
}

/**
 * What the patch names stands in the order that it gives. What it does not name keeps its order and comes before the
 * first of the named ones that stood behind it; items that are new stand in front of it.
 */
function ordered(list: unknown[], order: unknown[], before: unknown[], key: string | undefined): unknown[] {
  const identity = (v: unknown) => JSON.stringify(key !== undefined && isObject(v) ? v[key] : v);
  const ranks = (items: unknown[]) => new Map(items.map((v, i) => [identity(v), i]));
  const [rank, place] = [ranks(order), ranks(before)];
  const at = (map: ReadonlyMap<string, number>, v: unknown) => map.get(identity(v)) ?? -1;
  const named = list.filter((v) => at(rank, v) >= 0).sort((a, b) => at(rank, a) - at(rank, b));
  const out: unknown[] = [];
  for (const item of list.filter((v) => at(rank, v) < 0)) {
    while (named[0] !== undefined && !(at(place, item) < at(place, named[0]))) out.push(named.shift());
    out.push(item);
  }
  return [...out, ...named];
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
