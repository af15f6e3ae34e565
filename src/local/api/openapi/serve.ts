import { createHash } from 'node:crypto';
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
  const made = new Map<string, { readonly document: JsonObject; readonly hash: string }>();
  const document = (key: string, make: () => JsonObject) => {
    if (version !== kinds.version) made.clear();
    version = kinds.version;
    let found = made.get(key);
    if (found === undefined) {
      const fresh = make();
      found = { document: fresh, hash: createHash('sha512').update(JSON.stringify(fresh)).digest('hex').toUpperCase() };
      made.set(key, found);
    }
    return found;
  };
  const v3 = (group: string, v: string) => document(`${group}/${v}`, () => openApiV3(kinds, builtin, group, v));
  return ({ path, request, response }) => {
    if (path === '/openapi/v2') {
      const accept = request.headers.accept ?? '*/*';
      const { document: found } = document('v2', () => openApiV2(kinds, builtin));
      if (acceptsGnostic(accept)) {
        response.setHeader('content-type', GNOSTIC_TYPE);
        response.end(gnosticDocument(found));
        return Promise.resolve(true);
      }
      if (!/json|\*\/\*/.test(accept)) throw notAcceptable();
      sendJson(response, 200, found);
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
    const { document: found, hash } = v3(group, v);
    response.setHeader('etag', `"${hash}"`);
    sendJson(response, 200, found);
    return Promise.resolve(true);
  };
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
