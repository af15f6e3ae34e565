import { isObject, type JsonObject } from '../json.ts';

/**
 * A set of paths into an object, as FieldsV1 writes it: members are `f:name` (field), `k:{...}` (item of a keyed list),
 * `v:...` (member of a set). `own` says that the path itself is in the set, not only paths below it.
 */
export interface FieldSet {
  own: boolean;
  readonly children: Map<string, FieldSet>;
}

export function emptySet(own = false): FieldSet {
  return { own, children: new Map() };
}

export function isEmpty(set: FieldSet): boolean {
  return !set.own && [...set.children.values()].every(isEmpty);
}

/** Reads `fieldsV1` of a managedFields entry. */
export function parseSet(json: unknown, root = true): FieldSet {
  const set = emptySet(false);
  if (!isObject(json)) return set;
  const keys = Object.keys(json);
  set.own = (!root && keys.length === 0) || '.' in json;
  for (const key of keys) if (key !== '.') set.children.set(key, parseSet(json[key], false));
  return set;
}

/** Writes FieldsV1; the members are sorted. */
export function printSet(set: FieldSet): JsonObject {
  const out: JsonObject = {};
  if (set.own && set.children.size > 0) out['.'] = {};
  for (const [key, child] of [...set.children].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!isEmpty(child)) out[key] = printSet(child);
  }
  return out;
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  const out = emptySet(a.own || b.own);
  for (const key of new Set([...a.children.keys(), ...b.children.keys()])) {
    const [x, y] = [a.children.get(key), b.children.get(key)];
    out.children.set(key, x === undefined ? (y ?? emptySet()) : y === undefined ? x : union(x, y));
  }
  return out;
}

/** What is in `a` and not in `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const out = emptySet(a.own && !b.own);
  for (const [key, child] of a.children) {
    const other = b.children.get(key);
    const rest = other === undefined ? child : difference(child, other);
    if (!isEmpty(rest)) out.children.set(key, rest);
  }
  return out;
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const out = emptySet(a.own && b.own);
  for (const [key, child] of a.children) {
    const other = b.children.get(key);
    const common = other === undefined ? undefined : intersection(child, other);
    if (common !== undefined && !isEmpty(common)) out.children.set(key, common);
  }
  return out;
}

/** What is in `a` and neither in `b` nor below a path of `b`: when a whole value goes, so does what is in it. */
export function differenceRecursive(a: FieldSet, b: FieldSet): FieldSet {
  if (b.own) return emptySet();
  const out = emptySet(a.own);
  for (const [key, child] of a.children) {
    const other = b.children.get(key);
    const rest = other === undefined ? child : differenceRecursive(child, other);
    if (!isEmpty(rest)) out.children.set(key, rest);
  }
  return out;
}

/** The paths as Kubernetes prints them: `.spec.containers[name="app"].image`. */
export function printPaths(set: FieldSet, prefix = ''): string[] {
  const own = set.own ? [prefix === '' ? '.' : prefix] : [];
  const below = [...set.children]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, child]) => printPaths(child, prefix + step(key)));
  return [...own, ...below];
}

function step(key: string): string {
  const rest = key.slice(2);
  if (key.startsWith('f:')) return `.${rest}`;
  if (key.startsWith('v:')) return `[=${rest}]`;
  const fields = Object.entries(JSON.parse(rest) as JsonObject).map(([k, v]) => `${k}=${JSON.stringify(v)}`);
  return `[${fields.join(',')}]`;
}
