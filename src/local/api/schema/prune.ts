import { isObject } from '../json.ts';
import { memberSchema, type Resolve, resolved, type Schema } from './schema.ts';

/**
 * Drops what the schema does not know from a draft, in place. Returns the paths that were dropped, as Kubernetes names
 * them (`spec.foo`, `spec.ports[0].prot`).
 */
export function prune(
  value: unknown,
  schema: Schema | undefined,
  resolve: Resolve,
  custom: boolean,
  path = '',
): string[] {
  const known = resolved(schema, resolve);
  if (known === undefined) return [];
  if (Array.isArray(value)) {
    return (value as unknown[]).flatMap((item, i) => prune(item, known.items, resolve, custom, `${path}[${i}]`));
  }
  if (!isObject(value)) return [];
  const open = acceptsAll(known, custom);
  const dropped: string[] = [];
  for (const [key, member] of Object.entries(value)) {
    const at = path === '' ? key : `${path}.${key}`;
    const inner = memberSchema(known, key, resolve);
    if (inner !== undefined) dropped.push(...prune(member, inner, resolve, custom, at));
    else if (open || (known['x-kubernetes-embedded-resource'] === true && EMBEDDED.has(key))) continue;
    else {
      delete value[key];
      dropped.push(at);
    }
  }
  return dropped;
}

const EMBEDDED = new Set(['apiVersion', 'kind', 'metadata']);

function acceptsAll(schema: Schema, custom: boolean): boolean {
  if (schema['x-kubernetes-preserve-unknown-fields'] === true || schema.additionalProperties === true) return true;
  if (custom) return false;
  // A built-in object without any property is free-form (FieldsV1, RawExtension).
  return schema.properties === undefined && schema.additionalProperties === undefined;
}
