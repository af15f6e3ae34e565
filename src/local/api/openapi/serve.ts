import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from '../../api-error.ts';
import { noSuchPath } from '../errors.ts';
import type { FixedPaths } from '../http/handler.ts';
import { sendJson } from '../http/respond.ts';
import type { JsonObject } from '../json.ts';
import type { KindTable } from '../kinds/kind-table.ts';
import type { BuiltinSchemas } from '../schema/builtin-schemas.ts';
import { openApiV2, openApiV3 } from './document.ts';
import { acceptsGnostic, GNOSTIC_TYPE, gnosticDocument } from './gnostic.ts';

/** Serves /openapi/v2 and /openapi/v3; documents are made when first asked for and kept until a CRD changes. */
export function openApiPaths(kinds: KindTable, builtin: BuiltinSchemas): FixedPaths {
  let version = -1;
  const made = new Map<string, Encoded>();
  const encoded = (key: string, make: () => Buffer): Encoded => {
    if (version !== kinds.version) made.clear();
    version = kinds.version;
    let found = made.get(key);
    if (found === undefined) {
      const bytes = make();
      found = { bytes, hash: createHash('sha512').update(bytes).digest('hex').toUpperCase() };
      made.set(key, found);
    }
    return found;
  };
  const v2 = () => openApiV2(kinds, builtin);
  const v3 = (group: string, v: string) =>
    encoded(`${group}/${v}`, () => Buffer.from(JSON.stringify(openApiV3(kinds, builtin, group, v))));
  return ({ path, query, request, response }) => {
    if (path === '/openapi/v2') {
      const accept = request.headers.accept ?? '*/*';
      response.setHeader('vary', 'Accept');
      if (acceptsGnostic(accept)) {
        send(
          request,
          response,
          GNOSTIC_TYPE,
          encoded('v2 gnostic', () => gnosticDocument(v2())),
        );
        return Promise.resolve(true);
      }
      if (!/json|\*\/\*/.test(accept)) throw notAcceptable();
      send(
        request,
        response,
        'application/json',
        encoded('v2', () => Buffer.from(JSON.stringify(v2()))),
      );
      return Promise.resolve(true);
    }
    if (path === '/openapi/v3' || path === '/openapi/v3/') {
      const entries = groupVersions(kinds).map(({ group, version: v }) => {
        const at = group === '' ? `api/${v}` : `apis/${group}/${v}`;
        return [at, { serverRelativeURL: `/openapi/v3/${at}?hash=${v3(group, v).hash}` }];
      });
      sendJson(response, 200, { paths: Object.fromEntries(entries) as JsonObject });
      return Promise.resolve(true);
    }
    const parts = path.split('/').slice(3);
    const [group, v] = parts[0] === 'api' ? ['', parts[1]] : [parts[1], parts[2]];
    const known = groupVersions(kinds).some((g) => g.group === group && g.version === v);
    if (!known || group === undefined || v === undefined) throw noSuchPath();
    const found = v3(group, v);
    // A path with the right hash never means anything else: kubectl keeps what it got there
    if (query.get('hash') === found.hash) response.setHeader('cache-control', 'public, max-age=31536000, immutable');
    send(request, response, 'application/json', found);
    return Promise.resolve(true);
  };
}

/** A document as it is sent: to encode one takes longer than all the rest of a `kubectl apply`. */
interface Encoded {
  readonly bytes: Buffer;
  readonly hash: string;
}

function send(request: IncomingMessage, response: ServerResponse, type: string, { bytes, hash }: Encoded): void {
  const etag = `"${hash}"`;
  response.setHeader('etag', etag);
  if (!response.hasHeader('cache-control')) response.setHeader('cache-control', 'no-cache, private');
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(200, { 'content-type': type, 'content-length': bytes.length });
  response.end(bytes);
}

function groupVersions(kinds: KindTable): { group: string; version: string }[] {
  const seen = new Map<string, { group: string; version: string }>();
  for (const { group, versions } of kinds.all()) {
    for (const version of versions) seen.set(`${group}/${version}`, { group, version });
  }
  return [...seen.values()];
}

function notAcceptable(): ApiError {
  return new ApiError(406, 'NotAcceptable', `OpenAPI v2 is served as JSON and as ${GNOSTIC_TYPE}`);
}
