import type { IncomingMessage, ServerResponse } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import type { ApiObject } from '../../api-client.ts';
import { ApiError } from '../../api-error.ts';
import type { ServiceAddress } from '../admission/outbound.ts';
import type { Exchange } from '../http/exchange.ts';
import type { FixedPaths } from '../http/handler.ts';
import { isObject, numberOf, objectOf, stringOf } from '../json.ts';
import type { UserInfo } from '../kinds/kind.ts';
import type { Store } from '../store/store.ts';

/** With which certificate the API server shows extension servers who it is. */
export interface FrontProxy {
  readonly certificate: string;
  readonly privateKey: string;
}

export interface AggregationDeps {
  readonly store: Store;
  readonly address: ServiceAddress;
  readonly frontProxy: FrontProxy | undefined;
}

export const API_SERVICES = 'apiregistration.k8s.io/apiservices';

/** The APIService that sends this group version elsewhere, if there is one. */
export function remoteService(store: Store, group: string, version: string): ApiObject | undefined {
  const found = store.resource(API_SERVICES).get('', `${version}.${group}`);
  return isObject(objectOf(found?.['spec'])['service']) ? found : undefined;
}

/** Hands requests for aggregated groups to the servers that their APIServices name. */
export function aggregatedPaths(deps: AggregationDeps): FixedPaths {
  return async (exchange) => {
    const parts = exchange.path.split('/').filter((p) => p !== '');
    if (parts[0] !== 'apis' || parts.length < 3) return false;
    const service = remoteService(deps.store, parts[1] ?? '', parts[2] ?? '');
    if (service === undefined) return false;
    await forward(exchange, targetOf(deps, service));
    return true;
  };
}

/** How an extension server is reached. @throws ApiError 503 */
export function targetOf({ address, frontProxy }: AggregationDeps, apiService: ApiObject): RequestOptions {
  const spec = objectOf(apiService['spec']);
  const service = objectOf(spec['service']);
  const [namespace, name] = [stringOf(service['namespace']), stringOf(service['name'])];
  const found = address(namespace, name, numberOf(service['port'], 443));
  if (found === undefined) throw unavailable(`no endpoints available for service "${namespace}/${name}"`);
  const bundle = stringOf(spec['caBundle']);
  return {
    ...found,
    servername: `${name}.${namespace}.svc`,
    agent: false,
    ...(bundle === '' ? {} : { ca: Buffer.from(bundle, 'base64').toString('utf8') }),
    ...(spec['insecureSkipTLSVerify'] === true ? { rejectUnauthorized: false } : {}),
    ...(frontProxy === undefined ? {} : { cert: frontProxy.certificate, key: frontProxy.privateKey }),
  };
}

/** Says who asks, as extension servers of Kubernetes read it. */
export function remoteUserHeaders({ username, uid, groups, extra }: UserInfo): Record<string, string | string[]> {
  const extras = Object.entries(extra).map(([key, values]) => [
    `x-remote-extra-${encodeURIComponent(key)}`,
    [...values],
  ]);
  return {
    'x-remote-user': username,
    ...(uid === '' ? {} : { 'x-remote-uid': uid }),
    'x-remote-group': [...groups],
    ...(Object.fromEntries(extras) as Record<string, string[]>),
  };
}

function forward({ request: incoming, response, user }: Exchange, target: RequestOptions): Promise<void> {
  const headers = { ...forwardedHeaders(incoming), ...remoteUserHeaders(user) };
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...target, method: incoming.method, path: incoming.url, headers }, (answer) => {
      copy(answer, response);
      answer.on('end', resolve);
      answer.on('error', () => response.destroy());
    });
    outgoing.on('error', (error) => reject(unavailable(error.message)));
    response.on('close', () => {
      outgoing.destroy();
      resolve();
    });
    incoming.pipe(outgoing);
  });
}

const HOP_HEADERS = new Set([
  'authorization',
  'connection',
  'host',
  'keep-alive',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Without what belongs to this hop, and without any claim about who asks. */
function forwardedHeaders({ headers }: IncomingMessage): Record<string, string | string[]> {
  const kept = Object.entries(headers).filter(
    ([name, value]) =>
      value !== undefined &&
      !HOP_HEADERS.has(name) &&
      !name.startsWith('x-remote-') &&
      !name.startsWith('impersonate-'),
  );
  return Object.fromEntries(kept) as Record<string, string | string[]>;
}

function copy(answer: IncomingMessage, response: ServerResponse): void {
  const { connection: _c, 'transfer-encoding': _t, 'keep-alive': _k, ...headers } = answer.headers;
  response.writeHead(answer.statusCode ?? 502, headers);
  answer.pipe(response);
}

function unavailable(why: string): ApiError {
  return new ApiError(503, 'ServiceUnavailable', `error trying to reach service: ${why}`);
}
