import type { ApiObject } from '../../api-client.ts';
import { methodNotAllowed, noSuchPath } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import { apiVersionOf, type Kind, type UserInfo } from '../kinds/kind.ts';
import { create } from '../registry/create.ts';
import type { RegistryDeps } from '../registry/deps.ts';
import { typed } from '../registry/names.ts';
import { modify } from '../registry/modify.ts';
import type { PageBook } from '../registry/pages.ts';
import { get, list } from '../registry/read.ts';
import { partialMetadata, tableOf } from '../table/table.ts';
import { removeCollection, removeOne } from './deletion.ts';
import { type BodyReaders, contextOf, type Exchange, objectBody } from './exchange.ts';
import { negotiate } from './negotiate.ts';
import { patch } from './patching.ts';
import { flag, numberParameter } from './query.ts';
import type { ResourcePath } from './request-info.ts';
import { sendJson } from './respond.ts';
import { serveWatch } from './watch.ts';

export interface ResourceDeps extends RegistryDeps, BodyReaders {
  readonly pages: PageBook;
  readonly bookmarkMs: number;
  /** Answers the kinds that are only ever posted. */
  readonly review: (kind: Kind, body: JsonObject, user: UserInfo) => JsonObject;
}

/** One request for objects of one kind. */
export interface Call {
  readonly exchange: Exchange;
  readonly kind: Kind;
  readonly path: ResourcePath;
}

/** Serves a collection, an object, or its status. */
export async function serveResource(deps: ResourceDeps, call: Call): Promise<void> {
  const { kind, path, exchange } = call;
  const verb = verbOf(exchange, path.name);
  if (verb === undefined || !kind.verbs.includes(verb)) throw methodNotAllowed();
  if (path.subresource === 'status') {
    if (!kind.status(path.version)) throw noSuchPath();
    if (verb !== 'get' && verb !== 'update' && verb !== 'patch') throw methodNotAllowed();
  }
  switch (verb) {
    case 'get':
      return send(deps, call, 200, await get(deps, kind, path.version, path.namespace, path.name));
    case 'list':
      return serveList(deps, call);
    case 'watch':
      return watch(deps, call);
    case 'create':
      return serveCreate(deps, call);
    case 'update':
      return serveUpdate(deps, call);
    case 'patch': {
      const { object, created } = await patch(deps, call);
      return send(deps, call, created ? 201 : 200, object);
    }
    case 'delete':
      return removeOne(deps, call);
    default:
      return removeCollection(deps, call);
  }
}

/** The verb of Kubernetes for a method, or undefined when there is none. */
export function verbOf({ request, query }: Exchange, name: string): string | undefined {
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return flag(query, 'watch') ? 'watch' : name === '' ? 'list' : 'get';
    case 'POST':
      return name === '' ? 'create' : undefined;
    case 'PUT':
      return name === '' ? undefined : 'update';
    case 'PATCH':
      return name === '' ? undefined : 'patch';
    case 'DELETE':
      return name === '' ? 'deletecollection' : 'delete';
    default:
      return undefined;
  }
}

async function serveList(deps: ResourceDeps, { exchange, kind, path }: Call): Promise<void> {
  const { query } = exchange;
  const shape = negotiate(exchange.request.headers.accept);
  const { items, meta } = await list(deps, deps.pages, {
    kind,
    version: path.version,
    ...selectionOf(exchange, path),
    limit: Math.max(0, numberParameter(query, 'limit', 0)),
    continue: query.get('continue') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
  });
  const body: JsonObject =
    shape === 'table'
      ? tableOf(kind, path.version, items, meta, includeObject(query), deps.clock.now())
      : shape === 'metadata'
        ? {
            kind: 'PartialObjectMetadataList',
            apiVersion: 'meta.k8s.io/v1',
            metadata: meta,
            items: items.map(partialMetadata),
          }
        : { kind: kind.listKind, apiVersion: apiVersionOf(kind.group, path.version), metadata: meta, items };
  warnDeprecated(kind, path.version, exchange.warnings);
  sendJson(exchange.response, 200, body, exchange.warnings);
}

async function watch(deps: ResourceDeps, { exchange, kind, path }: Call): Promise<void> {
  const { query, request, response, signal } = exchange;
  const shape = negotiate(request.headers.accept);
  const include = includeObject(query);
  const show = (object: ApiObject, first: boolean): unknown => {
    if (shape === 'object') return object;
    if (shape === 'metadata') return partialMetadata(object);
    const meta = { resourceVersion: object.metadata.resourceVersion };
    const table = tableOf(kind, path.version, [object], meta, include, deps.clock.now());
    return first ? table : { ...table, columnDefinitions: null };
  };
  const selected = selectionOf(exchange, path);
  await serveWatch(
    deps,
    {
      kind,
      version: path.version,
      ...selected,
      resourceVersion: query.get('resourceVersion') ?? '',
      // Kubernetes ends watches after half an hour to an hour, so that they spread over servers.
      timeoutSeconds: numberParameter(query, 'timeoutSeconds', 0) || 1800 + Math.floor(Math.random() * 1800),
      bookmarks: flag(query, 'allowWatchBookmarks'),
      sendInitialEvents: flag(query, 'sendInitialEvents'),
      show,
      bookmarkMs: deps.bookmarkMs,
    },
    request,
    response,
    signal,
  );
}

/** What a list or watch is about; a watch of one name is a field selector. */
function selectionOf({ query }: Exchange, path: ResourcePath) {
  const fields = query.get('fieldSelector') ?? '';
  const byName = path.name === '' ? '' : `metadata.name=${path.name}`;
  return {
    namespace: path.namespace,
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: [fields, byName].filter((s) => s !== '').join(','),
  };
}

function includeObject(query: URLSearchParams): 'None' | 'Metadata' | 'Object' {
  const value = query.get('includeObject');
  return value === 'None' || value === 'Object' ? value : 'Metadata';
}

async function serveCreate(deps: ResourceDeps, call: Call): Promise<void> {
  const { exchange, kind, path } = call;
  const body = await objectBody(exchange, deps);
  if (kind.verbs.length === 1) {
    const draft = typed(kind, path.version, body);
    return sendJson(exchange.response, 201, deps.review(kind, draft, exchange.user), exchange.warnings);
  }
  const context = contextOf(exchange);
  const object = await create(deps, { kind, version: path.version, namespace: path.namespace, body, context });
  send(deps, call, 201, object);
}

async function serveUpdate(deps: ResourceDeps, call: Call): Promise<void> {
  const { exchange, kind, path } = call;
  const body = await objectBody(exchange, deps);
  const { version, namespace, name, subresource } = path;
  const context = contextOf(exchange);
  const object = await modify(deps, { kind, version, namespace, name, subresource, context, change: () => body });
  send(deps, call, 200, object);
}

/** Sends one object in the shape the client asked for. */
export function send(deps: RegistryDeps, { exchange, kind, path }: Call, code: number, object: ApiObject): void {
  const shape = negotiate(exchange.request.headers.accept);
  warnDeprecated(kind, path.version, exchange.warnings);
  const meta = { resourceVersion: object.metadata.resourceVersion };
  const body =
    shape === 'table'
      ? tableOf(kind, path.version, [object], meta, includeObject(exchange.query), deps.clock.now())
      : shape === 'metadata'
        ? partialMetadata(object)
        : object;
  sendJson(exchange.response, code, body, exchange.warnings);
}

function warnDeprecated(kind: Kind, version: string, warnings: string[]): void {
  const warning = kind.custom?.deprecated(version);
  if (warning !== undefined) warnings.push(warning);
}
