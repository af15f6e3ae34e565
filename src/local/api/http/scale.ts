import type { ApiObject } from '../../api-client.ts';
import { badRequest, invalid, invalidObject, methodNotAllowed } from '../errors.ts';
import { ensureObject, isObject, type JsonObject, numberOf, objectOf } from '../json.ts';
import type { Kind, ScalePaths } from '../kinds/kind.ts';
import { get } from '../registry/read.ts';
import { modify } from '../registry/modify.ts';
import { printLabelSelector } from '../selectors.ts';
import { contextOf, objectBody } from './exchange.ts';
import { patchType, patcher } from './patching.ts';
import { readBody, parseBody } from './body.ts';
import type { Call, ResourceDeps } from './resources.ts';
import { sendJson } from './respond.ts';
import { timestamp } from '../registry/deps.ts';

/** GET, PUT and PATCH of `/scale`: the replica count of an object as an object of its own. */
export async function serveScale(deps: ResourceDeps, { exchange, kind, path }: Call): Promise<void> {
  const { request, response, warnings } = exchange;
  const { version, namespace, name } = path;
  const paths = kind.scale(version);
  if (paths === undefined) throw methodNotAllowed();
  if (request.method === 'GET')
    return sendJson(response, 200, scaleOf(kind, paths, await get(deps, kind, version, namespace, name)));
  const change = await changeOf(deps, { exchange, kind, path });
  const context = contextOf(exchange);
  const object = await modify(deps, {
    kind,
    version,
    namespace,
    name,
    subresource: '', // what changes is the object's own spec, with a new generation
    trackedAs: 'scale',
    context,
    change(current) {
      const wanted = objectOf(change(scaleOf(kind, paths, current)));
      const replicas = objectOf(wanted['spec'])['replicas'] ?? 0;
      if (typeof replicas !== 'number' || !Number.isInteger(replicas) || replicas < 0) {
        const error = invalid('spec.replicas', replicas, 'must be greater than or equal to 0');
        throw invalidObject('autoscaling', 'Scale', name, [error]);
      }
      const { resourceVersion } = objectOf(wanted['metadata']);
      const draft = structuredClone(current);
      if (typeof resourceVersion === 'string') draft.metadata.resourceVersion = resourceVersion;
      else delete draft.metadata.resourceVersion;
      setPath(draft, paths.spec, replicas);
      return draft;
    },
  });
  sendJson(response, 200, scaleOf(kind, paths, object), warnings);
}

async function changeOf(deps: ResourceDeps, { exchange, kind }: Call): Promise<(scale: unknown) => unknown> {
  const { request } = exchange;
  if (request.method === 'PUT') {
    const body = await objectBody(exchange, deps);
    if (!isObject(body)) throw badRequest('the body has to be a Scale object');
    return () => body;
  }
  if (request.method !== 'PATCH') throw methodNotAllowed();
  const type = patchType(request.headers['content-type'], kind);
  const body = parseBody(await readBody(request), type, deps.parseYaml);
  return patcher(type.includes('apply') ? 'application/merge-patch+json' : type, body, kind, 'scale');
}

function scaleOf(kind: Kind, paths: ScalePaths, object: ApiObject): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = selectorText(kind, paths, object);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp: creationTimestamp ?? timestamp(0) },
    spec: { replicas: numberOf(getPath(object, paths.spec)) },
    status: { replicas: numberOf(getPath(object, paths.status)), ...(selector === '' ? {} : { selector }) },
  };
}

/** Custom kinds keep the selector as text, apps kinds as a LabelSelector. */
function selectorText(kind: Kind, paths: ScalePaths, object: ApiObject): string {
  if (kind.custom === undefined) return printLabelSelector(objectOf(object['spec'])['selector']);
  const text = paths.selector === undefined ? undefined : getPath(object, paths.selector);
  return typeof text === 'string' ? text : '';
}

function keys(path: string): string[] {
  return path.split('.').filter((k) => k !== '');
}

function getPath(object: JsonObject, path: string): unknown {
  let at: unknown = object;
  for (const key of keys(path)) at = objectOf(at)[key];
  return at;
}

function setPath(object: JsonObject, path: string, value: unknown): void {
  const all = keys(path);
  let at = object;
  for (const key of all.slice(0, -1)) at = ensureObject(at, key);
  at[all.at(-1) ?? ''] = value;
}
