import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RequestContext, UserInfo } from '../kinds/kind.ts';
import { badRequest, unsupportedMediaType } from '../errors.ts';
import type { ProtobufDecoder } from '../protobuf/decode.ts';
import { parseBody, readBytes } from './body.ts';
import { dryRun, fieldValidation } from './query.ts';

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

/** How bodies are read, beside JSON. */
export interface BodyReaders {
  readonly parseYaml: ParseYaml | undefined;
  readonly decodeProtobuf: ProtobufDecoder;
}

const JSON_TYPES = new Set([
  'application/json',
  'application/yaml',
  'text/plain',
  '',
  'application/x-www-form-urlencoded',
]);

/** Reads and parses an object: JSON, Kubernetes protobuf, or YAML where the server was given a parser. @throws ApiError */
export async function objectBody({ request }: Exchange, { parseYaml, decodeProtobuf }: BodyReaders): Promise<unknown> {
  const type = (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? '';
  const bytes = await readBytes(request);
  if (bytes.length === 0) return undefined;
  if (type === 'application/vnd.kubernetes.protobuf') return decodeProtobuf(bytes);
  if (JSON_TYPES.has(type)) return parseBody(bytes.toString('utf8'), type, parseYaml);
  throw unsupportedMediaType(
    `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf`,
  );
}

/** How a write is to be done, from the query (and DeleteOptions, for deletions). @throws ApiError 400, 422 */
export function contextOf(
  { query, request, user, warnings }: Exchange,
  extraDryRun: readonly string[] = [],
): RequestContext {
  const agent = (request.headers['user-agent'] ?? 'unknown').split('/')[0] ?? 'unknown';
  const fieldManager = query.get('fieldManager') ?? '';
  if (fieldManager.length > 128) throw badRequest('fieldManager: Invalid value: may not be more than 128 bytes');
  return {
    user,
    dryRun: dryRun([...query.getAll('dryRun'), ...extraDryRun]),
    fieldManager: fieldManager === '' ? agent.slice(0, 128) : fieldManager,
    fieldValidation: fieldValidation(query),
    warnings,
    internal: false,
  };
}
