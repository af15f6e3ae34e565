import { ApiError, type StatusCause } from '../api-error.ts';
import type { ResourceName } from '../api-client.ts';

/** What is wrong with one field of an object, in the words of Kubernetes. */
export interface FieldError {
  readonly reason:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueNotSupported'
    | 'FieldValueDuplicate'
    | 'FieldValueForbidden'
    | 'FieldValueNotFound'
    | 'FieldValueTooLong'
    | 'FieldValueTooMany'
    | 'FieldValueTypeInvalid';
  readonly field: string;
  /** Without the field: `Required value`, `Invalid value: "x": must be ...`. */
  readonly message: string;
}

export function required(field: string, detail = ''): FieldError {
  return { reason: 'FieldValueRequired', field, message: `Required value${detail === '' ? '' : `: ${detail}`}` };
}

export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { reason: 'FieldValueInvalid', field, message: `Invalid value: ${printed(value)}: ${detail}` };
}

export function typeInvalid(field: string, value: unknown, detail: string): FieldError {
  return { reason: 'FieldValueTypeInvalid', field, message: `Invalid value: ${printed(value)}: ${detail}` };
}

export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const names = supported.map((s) => `"${s}"`).join(', ');
  return {
    reason: 'FieldValueNotSupported',
    field,
    message: `Unsupported value: ${printed(value)}${names === '' ? '' : `: supported values: ${names}`}`,
  };
}

export function duplicate(field: string, value: unknown): FieldError {
  return { reason: 'FieldValueDuplicate', field, message: `Duplicate value: ${printed(value)}` };
}

export function forbidden(field: string, detail: string): FieldError {
  return { reason: 'FieldValueForbidden', field, message: `Forbidden: ${detail}` };
}

export function tooLong(field: string, maxLength: number): FieldError {
  return {
    reason: 'FieldValueTooLong',
    field,
    message: `Too long: may not be more than ${maxLength} ${maxLength === 1 ? 'byte' : 'bytes'}`,
  };
}

export function tooMany(field: string, actual: number, max: number): FieldError {
  return { reason: 'FieldValueTooMany', field, message: `Too many: ${actual}: must have at most ${max} items` };
}

/** Go prints strings quoted, numbers bare, and objects as JSON. */
function printed(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  return JSON.stringify(value);
}

/** The options of a request that Kubernetes would not take: 422 with the parameter as its cause. */
export function invalidOptions(
  kind: 'CreateOptions' | 'ListOptions',
  { field, message, reason }: FieldError,
): ApiError {
  return new ApiError(422, 'Invalid', `${kind}.meta.k8s.io "" is invalid: ${field}: ${message}`, {
    group: 'meta.k8s.io',
    kind,
    causes: [{ reason, message, field }],
  });
}

/** `deployments.apps`, or `pods` for the core group. */
export function qualified({ group, resource }: ResourceName): string {
  return group === '' ? resource : `${resource}.${group}`;
}

/** `Deployment.apps`, as 422 messages name the kind. */
function qualifiedKind(group: string, kind: string): string {
  return group === '' ? kind : `${kind}.${group}`;
}

function details(resource: ResourceName, name: string, causes?: readonly StatusCause[]) {
  return {
    ...(name === '' ? {} : { name }),
    ...(resource.group === '' ? {} : { group: resource.group }),
    ...(resource.resource === '' ? {} : { kind: resource.resource }),
    ...(causes === undefined ? {} : { causes }),
  };
}

export function notFound(resource: ResourceName, name: string): ApiError {
  return new ApiError(404, 'NotFound', `${qualified(resource)} "${name}" not found`, details(resource, name));
}

export function alreadyExists(resource: ResourceName, name: string): ApiError {
  return new ApiError(409, 'AlreadyExists', `${qualified(resource)} "${name}" already exists`, details(resource, name));
}

export function conflict(resource: ResourceName, name: string, why: string): ApiError {
  const message = `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`;
  return new ApiError(409, 'Conflict', message, details(resource, name));
}

/** The conflict of a writer whose resourceVersion is old. */
export function modifiedMeanwhile(resource: ResourceName, name: string): ApiError {
  return conflict(
    resource,
    name,
    'the object has been modified; please apply your changes to the latest version and try again',
  );
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, 'BadRequest', message);
}

export function forbiddenRequest(resource: ResourceName, name: string, why: string): ApiError {
  const message = `${qualified(resource)}${name === '' ? '' : ` "${name}"`} is forbidden: ${why}`;
  return new ApiError(403, 'Forbidden', message, details(resource, name));
}

/** 422 with one cause per field error. */
export function invalidObject(group: string, kind: string, name: string, errors: readonly FieldError[]): ApiError {
  const causes = errors.map(({ reason, message, field }) => ({ reason, message, field }));
  const lines = errors.map((e) => `${e.field}: ${e.message}`);
  const shown = [...new Set(lines)]; // Go's Aggregate prints equal messages once
  const text = shown.length === 1 ? shown[0] : `[${shown.join(', ')}]`;
  const message = `${qualifiedKind(group, kind)} "${name}" is invalid: ${text}`;
  return new ApiError(422, 'Invalid', message, details({ group, resource: kind }, name, causes));
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

/** 404 for a path that names nothing. */
export function noSuchPath(): ApiError {
  return new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});
}

/** 410: the client must list again. */
export function expired(message: string): ApiError {
  return new ApiError(410, 'Expired', message);
}

export function unsupportedMediaType(message: string): ApiError {
  return new ApiError(415, 'UnsupportedMediaType', message);
}
