import type { ApiClient, ApiObject, ResourceName } from '../api-client.ts';
import { ApiError } from '../api-error.ts';
import { noSuchPath, notFound } from './errors.ts';
import { apiVersionOf, type Kind, parseApiVersion, type RequestContext } from './kinds/kind.ts';
import { create } from './registry/create.ts';
import { type RegistryDeps, storeKey } from './registry/deps.ts';
import { modify } from './registry/modify.ts';
import { remove } from './registry/remove.ts';

/** The server's own view of itself: what local controllers and the pod runtime use instead of HTTP. */
export function inProcessClient(deps: RegistryDeps): ApiClient {
  const { store, kinds } = deps;
  const find = (resource: ResourceName): Kind => {
    const kind = kinds.get(resource);
    if (kind === undefined) throw noSuchPath();
    return kind;
  };
  const update = async (resource: ResourceName, object: ApiObject, subresource: string) => {
    const kind = find(resource);
    const { namespace = '', name } = object.metadata;
    if (store.staged(storeKey(kind), namespace, name) === undefined) throw notFound(kind, name);
    const version = versionOf(kind, object);
    const context = internalContext();
    return modify(deps, { kind, version, namespace, name, subresource, context, change: () => object });
  };
  return {
    resources: () =>
      kinds
        .all()
        .filter((k) => k.verbs.includes('list') && k.storedAs === undefined)
        .map(({ group, resource, kind, namespaced, storageVersion }) => ({
          group,
          resource,
          apiVersion: apiVersionOf(group, storageVersion),
          kind,
          namespaced,
        })),
    get: (resource, namespace, name) => store.resource(storeKey(find(resource))).get(namespace, name),
    list(resource, namespace) {
      const all = store.resource(storeKey(find(resource))).all();
      return namespace === undefined ? all : all.filter((o) => o.metadata.namespace === namespace);
    },
    watch: (resource, listener) =>
      store.resource(storeKey(find(resource))).subscribe(({ type, object }) => listener({ type, object })),
    async create(resource, object) {
      const kind = find(resource);
      const { namespace = '' } = object.metadata;
      return create(deps, {
        kind,
        version: versionOf(kind, object),
        namespace,
        body: object,
        context: internalContext(),
      });
    },
    update: (resource, object) => update(resource, object, ''),
    updateStatus: (resource, object) => update(resource, object, 'status'),
    async delete(resource, namespace, name, options = {}) {
      const kind = find(resource);
      const context = internalContext();
      await remove(deps, { kind, version: kind.storageVersion, namespace, name, options, context });
    },
  };
}

function versionOf(kind: Kind, object: ApiObject): string {
  const { group, version } = parseApiVersion(object.apiVersion);
  if (group === kind.group && kind.versions.includes(version)) return version;
  throw new ApiError(400, 'BadRequest', `${kind.kind} is not served as ${object.apiVersion}`);
}

/** Local mode's own writes: nobody has to allow them, and they may change what belongs to the system. */
function internalContext(): RequestContext {
  return {
    user: { username: 'system:apiserver', uid: '', groups: ['system:masters'], extra: {} },
    dryRun: false,
    fieldManager: 'weft-local',
    fieldValidation: 'Ignore',
    warnings: [],
    internal: true,
  };
}
