import { isObject, type JsonObject } from '../json.ts';
import { apiVersionOf, type Kind } from '../kinds/kind.ts';
import type { KindTable } from '../kinds/kind-table.ts';
import type { BuiltinSchemas } from '../schema/builtin-schemas.ts';
import type { Schema } from '../schema/schema.ts';

const PREFIX = '#/components/schemas/';
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** The OpenAPI v3 document of one group version: what `kubectl explain`, validation and apply read. */
export function openApiV3(kinds: KindTable, builtin: BuiltinSchemas, group: string, version: string): JsonObject {
  const served = kinds.all().filter((k) => k.group === group && k.versions.includes(version));
  const schemas: Record<string, Schema> = {};
  const paths: JsonObject = {};
  for (const kind of served) {
    const name = definition(schemas, builtin, kind, version);
    Object.assign(paths, pathsOf(kind, version, name));
  }
  for (const name of [`${META}.DeleteOptions`, `${META}.Status`, `${META}.Patch`, 'io.k8s.api.autoscaling.v1.Scale']) {
    collect(schemas, builtin, name);
  }
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.35.0' },
    paths,
    components: { schemas },
  };
}

/** Adds the kind's definition and all it refers to; returns its name. */
function definition(into: Record<string, Schema>, builtin: BuiltinSchemas, kind: Kind, version: string): string {
  if (kind.custom === undefined) {
    const found = builtin.find(kind.group, version, kind.kind);
    if (found === undefined) return '';
    collect(into, builtin, found.name);
    const list = builtin.find(kind.group, version, kind.listKind);
    if (list !== undefined) collect(into, builtin, list.name);
    return found.name;
  }
  const name = customName(kind.group, version, kind.kind);
  into[name] = customDefinition(kind, version);
  into[`${name}List`] = customListDefinition(kind, version, name);
  collect(into, builtin, `${META}.ObjectMeta`);
  collect(into, builtin, `${META}.ListMeta`);
  return name;
}

/** `split.smi-spec.io`, `v1alpha4`, `TrafficSplit` -> `io.smi-spec.split.v1alpha4.TrafficSplit`, as Kubernetes names them. */
function customName(group: string, version: string, kind: string): string {
  return [...group.split('.').reverse(), version, kind].join('.');
}

function customDefinition(kind: Kind, version: string): Schema {
  const own = kind.schema(version) ?? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return {
    ...own,
    type: 'object',
    properties: {
      ...own.properties,
      apiVersion: { type: 'string', description: VERSION_TEXT },
      kind: { type: 'string', description: KIND_TEXT },
      metadata: {
        description:
          "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
        allOf: [{ $ref: `${PREFIX}${META}.ObjectMeta` }],
      },
    },
    'x-kubernetes-group-version-kind': [{ group: kind.group, version, kind: kind.kind }],
  };
}

const VERSION_TEXT =
  'APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources';
const KIND_TEXT =
  'Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds';

function customListDefinition(kind: Kind, version: string, name: string): Schema {
  return {
    type: 'object',
    description: `${kind.listKind} is a list of ${kind.kind}`,
    required: ['items'],
    properties: {
      apiVersion: { type: 'string', description: VERSION_TEXT },
      kind: { type: 'string', description: KIND_TEXT },
      metadata: { allOf: [{ $ref: `${PREFIX}${META}.ListMeta` }] },
      items: { type: 'array', items: { allOf: [{ $ref: `${PREFIX}${name}` }] } },
    },
    'x-kubernetes-group-version-kind': [{ group: kind.group, version, kind: kind.listKind }],
  };
}

/** Copies a definition and everything it refers to. */
function collect(into: Record<string, Schema>, builtin: BuiltinSchemas, name: string): void {
  const schema = builtin.definitions[name];
  if (schema === undefined || into[name] !== undefined) return;
  into[name] = schema;
  for (const ref of refs(schema)) collect(into, builtin, ref.slice(PREFIX.length));
}

function* refs(value: unknown): Iterable<string> {
  if (Array.isArray(value)) for (const item of value as unknown[]) yield* refs(item);
  if (!isObject(value)) return;
  for (const [key, member] of Object.entries(value)) {
    if (key === '$ref' && typeof member === 'string') yield member;
    else yield* refs(member);
  }
}

/** The paths of one kind, with the parameters that clients look for (`fieldValidation`, `dryRun`). */
function pathsOf(kind: Kind, version: string, name: string): JsonObject {
  const root = kind.group === '' ? `/api/${version}` : `/apis/${kind.group}/${version}`;
  const base = kind.namespaced ? `${root}/namespaces/{namespace}/${kind.resource}` : `${root}/${kind.resource}`;
  const operation = operationOf(kind, version, name);
  const out: JsonObject = {
    [base]: kind.verbs.includes('list')
      ? { get: operation('list'), post: operation('post'), delete: operation('deletecollection') }
      : { post: operation('post') },
  };
  if (!kind.verbs.includes('get')) return out;
  const item = { get: operation('get'), put: operation('put'), patch: operation('patch'), delete: operation('delete') };
  out[`${base}/{name}`] = item;
  if (kind.namespaced) out[`${root}/${kind.resource}`] = { get: operation('list') };
  const change = { get: operation('get'), put: operation('put'), patch: operation('patch') };
  if (kind.status(version)) out[`${base}/{name}/status`] = change;
  if (kind.scale(version) !== undefined) out[`${base}/{name}/scale`] = change;
  return out;
}

function operationOf(kind: Kind, version: string, name: string) {
  const content = { 'application/json': { schema: { $ref: `${PREFIX}${name}` } } };
  const gvk = { group: kind.group, version, kind: kind.kind };
  const parameter = (parameterName: string) => ({
    name: parameterName,
    in: 'query',
    schema: { type: 'string', uniqueItems: true },
  });
  return (action: string): JsonObject => {
    const writes = ['post', 'put', 'patch'].includes(action);
    const parameters = writes
      ? ['dryRun', 'fieldManager', 'fieldValidation']
      : action.startsWith('delete')
        ? ['dryRun']
        : [];
    const types = [
      'application/json-patch+json',
      'application/merge-patch+json',
      ...(kind.custom === undefined ? ['application/strategic-merge-patch+json'] : []), // kubectl believes this list
      'application/apply-patch+yaml',
    ];
    const patchBody = Object.fromEntries(types.map((t) => [t, { schema: { $ref: `${PREFIX}${META}.Patch` } }]));
    return {
      tags: [apiVersionOf(kind.group, version).replaceAll(/[^A-Za-z0-9]/g, '_')],
      operationId: `${action}${kind.kind}`,
      parameters: [...parameters, ...(action === 'patch' ? ['force'] : [])].map(parameter),
      ...(writes ? { requestBody: { content: action === 'patch' ? patchBody : content } } : {}),
      responses: { '200': { description: 'OK', content } },
      'x-kubernetes-action': action,
      'x-kubernetes-group-version-kind': gvk,
    };
  };
}

/** The OpenAPI v2 document of everything, for clients that are older than v3. */
export function openApiV2(kinds: KindTable, builtin: BuiltinSchemas): JsonObject {
  const definitions: Record<string, Schema> = {};
  const paths: JsonObject = {};
  for (const kind of kinds.all()) {
    for (const version of kind.versions) {
      const name = definition(definitions, builtin, kind, version);
      Object.assign(paths, pathsOf(kind, version, name));
    }
  }
  const text = JSON.stringify({ definitions, paths }).replaceAll(PREFIX, '#/definitions/');
  return { swagger: '2.0', info: { title: 'Kubernetes', version: 'v1.35.0' }, ...(JSON.parse(text) as JsonObject) };
}
