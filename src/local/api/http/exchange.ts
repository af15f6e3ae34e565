import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from '../../api-error.ts';
import type { RequestContext, UserInfo } from '../kinds/kind.ts';
import { badRequest } from '../errors.ts';
import { readBody, parseBody } from './body.ts';
import { dryRun } from './query.ts';

/** One HTTP request with what the server already knows about it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly user: UserInfo;
  /** Collected for the Warning header. */
  readonly warnings: string[];
  /** Aborts when the server stops. */
  readonly signal: AbortSignal;
}

export type ParseYaml = (text: string) => unknown;

/** Reads and parses the body. Objects come as JSON, or as YAML where the server was given a parser. @throws ApiError */
export async function objectBody(
  { request }: Exchange,
  parseYaml: ParseYaml | undefined,
  accepted: (type: string) => boolean,
): Promise<unknown> {
  const type = (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? '';
  const text = await readBody(request);
  if (text !== '' && !accepted(type)) throw unsupported(type);
  return parseBody(text, type, parseYaml);
}

/** JSON and YAML; protobuf is refused with a hint. */
export function isObjectType(type: string): boolean {
  return (
    type === 'application/json' ||
    type === 'application/yaml' ||
    type === 'text/plain' ||
    type === '' ||
    type.endsWith('urlencoded')
  );
}

function unsupported(type: string) {
  return new ApiError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format (${type}) - accepted media types include: application/json, application/yaml`,
  );
}

/** How a write is to be done, from the query (and DeleteOptions, for deletions). @throws ApiError 400, 422 */
export function contextOf(
  { query, request, user, warnings }: Exchange,
  extraDryRun: readonly string[] = [],
): RequestContext {
  const fieldValidation = query.get('fieldValidation') ?? 'Warn';
  if (fieldValidation !== 'Ignore' && fieldValidation !== 'Warn' && fieldValidation !== 'Strict') {
    const message = `Unsupported value: ${JSON.stringify(fieldValidation)}: supported values: "Ignore", "Strict", "Warn"`;
    throw new ApiError(422, 'Invalid', `CreateOptions.meta.k8s.io "" is invalid: fieldValidation: ${message}`, {
      causes: [{ reason: 'FieldValueNotSupported', message, field: 'fieldValidation' }],
    });
  }
  const agent = (request.headers['user-agent'] ?? 'unknown').split('/')[0] ?? 'unknown';
  const fieldManager = query.get('fieldManager') ?? '';
  if (fieldManager.length > 128) throw badRequest('fieldManager: Invalid value: may not be more than 128 bytes');
  return {
    user,
    dryRun: dryRun([...query.getAll('dryRun'), ...extraDryRun]),
    fieldManager: fieldManager === '' ? agent.slice(0, 128) : fieldManager,
    fieldValidation,
    warnings,
    internal: false,
  };
}
