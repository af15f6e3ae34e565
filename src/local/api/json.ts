/** Any JSON object; what is inside is looked at through the narrowing functions below. */
export type JsonObject = Record<string, unknown>;

/** True for `{...}`, not for arrays and null. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object itself, or an empty one. For reading only: writes to the empty one are lost. */
export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** The array itself, or an empty one. */
export function arrayOf(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

/** The members of an array that are objects. */
export function objectsOf(value: unknown): JsonObject[] {
  return arrayOf(value).filter(isObject);
}

/** The string itself, or ''. */
export function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The number itself, or `fallback`. */
export function numberOf(value: unknown, fallback = 0): number {
  return typeof value === 'number' ? value : fallback;
}

/** The members of an array that are strings. */
export function stringsOf(value: unknown): string[] {
  return arrayOf(value).filter((v) => typeof v === 'string');
}

/** The string values of an object. */
export function stringMapOf(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(objectOf(value)).filter(([, v]) => typeof v === 'string')) as Record<
    string,
    string
  >;
}

/** `object[key]`, made an empty object there when it is none. For drafts that are being changed. */
export function ensureObject(object: JsonObject, key: string): JsonObject {
  const value = object[key];
  if (isObject(value)) return value;
  const made: JsonObject = {};
  object[key] = made;
  return made;
}

/** Sets `object[key]` unless it has a value. */
export function setDefault(object: JsonObject, key: string, value: unknown): void {
  if (object[key] === undefined || object[key] === null) object[key] = value;
}

/** Equality of JSON values; the order of keys does not matter, and `undefined` is the same as absent. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((v, i) => sameJson(v, b[i]));
  if (!isObject(a) || !isObject(b)) return false;
  for (const key of Object.keys(a)) if (!sameJson(a[key], b[key])) return false;
  for (const key of Object.keys(b)) if (b[key] !== undefined && a[key] === undefined) return false;
  return true;
}

/** Freezes a JSON value all the way down and returns it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const member of Object.values(value)) deepFreeze(member);
  return value;
}
