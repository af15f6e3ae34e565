import type { ApiObject } from '../../api-client.ts';
import { ApiError } from '../../api-error.ts';
import { apply } from '../apply/apply.ts';
import { badRequest, unsupportedMediaType } from '../errors.ts';
import { isObject } from '../json.ts';
import type { Kind } from '../kinds/kind.ts';
import { jsonPatch } from '../patch/json-patch.ts';
import { mergePatch } from '../patch/merge-patch.ts';
import { strategicMergePatch } from '../patch/strategic.ts';
import { flag } from './query.ts';
import { modify } from '../registry/modify.ts';
import { readBody, parseBody } from './body.ts';
import { contextOf } from './exchange.ts';
import type { Call, ResourceDeps } from './resources.ts';

const JSON_PATCH = 'application/json-patch+json';
const MERGE_PATCH = 'application/merge-patch+json';
const STRATEGIC = 'application/strategic-merge-patch+json';
const APPLY = 'application/apply-patch+yaml';

/** Applies a patch of any of the four kinds to an object. */
export async function patch(
  deps: ResourceDeps,
  { exchange, kind, path }: Call,
): Promise<{ object: ApiObject; created: boolean }> {
  const type = patchType(exchange.request.headers['content-type'], kind);
  const body = parseBody(await readBody(exchange.request), type, deps.parseYaml);
  const context = contextOf(exchange);
  const { version, namespace, name, subresource } = path;
  if (type === APPLY) {
    const manager = exchange.query.get('fieldManager') ?? '';
    const force = flag(exchange.query, 'force');
    return apply(deps, {
      kind,
      version,
      namespace,
      name,
      subresource,
      body,
      force,
      context: { ...context, fieldManager: manager },
    });
  }
  const change = patcher(type, body, kind, version);
  const undecodable = (why: string) => undecodablePatch(type === STRATEGIC ? goPrint(body) : JSON.stringify(body), why);
  const object = await modify(deps, { kind, version, namespace, name, subresource, context, change, undecodable });
  return { object, created: false };
}

/** What Kubernetes says when a patched object is none any more: it is the patch that is invalid. */
function undecodablePatch(shown: string, why: string): ApiError {
  const message = `Invalid value: ${JSON.stringify(shown)}: ${why}`;
  const causes = [{ reason: 'FieldValueInvalid', message, field: 'patch' }];
  return new ApiError(422, 'Invalid', ` "" is invalid: patch: ${message}`, { causes });
}

/** A JSON value as Go prints a map. */
function goPrint(value: unknown): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goPrint).join(' ')}]`;
  if (!isObject(value)) return String(value);
  const keys = Object.keys(value).sort();
  return `map[${keys.map((key) => `${key}:${goPrint(value[key])}`).join(' ')}]`;
}

/** @throws ApiError 415 */
export function patchType(header: string | undefined, kind: Kind): string {
  const type = (header ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const accepted = [JSON_PATCH, MERGE_PATCH, ...(kind.custom === undefined ? [STRATEGIC] : []), APPLY];
  if (accepted.includes(type)) return type;
  throw unsupportedMediaType(
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  );
}

/** The change that a patch makes. @throws ApiError, also when the change is worked out */
export function patcher(type: string, body: unknown, kind: Kind, version: string): (current: unknown) => unknown {
  if (type === JSON_PATCH) return (current) => jsonPatch(current, body);
  if (!isObject(body)) throw badRequest('the patch has to be an object');
  if (type === MERGE_PATCH) return (current) => mergePatch(current, body);
  return (current) => strategicMergePatch(current, body, kind.schema(version), kind.resolve);
}
