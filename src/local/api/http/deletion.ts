import type { ApiDeleteOptions } from '../../api-client.ts';
import { isApiError } from '../../api-error.ts';
import { badRequest } from '../errors.ts';
import { isObject, objectOf, stringsOf } from '../json.ts';
import { apiVersionOf, type Kind } from '../kinds/kind.ts';
import { list } from '../registry/read.ts';
import { type Removal, remove } from '../registry/remove.ts';
import { type BodyReaders, contextOf, type Exchange, objectBody } from './exchange.ts';
import { numberParameter } from './query.ts';
import { type Call, type ResourceDeps, send } from './resources.ts';
import { sendJson } from './respond.ts';

/** Kinds whose deletion answers with the object, as Kubernetes does (the others answer with a Status). */
const RETURNS_OBJECT = new Set([
  '/pods',
  '/services',
  '/serviceaccounts',
  '/persistentvolumeclaims',
  '/podtemplates',
  '/resourcequotas',
]);

/** DELETE of one object. */
export async function removeOne(deps: ResourceDeps, call: Call): Promise<void> {
  const { exchange, kind, path } = call;
  const { options, dryRun } = await deleteOptions(exchange, deps);
  const context = contextOf(exchange, dryRun);
  const { version, namespace, name } = path;
  const removal = await remove(deps, { kind, version, namespace, name, options, context });
  if (!removal.gone || RETURNS_OBJECT.has(`${kind.group}/${kind.resource}`))
    return send(deps, call, 200, removal.object);
  sendJson(exchange.response, 200, success(kind, removal), exchange.warnings);
}

/** DELETE of a collection: whatever matches now. */
export async function removeCollection(deps: ResourceDeps, { exchange, kind, path }: Call): Promise<void> {
  const { query } = exchange;
  const { options, dryRun } = await deleteOptions(exchange, deps);
  const context = contextOf(exchange, dryRun);
  const { items, meta } = await list(deps, deps.pages, {
    kind,
    version: path.version,
    namespace: path.namespace,
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
    limit: 0,
    continue: '',
    resourceVersion: '',
    resourceVersionMatch: '',
  });
  for (const { metadata } of items) {
    try {
      const { namespace = '', name } = metadata;
      await remove(deps, { kind, version: path.version, namespace, name, options, context });
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error; // somebody else was faster
    }
  }
  const body = { kind: kind.listKind, apiVersion: apiVersionOf(kind.group, path.version), metadata: meta, items };
  sendJson(exchange.response, 200, body, exchange.warnings);
}

function success(kind: Kind, { object }: Removal) {
  const { name, uid } = object.metadata;
  const group = kind.group === '' ? {} : { group: kind.group };
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, ...group, kind: kind.resource, uid },
  };
}

/** DeleteOptions from the body, else from the query. @throws ApiError 400 */
async function deleteOptions(
  exchange: Exchange,
  readers: BodyReaders,
): Promise<{ options: ApiDeleteOptions; dryRun: string[] }> {
  const body = await objectBody(exchange, readers);
  if (body !== undefined && !isObject(body)) throw badRequest('DeleteOptions have to be an object');
  const fields = objectOf(body);
  const { query } = exchange;
  const grace =
    typeof fields['gracePeriodSeconds'] === 'number'
      ? fields['gracePeriodSeconds']
      : numberParameter(query, 'gracePeriodSeconds', -1);
  const orphan = fields['orphanDependents'] ?? query.get('orphanDependents') ?? undefined;
  const asked = fields['propagationPolicy'] ?? query.get('propagationPolicy') ?? undefined;
  const policy = asked ?? (orphan === true || orphan === 'true' ? 'Orphan' : undefined);
  if (policy !== undefined && policy !== 'Background' && policy !== 'Foreground' && policy !== 'Orphan') {
    throw badRequest(
      `invalid propagationPolicy ${JSON.stringify(policy)}: it is one of "Background", "Foreground", "Orphan"`,
    );
  }
  const { uid, resourceVersion } = objectOf(fields['preconditions']);
  const options: ApiDeleteOptions = {
    ...(typeof uid === 'string' ? { uid } : {}),
    ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
    ...(grace < 0 ? {} : { gracePeriodSeconds: grace }),
    ...(policy === undefined ? {} : { propagationPolicy: policy }),
  };
  return { options, dryRun: stringsOf(fields['dryRun']) };
}
