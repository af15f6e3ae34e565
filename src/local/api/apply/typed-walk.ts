import { arrayOf, isObject, type JsonObject, sameJson } from '../json.ts';
import { memberSchema, type Resolve, resolved, type Schema } from '../schema/schema.ts';
import { emptySet, type FieldSet } from './field-set.ts';

/** How a value is merged: as a whole, field by field, item by key, or as a set. */
export type Topology = 'atomic' | 'fields' | 'keyed' | 'set';

export function topologyOf(value: unknown, schema: Schema | undefined): Topology {
  if (Array.isArray(value)) {
    const type = schema?.['x-kubernetes-list-type'];
    return type === 'map' ? 'keyed' : type === 'set' ? 'set' : 'atomic';
  }
  if (!isObject(value) || schema?.['x-kubernetes-map-type'] === 'atomic') return 'atomic';
  return 'fields';
}

/** The path element of an item of a keyed list; missing keys count with their defaults. */
export function itemKey(item: unknown, schema: Schema | undefined, resolve: Resolve): string {
  const inner = resolved(schema?.items, resolve);
  const keys = [...(schema?.['x-kubernetes-list-map-keys'] ?? [])].sort();
  const entries = keys.map((key) => {
    const own = isObject(item) ? item[key] : undefined;
    return [key, own ?? memberSchema(inner, key, resolve)?.default ?? null];
  });
  return `k:${JSON.stringify(Object.fromEntries(entries))}`;
}

export function setKey(item: unknown): string {
  return `v:${JSON.stringify(item)}`;
}

/** Members of a value with their path elements; for values that are not merged as a whole. */
export function membersOf(
  value: unknown,
  schema: Schema | undefined,
  resolve: Resolve,
): [string, unknown, Schema | undefined][] {
  switch (topologyOf(value, schema)) {
    case 'fields':
      return Object.entries(value as JsonObject).map(([key, member]) => [
        `f:${key}`,
        member,
        memberSchema(schema, key, resolve),
      ]);
    case 'keyed':
      return arrayOf(value).map((item) => [itemKey(item, schema, resolve), item, resolved(schema?.items, resolve)]);
    case 'set':
      return arrayOf(value).map((item) => [setKey(item), item, undefined]);
    case 'atomic':
      return [];
  }
}

/**
 * The paths of a value. `containers`: free-form maps (labels) count themselves too, as they do for plain writes; an
 * apply owns what is in them only.
 */
export function fieldsOf(value: unknown, schema: Schema | undefined, resolve: Resolve, containers: boolean): FieldSet {
  const known = resolved(schema, resolve);
  const topology = topologyOf(value, known);
  if (topology === 'atomic') return emptySet(true);
  const set = emptySet(false);
  const members = membersOf(value, known, resolve);
  if (members.length === 0) return emptySet(topology === 'fields'); // `{}` is a value of its own, an empty list is none
  for (const [key, member, inner] of members) {
    const below = fieldsOf(member, inner, resolve, containers);
    if (topology === 'keyed' || topology === 'set') below.own = true;
    set.children.set(key, below);
  }
  if (containers && known?.additionalProperties !== undefined) set.own = true;
  return set;
}

/** Which paths differ between two versions of a value. */
export interface Changes {
  /** New or different in `after`. */
  readonly changed: FieldSet;
  /** Gone in `after`. */
  readonly removed: FieldSet;
}

export function compareValues(before: unknown, after: unknown, schema: Schema | undefined, resolve: Resolve): Changes {
  const known = resolved(schema, resolve);
  if (before === undefined) return { changed: fieldsOf(after, known, resolve, true), removed: emptySet() };
  if (after === undefined) return { changed: emptySet(), removed: withContainers(before, known, resolve) };
  const topology = topologyOf(after, known);
  if (topology === 'atomic' || topologyOf(before, known) !== topology) {
    return { changed: emptySet(!sameJson(before, after)), removed: emptySet() };
  }
  const changed = emptySet();
  const removed = emptySet();
  const old = new Map(membersOf(before, known, resolve).map(([key, member]) => [key, member]));
  for (const [key, member, inner] of membersOf(after, known, resolve)) {
    const was = old.get(key);
    old.delete(key);
    const diff = compareValues(was, member, inner, resolve);
    if (was === undefined && topology !== 'fields') diff.changed.own = true;
    changed.children.set(key, diff.changed);
    removed.children.set(key, diff.removed);
  }
  for (const [key, member, inner] of membersOf(before, known, resolve)) {
    if (old.has(key)) removed.children.set(key, withContainers(member, inner, resolve));
  }
  return { changed, removed };
}

/** Everything at and below a value that is gone. */
function withContainers(value: unknown, schema: Schema | undefined, resolve: Resolve): FieldSet {
  const set = fieldsOf(value, schema, resolve, true);
  set.own = true;
  return set;
}

/** What an apply makes of the live value: the applied one laid over it. */
export function mergeApplied(live: unknown, applied: unknown, schema: Schema | undefined, resolve: Resolve): unknown {
  const known = resolved(schema, resolve);
  const topology = topologyOf(applied, known);
  if (topology === 'atomic' || live === undefined || topologyOf(live, known) !== topology)
    return structuredClone(applied);
  switch (topology) {
    case 'fields': {
      const out: JsonObject = { ...(live as JsonObject) };
      for (const [key, member] of Object.entries(applied as JsonObject)) {
        out[key] = mergeApplied(out[key], member, memberSchema(known, key, resolve), resolve);
      }
      return out;
    }
    case 'set':
      return [...arrayOf(live), ...arrayOf(applied).filter((v) => !arrayOf(live).some((l) => sameJson(l, v)))];
    case 'keyed': {
      const inner = resolved(known?.items, resolve);
      const fresh = new Map(arrayOf(applied).map((item) => [itemKey(item, known, resolve), item]));
      const out = arrayOf(live).map((item) => {
        const key = itemKey(item, known, resolve);
        const over = fresh.get(key);
        fresh.delete(key);
        return over === undefined ? item : mergeApplied(item, over, inner, resolve);
      });
      return [...out, ...fresh.values()];
    }
  }
}

/** The value without the paths of `gone`, except where `kept` (what others own) has something at or below them. */
export function without(
  value: unknown,
  gone: FieldSet,
  kept: FieldSet,
  schema: Schema | undefined,
  resolve: Resolve,
): unknown {
  const known = resolved(schema, resolve);
  const topology = topologyOf(value, known);
  if (topology === 'atomic') return value;
  const remains = (key: string): boolean => {
    const child = gone.children.get(key);
    return child === undefined || !removable(child) || kept.children.has(key);
  };
  if (topology === 'fields') {
    const out: JsonObject = {};
    for (const [key, member] of Object.entries(value as JsonObject)) {
      const path = `f:${key}`;
      const child = gone.children.get(path);
      if (child === undefined) out[key] = member;
      else if (remains(path)) {
        const inner = without(
          member,
          child,
          kept.children.get(path) ?? emptySet(),
          memberSchema(known, key, resolve),
          resolve,
        );
        // A list or map that this manager emptied goes with its last member.
        if (!isHollow(inner) || isHollow(member) || kept.children.get(path)?.own === true) out[key] = inner;
      }
    }
    return out;
  }
  const inner = resolved(known?.items, resolve);
  return arrayOf(value).flatMap((item) => {
    const key = topology === 'keyed' ? itemKey(item, known, resolve) : setKey(item);
    const child = gone.children.get(key);
    if (child === undefined) return [item];
    return remains(key) ? [without(item, child, kept.children.get(key) ?? emptySet(), inner, resolve)] : [];
  });
}

function removable(set: FieldSet): boolean {
  return set.own;
}

function isHollow(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;
}
