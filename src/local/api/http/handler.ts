import type { IncomingMessage, ServerResponse } from 'node:http';
import { noSuchPath } from '../errors.ts';
import type { UserInfo } from '../kinds/kind.ts';
import type { Exchange } from './exchange.ts';
import { parseResourcePath } from './request-info.ts';
import { type Call, type ResourceDeps, serveResource } from './resources.ts';
import { sendError } from './respond.ts';

/** Serves what lies at fixed paths (discovery, health, OpenAPI); false when the path is not its. */
export type FixedPaths = (exchange: Exchange) => Promise<boolean>;

/** Serves a subresource other than status; false when it is not its. */
export type Subresources = (call: Call) => Promise<boolean>;

export interface HandlerDeps extends ResourceDeps {
  readonly authenticate: (request: IncomingMessage) => UserInfo;
  readonly open: FixedPaths;
  readonly fixed: FixedPaths;
  readonly subresources: Subresources;
  /** Requests that an APIService sends elsewhere. */
  readonly aggregated: FixedPaths;
  readonly authorize: (exchange: Exchange) => void;
  readonly signal: AbortSignal;
}

/** Answers every request; never throws. */
export function requestHandler(deps: HandlerDeps): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const warnings: string[] = [];
    request.on('error', () => undefined); // the client went away: writing to it fails quietly as well
    response.on('error', () => undefined);
    route(deps, request, response, warnings).catch((error: unknown) => sendError(response, error, warnings));
  };
}

async function route(
  deps: HandlerDeps,
  request: IncomingMessage,
  response: ServerResponse,
  warnings: string[],
): Promise<void> {
  const exchange = exchangeOf(deps, request, response, warnings, NOBODY);
  if (await deps.open(exchange)) return;
  const user = deps.authenticate(request);
  const known = { ...exchange, user };
  deps.authorize(known);
  if (await deps.aggregated(known)) return;
  if (await deps.fixed(known)) return;
  const call = callOf(deps, known);
  if (call.path.subresource !== '' && call.path.subresource !== 'status' && (await deps.subresources(call))) return;
  if (call.path.subresource !== '' && call.path.subresource !== 'status') throw noSuchPath();
  await serveResource(deps, call);
}

/** Authenticates and takes apart a request that wants to leave HTTP (exec, attach, port-forward). @throws ApiError */
export function openUpgrade(deps: HandlerDeps, request: IncomingMessage): Call {
  const user = deps.authenticate(request);
  const exchange = exchangeOf(deps, request, undefined as never, [], user);
  deps.authorize(exchange);
  return callOf(deps, exchange);
}

const NOBODY: UserInfo = { username: 'system:anonymous', uid: '', groups: ['system:unauthenticated'], extra: {} };

/** The request with its path and query taken apart. */
export function exchangeOf(
  { signal }: Pick<HandlerDeps, 'signal'>,
  request: IncomingMessage,
  response: ServerResponse,
  warnings: string[],
  user: UserInfo,
): Exchange {
  const target = request.url ?? '/';
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
  return { request, response, path, query, user, warnings, signal };
}

/** Which kind a path is about. @throws ApiError 404 */
export function callOf({ kinds }: Pick<HandlerDeps, 'kinds'>, exchange: Exchange): Call {
  const path = parseResourcePath(exchange.path);
  const kind = path === undefined ? undefined : kinds.get(path);
  if (path === undefined || kind === undefined || !kind.versions.includes(path.version)) throw noSuchPath();
  if (kind.namespaced && path.name !== '' && path.namespace === '') throw noSuchPath();
  if (!kind.namespaced && path.namespace !== '') throw noSuchPath();
  if (path.rest !== '') throw noSuchPath();
  return { exchange, kind, path };
}
