import { isObject } from '../json.ts';
import { memberSchema, type Resolve, resolved, type Schema } from './schema.ts';

/** Fills in a custom kind's `default:` values, in place, outer ones first so that they can be filled in further. */
export function fillDefaults(value: unknown, schema: Schema | undefined, resolve: Resolve): void {
  const known = resolved(schema, resolve);
  if (known === undefined) return;
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) fillDefaults(item, known.items, resolve);
    return;
  }
  if (!isObject(value)) return;
  for (const [key, property] of Object.entries(known.properties ?? {})) {
    const inner = resolved(property, resolve);
    if (inner?.default === undefined) continue;
    const replaceNull = value[key] === null && inner.nullable !== true;
    if (value[key] === undefined || replaceNull) value[key] = structuredClone(inner.default);
  }
  for (const [key, member] of Object.entries(value)) {
    const inner = memberSchema(known, key, resolve);
    if (member === null && inner?.nullable !== true && inner !== undefined && !isFree(inner)) delete value[key];
    else fillDefaults(member, inner, resolve);
  }
}

function isFree(schema: Schema): boolean {
  return schema['x-kubernetes-preserve-unknown-fields'] === true || schema.type === undefined;
}
