import { type JsonObject, numberOf, objectsOf, stringOf } from '../json.ts';
import { printAge } from '../table/age.ts';
import type { Column } from '../table/column.ts';
import { compileJsonPath } from '../table/jsonpath.ts';

const AGE: Column = {
  name: 'Age',
  type: 'date',
  description:
    'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata',
  priority: 0,
  cell: (object, nowMs) => printAge(object.metadata.creationTimestamp, nowMs),
};

/** The columns of a version of a CRD; Age when it names none. */
export function customColumns(version: JsonObject): readonly Column[] {
  const columns = objectsOf(version['additionalPrinterColumns']);
  return columns.length === 0 ? [AGE] : columns.map(customColumn);
}

function customColumn(column: JsonObject): Column {
  const type = stringOf(column['type']);
  const path = compileJsonPath(stringOf(column['jsonPath']));
  return {
    name: stringOf(column['name']),
    type: isType(type) ? type : 'string',
    ...(column['format'] === undefined ? {} : { format: stringOf(column['format']) }),
    description:
      stringOf(column['description']) ||
      `Custom resource definition column (in JSONPath format): ${stringOf(column['jsonPath'])}`,
    priority: numberOf(column['priority']),
    cell: (object, nowMs) => printCell(path?.(object) ?? [], type, nowMs),
  };
}

function isType(type: string): type is Column['type'] {
  return ['string', 'integer', 'number', 'boolean', 'date'].includes(type);
}

function printCell(values: readonly unknown[], type: string, nowMs: number): string | number | boolean | null {
  const value = values[0];
  if (value === undefined || value === null) return null;
  if (type === 'date') return printAge(value, nowMs);
  if (type === 'integer' || type === 'number') return typeof value === 'number' ? value : Number(value);
  if (type === 'boolean') return typeof value === 'boolean' ? value : value === 'true';
  return values.map((v) => (typeof v === 'string' ? v : JSON.stringify(v))).join(',');
}
