import { isObject } from '../json.ts';
import { memberSchema, type Resolve, resolved, type Schema } from './schema.ts';

/**
 * What Go's decoder says about the first value of a wrong type, or undefined when all fit. Built-in kinds are decoded
 * into Go structs by Kubernetes, so a wrong type is a malformed request (400), not an invalid object (422).
 */
export function goTypeProblem(
  value: unknown,
  schema: Schema | undefined,
  resolve: Resolve,
  kind: string,
  path = '',
): string | undefined {
  const known = resolved(schema, resolve);
  if (known === undefined || value === null) return undefined;
  const expected = goType(known);
  if (expected !== undefined && !fits(value, known)) {
    const actual = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
    const shown = actual === 'number' && known.type === 'integer' ? `number ${String(value)}` : actual;
    return `json: cannot unmarshal ${shown} into Go struct field ${kind}${path === '' ? '' : `.${path}`} of type ${expected}`;
  }
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) {
      const problem = goTypeProblem(item, known.items, resolve, kind, path);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  if (!isObject(value)) return undefined;
  for (const [key, member] of Object.entries(value)) {
    const inner = memberSchema(known, key, resolve);
    const problem =
      inner === undefined
        ? undefined
        : goTypeProblem(member, inner, resolve, kind, path === '' ? key : `${path}.${key}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function goType(schema: Schema): string | undefined {
  switch (schema.type) {
    case 'string':
      return 'string';
    case 'integer':
      return schema.format ?? 'int64';
    case 'number':
      return 'float64';
    case 'boolean':
      return 'bool';
    case 'array':
      return 'array';
    case 'object':
      return 'object';
    default:
      return undefined;
  }
}

function fits(value: unknown, schema: Schema): boolean {
  switch (schema.type) {
    case 'string':
      // Quantities and int-or-string values may be written as numbers.
      return typeof value === 'string' || (typeof value === 'number' && NUMERIC.has(schema.format ?? ''));
    case 'integer':
      return Number.isInteger(value);
    case 'number':
      return typeof value === 'number';
    case 'boolean':
      return typeof value === 'boolean';
    case 'array':
      return Array.isArray(value);
    default:
      return isObject(value);
  }
}

const NUMERIC = new Set(['int-or-string', 'quantity']);
