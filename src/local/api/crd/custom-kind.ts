import type { ApiObject } from '../../api-client.ts';
import { compareVersions } from '../http/discovery.ts';
import { type JsonObject, isObject, objectOf, objectsOf, stringOf, stringsOf } from '../json.ts';
import { ALL_VERBS, type CustomKind, type Kind, type ScalePaths, type Strategy } from '../kinds/kind.ts';
import type { Resolve, Schema } from '../schema/schema.ts';
import { validateValue } from '../schema/validate.ts';
import { compileJsonPath } from '../table/jsonpath.ts';
import { customColumns } from './custom-columns.ts';

/** The kind that a CRD defines; undefined while none of its versions is served. */
export function customKind(crd: ApiObject, resolve: Resolve): Kind | undefined {
  const spec = objectOf(crd['spec']);
  const names = objectOf(objectOf(crd['status'])['acceptedNames']);
  const versions = objectsOf(spec['versions']);
  const served = versions.filter((v) => v['served'] === true).map((v) => stringOf(v['name']));
  if (served.length === 0) return undefined;
  const byName = new Map(versions.map((v) => [stringOf(v['name']), v]));
  const schemas = new Map(versions.map((v) => [stringOf(v['name']), schemaOf(v)]));
  const columns = new Map(versions.map((v) => [stringOf(v['name']), customColumns(v)]));
  const namespaced = spec['scope'] === 'Namespaced';
  const storage = versions.find((v) => v['storage'] === true);
  return {
    group: stringOf(spec['group']),
    resource: stringOf(names['plural']),
    kind: stringOf(names['kind']),
    listKind: stringOf(names['listKind']) || `${stringOf(names['kind'])}List`,
    singular: stringOf(names['singular']) || stringOf(names['kind']).toLowerCase(),
    shortNames: stringsOf(names['shortNames']),
    categories: stringsOf(names['categories']),
    namespaced,
    versions: [...served].sort(compareVersions),
    storageVersion: stringOf(storage?.['name']),
    verbs: ALL_VERBS,
    status: (version) => isObject(objectOf(byName.get(version)?.['subresources'])['status']),
    scale: (version) => scalePaths(byName.get(version)),
    strategy: customStrategy(byName, schemas, resolve),
    schema: (version) => schemas.get(version),
    resolve,
    columns: (version) => columns.get(version) ?? [],
    custom: customPart(crd, spec, byName),
  };
}

function customPart(crd: ApiObject, spec: JsonObject, byName: ReadonlyMap<string, JsonObject>): CustomKind {
  const conversion = objectOf(spec['conversion']);
  const { kind } = objectOf(spec['names']);
  return {
    crdName: crd.metadata.name,
    crdUid: crd.metadata.uid ?? '',
    conversion:
      conversion['strategy'] === 'Webhook'
        ? { strategy: 'Webhook', webhook: objectOf(conversion['webhook']) }
        : { strategy: 'None' },
    deprecated(version) {
      const found = byName.get(version);
      if (found?.['deprecated'] !== true) return undefined;
      return (
        stringOf(found['deprecationWarning']) || `${stringOf(spec['group'])}/${version} ${stringOf(kind)} is deprecated`
      );
    },
    preserveUnknownFields: spec['preserveUnknownFields'] === true,
  };
}

function schemaOf(version: JsonObject): Schema | undefined {
  const schema = objectOf(version['schema'])['openAPIV3Schema'];
  return isObject(schema) ? (schema as Schema) : undefined;
}

function scalePaths(version: JsonObject | undefined): ScalePaths | undefined {
  const scale = objectOf(version?.['subresources'])['scale'];
  if (!isObject(scale)) return undefined;
  const selector = stringOf(scale['labelSelectorPath']);
  return {
    spec: stringOf(scale['specReplicasPath']),
    status: stringOf(scale['statusReplicasPath']),
    ...(selector === '' ? {} : { selector }),
  };
}

/** Custom kinds are validated by their schema; selectable fields come from their version. */
function customStrategy(
  versions: ReadonlyMap<string, JsonObject>,
  schemas: ReadonlyMap<string, Schema | undefined>,
  resolve: Resolve,
): Strategy {
  const selectable = new Map(
    [...versions].map(([name, version]) => [
      name,
      objectsOf(version['selectableFields']).map(({ jsonPath }) => ({
        field: stringOf(jsonPath).replace(/^\./, ''),
        path: compileJsonPath(stringOf(jsonPath)),
      })),
    ]),
  );
  return {
    validate(object, _look, old) {
      const { metadata: _, ...rest } = object;
      return validateValue(rest, schemas.get(versionOf(object)), resolve, '', old);
    },
    fields(object) {
      const fields = selectable.get(versionOf(object)) ?? [...selectable.values()][0] ?? [];
      return Object.fromEntries(fields.map(({ field, path }) => [field, text(path?.(object)[0])]));
    },
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value);
}

function versionOf(object: ApiObject): string {
  return object.apiVersion.split('/').at(-1) ?? '';
}
