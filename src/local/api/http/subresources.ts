import type { ApiObject } from '../../api-client.ts';
import { badRequest, conflict, invalidObject, methodNotAllowed, notFound, required } from '../errors.ts';
import { type JsonObject, isObject, numberOf, objectOf, stringOf, stringsOf } from '../json.ts';
import { timestamp } from '../registry/deps.ts';
import { modify } from '../registry/modify.ts';
import { remove } from '../registry/remove.ts';
import { ISSUER, type ServiceAccountTokens } from '../auth/service-account-tokens.ts';
import { contextOf, objectBody } from './exchange.ts';
import type { Subresources } from './handler.ts';
import { type Call, type ResourceDeps, send } from './resources.ts';
import { sendJson } from './respond.ts';
import { serveScale } from './scale.ts';

export interface SubresourceDeps extends ResourceDeps {
  readonly tokens: ServiceAccountTokens;
  /** `log`, `exec`, `attach`, `portforward`. */
  readonly podStreams: Subresources;
}

/** Serves the subresources that change or read an object; false for names that are none of them. */
export function subresourceHandler(deps: SubresourceDeps): Subresources {
  return async (call) => {
    const { kind, path } = call;
    if (path.name === '') return false;
    const route = `${kind.group}/${kind.resource}/${path.subresource}`;
    if (path.subresource === 'scale' && kind.scale(path.version) !== undefined) await serveScale(deps, call);
    else if (route === '/namespaces/finalize') await update(deps, call);
    else if (route === '/pods/ephemeralcontainers') await update(deps, call);
    else if (route === '/pods/binding') await bind(deps, call);
    else if (route === '/pods/eviction') await evict(deps, call);
    else if (route === '/serviceaccounts/token') await token(deps, call);
    else if (kind.group === '' && kind.resource === 'pods') return deps.podStreams(call);
    else return false;
    return true;
  };
}

async function postBody(deps: SubresourceDeps, { exchange }: Call): Promise<JsonObject> {
  if (exchange.request.method !== 'POST') throw methodNotAllowed();
  const body = await objectBody(exchange, deps);
  if (!isObject(body)) throw badRequest('the body has to be an object');
  return body;
}

async function update(deps: SubresourceDeps, call: Call): Promise<void> {
  const { exchange, kind, path } = call;
  if (exchange.request.method !== 'PUT') throw methodNotAllowed();
  const body = await objectBody(exchange, deps);
  const { version, namespace, name, subresource } = path;
  const context = contextOf(exchange);
  const object = await modify(deps, { kind, version, namespace, name, subresource, context, change: () => body });
  send(deps, call, 200, object);
}

async function bind(deps: SubresourceDeps, call: Call): Promise<void> {
  const { exchange, kind, path } = call;
  const node = stringOf(objectOf((await postBody(deps, call))['target'])['name']);
  if (node === '') throw invalidObject('', 'Binding', path.name, [required('target.name')]);
  const context = { ...contextOf(exchange), internal: true };
  await modify(deps, {
    kind,
    version: path.version,
    namespace: path.namespace,
    name: path.name,
    subresource: '',
    context,
    change(current) {
      const bound = stringOf(objectOf(current['spec'])['nodeName']);
      if (bound !== '') throw conflict(kind, path.name, `pod ${path.name} is already assigned to node "${bound}"`);
      return { ...current, spec: { ...objectOf(current['spec']), nodeName: node } };
    },
  });
  sendJson(
    exchange.response,
    201,
    { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
    exchange.warnings,
  );
}

/** Nothing here keeps disruption budgets, so an eviction is a deletion. */
async function evict(deps: SubresourceDeps, call: Call): Promise<void> {
  const { exchange, kind, path } = call;
  const grace = objectOf((await postBody(deps, call))['deleteOptions'])['gracePeriodSeconds'];
  const options = typeof grace === 'number' ? { gracePeriodSeconds: grace } : {};
  const { version, namespace, name } = path;
  await remove(deps, { kind, version, namespace, name, options, context: contextOf(exchange) });
  sendJson(
    exchange.response,
    201,
    { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
    exchange.warnings,
  );
}

const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;

async function token(deps: SubresourceDeps, call: Call): Promise<void> {
  const { exchange, kind, path } = call;
  const body = await postBody(deps, call);
  const account = deps.store.resource('/serviceaccounts').get(path.namespace, path.name);
  if (account === undefined) throw notFound(kind, path.name);
  const spec = objectOf(body['spec']);
  const seconds = numberOf(spec['expirationSeconds'], 3600);
  if (seconds < MIN_TOKEN_SECONDS || seconds > MAX_TOKEN_SECONDS) {
    const detail =
      seconds < MIN_TOKEN_SECONDS
        ? 'may not specify a duration less than 10 minutes'
        : 'may not specify a duration larger than 2^32 seconds';
    const error = {
      reason: 'FieldValueInvalid' as const,
      field: 'spec.expirationSeconds',
      message: `Invalid value: ${seconds}: ${detail}`,
    };
    throw invalidObject('authentication.k8s.io', 'TokenRequest', path.name, [error]);
  }
  const boundTo = isObject(spec['boundObjectRef']) ? bound(deps, path.namespace, spec['boundObjectRef']) : undefined;
  const audiences = stringsOf(spec['audiences']);
  const { token, expires } = deps.tokens.issue({
    account,
    audiences,
    seconds,
    ...(boundTo === undefined ? {} : { boundTo }),
  });
  const { namespace, name } = path;
  sendJson(
    exchange.response,
    201,
    {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { name, namespace, creationTimestamp: timestamp(deps.clock.now()) },
      spec: { ...spec, audiences: audiences.length === 0 ? [ISSUER] : audiences, expirationSeconds: seconds },
      status: { token, expirationTimestamp: timestamp(expires) },
    },
    exchange.warnings,
  );
}

function bound(
  deps: SubresourceDeps,
  namespace: string,
  { kind, name, uid }: JsonObject,
): { kind: 'Pod' | 'Secret'; object: ApiObject } {
  if (kind !== 'Pod' && kind !== 'Secret')
    throw badRequest(`cannot bind token for serviceaccount to object of type ${JSON.stringify(kind)}`);
  const resource = { group: '', resource: kind === 'Pod' ? 'pods' : 'secrets' };
  const object = deps.store.resource(`/${resource.resource}`).get(namespace, stringOf(name));
  if (object === undefined) throw notFound(resource, stringOf(name));
  if (stringOf(uid) !== '' && uid !== object.metadata.uid) {
    throw conflict(
      resource,
      stringOf(name),
      `the UID in the bound object reference (${stringOf(uid)}) does not match the UID in record (${object.metadata.uid})`,
    );
  }
  return { kind, object };
}
