import { type FieldError, forbidden, notSupported, required } from '../errors.ts';
import { isObject, type JsonObject, objectsOf } from '../json.ts';

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

/** Says where a schema is not structural: every value has a type, stated outside of anyOf, oneOf, allOf and not. */
export function structuralErrors(schema: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] =
    schema['type'] === 'object' ? [] : [required(`${path}.type`, 'must be object at the root')];
  return [...errors, ...valueErrors(schema, path, true)];
}

function valueErrors(schema: JsonObject, path: string, root: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const { type } = schema;
  const untyped =
    schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true;
  if (type === undefined || type === '') {
    if (!untyped && !root) errors.push(required(`${path}.type`, 'must not be empty for specified object fields'));
  } else if (!TYPES.includes(String(type))) errors.push(notSupported(`${path}.type`, type, TYPES));
  if (schema['$ref'] !== undefined) errors.push(forbidden(`${path}.$ref`, '$ref is not supported'));
  if (isObject(schema['properties']) && schema['additionalProperties'] !== undefined) {
    errors.push(forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'));
  }
  if (type === 'array' && !isObject(schema['items'])) errors.push(required(`${path}.items`, 'must be specified'));
  if (schema['x-kubernetes-list-type'] === 'map' && !Array.isArray(schema['x-kubernetes-list-map-keys'])) {
    errors.push(required(`${path}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map'));
  }
  if (isObject(schema['properties'])) {
    for (const [key, member] of Object.entries(schema['properties'])) {
      if (isObject(member)) errors.push(...valueErrors(member, `${path}.properties[${key}]`, false));
    }
  }
  if (isObject(schema['items'])) errors.push(...valueErrors(schema['items'], `${path}.items`, false));
  if (isObject(schema['additionalProperties'])) {
    errors.push(...valueErrors(schema['additionalProperties'], `${path}.additionalProperties`, false));
  }
  for (const junctor of ['allOf', 'anyOf', 'oneOf']) {
    for (const [i, member] of objectsOf(schema[junctor]).entries()) {
      errors.push(...junctorErrors(member, `${path}.${junctor}[${i}]`));
    }
  }
  return errors;
}

/** Inside a junctor only checks may stand, nothing that says what a value is. */
function junctorErrors(schema: JsonObject, path: string): FieldError[] {
  const stated = ['description', 'default', 'additionalProperties', 'nullable'].filter(
    (key) => schema[key] !== undefined,
  );
  return stated.map((key) => forbidden(`${path}.${key}`, 'must be undefined to be structural'));
}
