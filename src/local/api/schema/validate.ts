import {
  duplicate,
  type FieldError,
  invalid,
  notSupported,
  required,
  tooLong,
  tooMany,
  typeInvalid,
} from '../errors.ts';
import { isObject, type JsonObject, objectsOf, sameJson } from '../json.ts';
import { formatProblem } from './formats.ts';
import { memberSchema, type Resolve, resolved, type Schema } from './schema.ts';

/**
 * Checks a value against a structural schema; the messages are those of Kubernetes for custom resources.
 * @param old the value that stood there before, on an update: what is as it was is not at fault, so that an object that is
 *   older than its schema can be changed elsewhere (Kubernetes: CRD validation ratcheting)
 */
export function validateValue(
  value: unknown,
  schema: Schema | undefined,
  resolve: Resolve,
  path: string,
  old?: unknown,
): FieldError[] {
  const errors = errorsOf(value, schema, resolve, path, old);
  return errors.length > 0 && old !== undefined && sameJson(value, old) ? [] : errors;
}

function errorsOf(
  value: unknown,
  schema: Schema | undefined,
  resolve: Resolve,
  path: string,
  old: unknown,
): FieldError[] {
  const known = resolved(schema, resolve);
  if (known === undefined) return [];
  if (value === null && (known.nullable === true || known.type === undefined)) return [];
  const wrongType = typeError(value, known, path);
  if (wrongType !== undefined) return [wrongType];
  const errors: FieldError[] = [];
  if (known.enum !== undefined && !known.enum.some((v) => sameJson(v, value))) {
    errors.push(notSupported(path, value, known.enum.map(String)));
  }
  if (typeof value === 'string') errors.push(...stringErrors(value, known, path));
  if (typeof value === 'number') errors.push(...numberErrors(value, known, path));
  if (Array.isArray(value)) errors.push(...arrayErrors(value as unknown[], known, resolve, path, old));
  else if (isObject(value)) errors.push(...objectErrors(value, known, resolve, path, old));
  errors.push(...logicErrors(value, known, resolve, path));
  return errors;
}

function typeError(value: unknown, schema: Schema, path: string): FieldError | undefined {
  if (schema['x-kubernetes-int-or-string'] === true) {
    if (typeof value === 'string' || Number.isInteger(value)) return undefined;
    return typeInvalid(
      path,
      nameOfType(value),
      `${path} in body must be of type integer,string: "${nameOfType(value)}"`,
    );
  }
  const { type } = schema;
  if (type === undefined) return undefined;
  const actual = nameOfType(value);
  if (actual === type || (type === 'number' && actual === 'integer')) return undefined;
  return typeInvalid(path, actual, `${path} in body must be of type ${type}: "${actual}"`);
}

function nameOfType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function stringErrors(value: string, schema: Schema, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const length = [...value].length;
  if (schema.minLength !== undefined && length < schema.minLength) {
    errors.push(invalid(path, value, `${path} in body should be at least ${schema.minLength} chars long`));
  }
  if (schema.maxLength !== undefined && length > schema.maxLength) errors.push(tooLong(path, schema.maxLength));
  if (schema.pattern !== undefined && !matches(schema.pattern, value)) {
    errors.push(invalid(path, value, `${path} in body should match '${schema.pattern}'`));
  }
  const problem = schema.format === undefined ? undefined : formatProblem(schema.format, value);
  if (problem !== undefined)
    errors.push(invalid(path, value, `${path} in body must be of type ${schema.format}: ${JSON.stringify(value)}`));
  return errors;
}

/** Go's regular expressions and JavaScript's agree on what CRDs use; a pattern that does not parse here lets pass. */
function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(value);
  } catch {
    return true;
  }
}

function numberErrors(value: number, schema: Schema, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { minimum, maximum, multipleOf } = schema;
  if (minimum !== undefined && (schema.exclusiveMinimum === true ? value <= minimum : value < minimum)) {
    const relation = schema.exclusiveMinimum === true ? 'greater than' : 'greater than or equal to';
    errors.push(invalid(path, value, `${path} in body should be ${relation} ${minimum}`));
  }
  if (maximum !== undefined && (schema.exclusiveMaximum === true ? value >= maximum : value > maximum)) {
    const relation = schema.exclusiveMaximum === true ? 'less than' : 'less than or equal to';
    errors.push(invalid(path, value, `${path} in body should be ${relation} ${maximum}`));
  }
  if (multipleOf !== undefined && value % multipleOf !== 0) {
    errors.push(invalid(path, value, `${path} in body should be a multiple of ${multipleOf}`));
  }
  if (schema.format === 'int32' && (value > 2147483647 || value < -2147483648)) {
    errors.push(invalid(path, value, `Checked value must be of type integer with format int32 in ${path}`));
  }
  return errors;
}

function arrayErrors(value: unknown[], schema: Schema, resolve: Resolve, path: string, old: unknown): FieldError[] {
  const errors: FieldError[] = [];
  if (schema.minItems !== undefined && value.length < schema.minItems) {
    errors.push(invalid(path, value.length, `${path} in body should have at least ${schema.minItems} items`));
  }
  if (schema.maxItems !== undefined && value.length > schema.maxItems)
    errors.push(tooMany(path, value.length, schema.maxItems));
  const listType = schema['x-kubernetes-list-type'];
  if (schema.uniqueItems === true || listType === 'set') errors.push(...duplicates(value, (v) => v, path));
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (listType === 'map') {
    errors.push(...duplicates(objectsOf(value), (item) => Object.fromEntries(keys.map((k) => [k, item[k]])), path));
  }
  for (const [i, item] of value.entries()) {
    const before = listType === 'map' ? memberLike(item, old, keys) : undefined;
    errors.push(...validateValue(item, schema.items, resolve, `${path}[${i}]`, before));
  }
  return errors;
}

/** Only the members of a list with keys can be told apart. */
function memberLike(item: unknown, old: unknown, keys: readonly string[]): JsonObject | undefined {
  if (!isObject(item) || !Array.isArray(old)) return undefined;
  return objectsOf(old).find((member) => keys.every((key) => sameJson(member[key], item[key])));
}

function duplicates<T>(items: readonly T[], identity: (item: T) => unknown, path: string): FieldError[] {
  const seen = new Set<string>();
  return items.flatMap((item, i) => {
    const key = identity(item);
    const text = JSON.stringify(key);
    if (seen.has(text)) return [duplicate(`${path}[${i}]`, key)];
    seen.add(text);
    return [];
  });
}

function objectErrors(value: JsonObject, schema: Schema, resolve: Resolve, path: string, old: unknown): FieldError[] {
  const before = isObject(old) ? old : {};
  const errors: FieldError[] = [];
  const at = (key: string) => (path === '' ? key : `${path}.${key}`);
  for (const key of schema.required ?? []) if (value[key] === undefined) errors.push(required(at(key)));
  const count = Object.keys(value).length;
  if (schema.minProperties !== undefined && count < schema.minProperties) {
    errors.push(invalid(path, count, `${path} in body should have at least ${schema.minProperties} properties`));
  }
  if (schema.maxProperties !== undefined && count > schema.maxProperties)
    errors.push(tooMany(path, count, schema.maxProperties));
  for (const [key, member] of Object.entries(value)) {
    errors.push(...validateValue(member, memberSchema(schema, key, resolve), resolve, at(key), before[key]));
  }
  return errors;
}

function logicErrors(value: unknown, schema: Schema, resolve: Resolve, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const fits = (s: Schema) => validateValue(value, s, resolve, path).length === 0;
  for (const s of schema.allOf ?? []) errors.push(...validateValue(value, s, resolve, path));
  if (schema.anyOf !== undefined && !schema.anyOf.some(fits)) {
    errors.push(invalid(path, value, `${path} in body must validate at least one schema (anyOf)`));
    const first = schema.anyOf[0];
    if (first !== undefined) errors.push(...validateValue(value, first, resolve, path));
  }
  if (schema.oneOf !== undefined) {
    const count = schema.oneOf.filter(fits).length;
    if (count !== 1) {
      const found = count === 0 ? 'Found none valid' : `Found ${count} valid alternatives`;
      errors.push(invalid(path, value, `${path} in body must validate one and only one schema (oneOf). ${found}`));
    }
  }
  if (schema.not !== undefined && fits(schema.not)) {
    errors.push(invalid(path, value, `${path} in body must not validate the schema (not)`));
  }
  return errors;
}
