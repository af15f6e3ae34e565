/** A JSON object that somebody else wrote. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `object` without one field. */
export function without(object: JsonObject, field: string): JsonObject {
  const { [field]: _, ...rest } = object;
  return rest;
}

/** Own fields only: `__proto__` is a name like any other. */
export function has(object: JsonObject, field: string): boolean {
  return Object.hasOwn(object, field);
}
