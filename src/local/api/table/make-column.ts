import type { ApiObject } from '../../api-client.ts';
import { type JsonObject, objectOf, objectsOf, stringMapOf, stringOf } from '../json.ts';
import { printAge } from './age.ts';
import type { Column } from './column.ts';

/** A column from its name (`wide:` before it: only with `-o wide`) and what it shows. */
export function column(name: string, cell: Column['cell'], type: Column['type'] = 'string', format = ''): Column {
  const wide = name.startsWith('wide:');
  const shown = wide ? name.slice(5) : name;
  return { name: shown, type, format, description: shown, priority: wide ? 1 : 0, cell };
}

export const AGE = column('Age', (object, nowMs) => printAge(object.metadata.creationTimestamp, nowMs));

/** Roles and CRDs show when, not for how long. */
export const CREATED_AT = column('Created At', (object) => object.metadata.creationTimestamp ?? '', 'date');

export function spec(object: ApiObject): JsonObject {
  return objectOf(object['spec']);
}

export function status(object: ApiObject): JsonObject {
  return objectOf(object['status']);
}

/** `a=b,c=d`, or `<none>`. */
export function printMap(value: unknown): string {
  const entries = Object.entries(stringMapOf(value)).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? '<none>' : entries.map(([k, v]) => `${k}=${v}`).join(',');
}

/** Names and images of the containers of a pod template. */
export const CONTAINERS = [
  column('wide:Containers', (o) =>
    containers(o)
      .map((c) => stringOf(c['name']))
      .join(','),
  ),
  column('wide:Images', (o) =>
    containers(o)
      .map((c) => stringOf(c['image']))
      .join(','),
  ),
];

function containers(object: ApiObject): JsonObject[] {
  const template = objectOf(spec(object)['jobTemplate'] ?? object);
  return objectsOf(objectOf(objectOf(spec(template as ApiObject)['template'])['spec'])['containers']);
}

export function orNone(text: string): string {
  return text === '' ? '<none>' : text;
}
