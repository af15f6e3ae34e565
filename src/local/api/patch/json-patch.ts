import { ApiError } from '../../api-error.ts';
import { isObject, type JsonObject, sameJson } from '../json.ts';

/** RFC 6902. Returns the changed copy. @throws ApiError 400 for what is no patch, 422 for one that does not fit */
export function jsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch))
    throw new ApiError(
      400,
      'BadRequest',
      'error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch',
    );
  if (patch.length > 10_000) {
    throw new ApiError(
      413,
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is 10000, got ${patch.length}`,
    );
  }
  const root: JsonObject = { root: structuredClone(document) };
  for (const operation of patch as unknown[]) apply(root, operation);
  return root['root'];
}

function apply(root: JsonObject, operation: unknown): void {
  if (!isObject(operation)) throw unfit('an operation is no object');
  const path = pointer(operation['path']);
  switch (operation['op']) {
    case 'add':
      return add(root, path, structuredClone(operation['value']));
    case 'remove':
      take(root, path, 'remove');
      return;
    case 'replace':
      take(root, path, 'replace', true);
      return add(root, path, structuredClone(operation['value']), true);
    case 'move':
      return add(root, path, take(root, pointer(operation['from']), 'move'));
    case 'copy':
      return add(root, path, structuredClone(look(root, pointer(operation['from']), 'copy')));
    case 'test':
      if (!sameJson(look(root, path, 'test'), operation['value'])) {
        throw unfit(`testing value ${String(operation['path'])} failed: test failed`);
      }
      return;
    default:
      throw unfit(`Unexpected kind: ${String(operation['op'])}`);
  }
}

/** The path as keys, below the extra root. */
function pointer(path: unknown): string[] {
  if (typeof path !== 'string' || (path !== '' && !path.startsWith('/')))
    throw unfit(`invalid path: ${JSON.stringify(path)}`);
  const keys = path
    .split('/')
    .slice(1)
    .map((k) => k.replaceAll('~1', '/').replaceAll('~0', '~'));
  return ['root', ...keys];
}

function parentOf(root: JsonObject, path: readonly string[], what: string): JsonObject | unknown[] {
  let at: unknown = root;
  for (const key of path.slice(0, -1)) {
    if (Array.isArray(at)) at = (at as unknown[])[index(key, at.length - 1, what)];
    else if (isObject(at) && Object.hasOwn(at, key)) at = at[key];
    else throw missing(what, path);
  }
  if (Array.isArray(at)) return at as unknown[];
  if (isObject(at)) return at;
  throw missing(what, path);
}

function look(root: JsonObject, path: readonly string[], what: string): unknown {
  const parent = parentOf(root, path, what);
  const key = path.at(-1) ?? '';
  if (Array.isArray(parent)) return parent[index(key, parent.length - 1, what)];
  if (!Object.hasOwn(parent, key)) {
    if (what === 'test') return null; // evanphx/json-patch: a missing member equals null
    throw missing(what, path);
  }
  return parent[key];
}

function take(root: JsonObject, path: readonly string[], what: string, keep = false): unknown {
  const value = look(root, path, what);
  if (keep) return value;
  const parent = parentOf(root, path, what);
  const key = path.at(-1) ?? '';
  if (Array.isArray(parent)) parent.splice(index(key, parent.length - 1, what), 1);
  else delete parent[key];
  return value;
}

function add(root: JsonObject, path: readonly string[], value: unknown, replace = false): void {
  const parent = parentOf(root, path, 'add');
  const key = path.at(-1) ?? '';
  if (!Array.isArray(parent)) {
    Object.defineProperty(parent, key, { value, writable: true, enumerable: true, configurable: true });
    return;
  }
  if (replace) parent[index(key, parent.length - 1, 'replace')] = value;
  else if (key === '-') parent.push(value);
  else parent.splice(index(key, parent.length, 'add'), 0, value);
}

function index(key: string, max: number, what: string): number {
  const i = /^(0|[1-9]\d{0,9})$/.test(key) ? Number(key) : NaN;
  if (Number.isNaN(i) || i > max)
    throw unfit(`${what} operation does not apply: doc is missing key: ${key}: invalid index referenced`);
  return i;
}

function missing(what: string, path: readonly string[]): ApiError {
  return unfit(`${what} operation does not apply: doc is missing path: "/${path.slice(1).join('/')}": missing value`);
}

function unfit(message: string): ApiError {
  return new ApiError(422, 'Invalid', `the server rejected our request due to an error in our request: ${message}`, {
    causes: [{ reason: 'FieldValueInvalid', message }],
  });
}
