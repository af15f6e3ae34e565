import type { ApiObject } from '../../api-client.ts';
import type { JsonObject } from '../json.ts';
import type { Kind } from '../kinds/kind.ts';
import type { Column } from './column.ts';

/** Which part of each object goes with its row. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

const NAME: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description:
    'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names',
  priority: 0,
  cell: (object) => object.metadata.name,
};

/** Objects as rows, as kubectl shows them. `meta` is the list's metadata. */
export function tableOf(
  kind: Kind,
  version: string,
  objects: readonly ApiObject[],
  meta: JsonObject,
  include: IncludeObject,
  nowMs: number,
): JsonObject {
  const own = kind.columns(version);
  const columns = own.some((c) => c.format === 'name') ? own : [NAME, ...own]; // events show their name last
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: meta,
    columnDefinitions: columns.map(({ name, type, format = '', description, priority }) => ({
      name,
      type,
      format,
      description,
      priority,
    })),
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, nowMs)),
      ...(include === 'None' ? {} : { object: include === 'Object' ? object : partialMetadata(object) }),
    })),
  };
}

/** Only the metadata of an object. */
export function partialMetadata(object: ApiObject): JsonObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}
