import { createHash } from 'node:crypto';
import { ISSUER } from '../auth/service-account-tokens.ts';
import { noSuchPath } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import type { KindTable } from '../kinds/kind-table.ts';
import { aggregated, compareVersions, groupEntry, type Group, groupsOf, resourceList } from './discovery.ts';
import type { Exchange } from './exchange.ts';
import type { FixedPaths } from './handler.ts';
import { sendJson, sendText } from './respond.ts';

/** What clients of this server may rely on is what Kubernetes 1.35 serves for the kinds that are here. */
export const VERSION = { major: '1', minor: '35', gitVersion: 'v1.35.0+weft.local' } as const;

/** Paths that need no credentials, as in Kubernetes: health and version. */
export function openPaths(ready: () => boolean): FixedPaths {
  return ({ path, response, request }) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return Promise.resolve(false);
    if (/^\/(healthz|livez)(\/|$)/.test(path)) sendText(response, 200, 'ok');
    else if (/^\/readyz(\/|$)/.test(path))
      sendText(
        response,
        ready() ? 200 : 500,
        ready() ? 'ok' : 'not ready: the server is stopping or its data folder failed',
      );
    else if (path === '/version' || path === '/version/') sendJson(response, 200, version());
    else return Promise.resolve(false);
    return Promise.resolve(true);
  };
}

function version() {
  return {
    ...VERSION,
    emulationMajor: '1',
    emulationMinor: '35',
    minCompatibilityMajor: '1',
    minCompatibilityMinor: '34',
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: 'none: the embedded API server of weft local',
    compiler: `node ${process.versions.node}`,
    platform: `${process.platform}/${process.arch}`,
  };
}

export interface FixedPathDeps {
  readonly kinds: KindTable;
  readonly address: () => string;
  readonly jwks: JsonObject;
  /** What extension servers serve: APIResourceLists by `group/version`. */
  readonly remote: () => ReadonlyMap<string, JsonObject>;
  readonly openapi: FixedPaths;
}

/** Discovery, OpenAPI and the token issuer's keys. */
export function fixedPaths(deps: FixedPathDeps): FixedPaths {
  return async (exchange) => {
    const { path, request } = exchange;
    if (request.method !== 'GET' && request.method !== 'HEAD') return false;
    if (path.startsWith('/openapi/')) return deps.openapi(exchange);
    const parts = path.split('/').filter((p) => p !== '');
    if (parts[0] === 'api' && parts.length <= 2) return serve(exchange, core(deps, exchange, parts[1]));
    if (parts[0] === 'apis' && parts.length <= 3) return serve(exchange, named(deps, exchange, parts[1], parts[2]));
    if (path === '/') return serve(exchange, { paths: rootPaths(deps) });
    if (path === '/openid/v1/jwks') return serve(exchange, deps.jwks);
    if (path === '/.well-known/openid-configuration') return serve(exchange, oidc(deps.address()));
    return false;
  };
}

function serve({ response, request }: Exchange, body: unknown): true {
  const aggregatedKind =
    typeof body === 'object' && body !== null && 'kind' in body && body.kind === 'APIGroupDiscoveryList';
  response.setHeader('vary', 'Accept');
  if (aggregatedKind) {
    const bytes = JSON.stringify(body);
    const etag = `"${createHash('sha256').update(bytes).digest('hex').toUpperCase()}"`;
    response.setHeader('etag', etag);
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304).end();
      return true;
    }
    const v = (body as unknown as { apiVersion: string }).apiVersion.split('/')[1];
    response.writeHead(200, {
      'content-type': `application/json;g=apidiscovery.k8s.io;v=${v};as=APIGroupDiscoveryList`,
    });
    response.end(bytes);
    return true;
  }
  sendJson(response, 200, body);
  return true;
}

/** Which version of aggregated discovery the client asks for first. */
function wantsAggregated({ request }: Exchange): 'v2' | 'v2beta1' | undefined {
  const entries = (request.headers.accept ?? '').split(',').map((e) => e.replaceAll(' ', ''));
  const found = entries.find((e) => e.startsWith('application/json') && e.includes('as=APIGroupDiscoveryList'));
  return found === undefined ? undefined : found.includes('v=v2beta1') ? 'v2beta1' : 'v2';
}

function core({ kinds, address }: FixedPathDeps, exchange: Exchange, version: string | undefined): unknown {
  if (version === 'v1') return resourceList(kinds, '', 'v1');
  if (version !== undefined) throw noSuchPath();
  const wanted = wantsAggregated(exchange);
  if (wanted !== undefined) return aggregated(kinds, [{ name: '', versions: ['v1'] }], wanted);
  const serverAddress = address();
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

function named(
  deps: FixedPathDeps,
  exchange: Exchange,
  name: string | undefined,
  version: string | undefined,
): unknown {
  const groups = allGroups(deps);
  if (name === undefined) {
    const wanted = wantsAggregated(exchange);
    if (wanted !== undefined) return aggregated(deps.kinds, groups, wanted, deps.remote());
    return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupEntry) };
  }
  const group = groups.find((g) => g.name === name);
  if (group === undefined) throw noSuchPath();
  if (version === undefined) return { kind: 'APIGroup', apiVersion: 'v1', ...groupEntry(group) };
  if (!group.versions.includes(version)) throw noSuchPath();
  return resourceList(deps.kinds, name, version);
}

function allGroups({ kinds, remote }: FixedPathDeps): Group[] {
  const groups = new Map(groupsOf(kinds).map((g) => [g.name, g.versions]));
  for (const key of remote().keys()) {
    const [name = '', version = ''] = key.split('/');
    groups.set(name, [...new Set([...(groups.get(name) ?? []), version])].sort(compareVersions));
  }
  return [...groups].map(([name, versions]) => ({ name, versions }));
}

function rootPaths(deps: FixedPathDeps): string[] {
  const groups = allGroups(deps).flatMap(({ name, versions }) => [
    `/apis/${name}`,
    ...versions.map((v) => `/apis/${name}/${v}`),
  ]);
  return [
    '/.well-known/openid-configuration',
    '/api',
    '/api/v1',
    '/apis',
    ...groups,
    '/healthz',
    '/livez',
    '/openapi/v2',
    '/openapi/v3',
    '/openid/v1/jwks',
    '/readyz',
    '/version',
  ];
}

function oidc(address: string) {
  return {
    issuer: ISSUER,
    jwks_uri: `https://${address}/openid/v1/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  };
}
