import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { Diagnostic, ObjectRef } from '../base/diagnostic.ts';
import type { Crd, CrdSchema } from './crds.ts';
import { Json, type Problem } from './json.ts';
import { readObject } from './read.ts';

/** Judges raw objects by the CRDs, so that `weft check` and the webhook say what the API server says. */
export interface SmiValidator {
  /** Whether `raw` says that it is of a kind and version that the CRDs describe. */
  knows(raw: unknown): boolean;
  /** What the schema refuses; empty for objects of kinds that it does not know. */
  schemaErrors(raw: unknown): readonly Problem[];
  /** Paths of fields that the schema does not list: an API server drops them, or refuses them when it is strict. */
  unknownFields(raw: unknown): readonly string[];
  /** Everything there is to say about one object without looking at others: schema, unknown fields, and readability. */
  check(raw: unknown, source?: string): readonly Diagnostic[];
}

interface Entry {
  readonly schema: CrdSchema;
  readonly validate: ValidateFunction;
}

/** Compiles the schemas of `crds` once. One instance serves a whole process. */
export function smiValidator(crds: readonly Crd[]): SmiValidator {
  const entries = compileAll(crds);
  const find = (raw: unknown) => {
    const root = new Json(raw, '', []);
    return entries.get(`${root.at('apiVersion').optionalString() ?? ''}/${root.at('kind').optionalString() ?? ''}`);
  };
  const schemaErrors = (raw: unknown) => {
    const entry = find(raw);
    return entry === undefined || entry.validate(raw) ? [] : problems(entry.validate.errors ?? []);
  };
  const unknownFields = (raw: unknown) => {
    const entry = find(raw);
    return entry === undefined ? [] : unlisted(raw, entry.schema, '');
  };
  return {
    knows: (raw) => find(raw) !== undefined,
    schemaErrors,
    unknownFields,
    check(raw, source) {
      const read = readObject(raw, source === undefined ? {} : { source });
      const object = refOf(raw, source);
      const bySchema = schemaErrors(raw).map((problem) => refused(object, problem));
      const reported = new Set(bySchema.map((d) => d.path));
      return [
        ...bySchema,
        ...read.diagnostics.filter((d) => d.code !== 'SMI0001' || !reported.has(d.path)),
        ...unknownFields(raw).map((path) => unknown(object, path)),
      ];
    },
  };
}

function compileAll(crds: readonly Crd[]): ReadonlyMap<string, Entry> {
  const ajv = kubernetesAjv();
  const entries = new Map<string, Entry>();
  for (const { spec } of crds) {
    for (const version of spec.versions) {
      const schema = version.schema.openAPIV3Schema;
      entries.set(`${spec.group}/${version.name}/${spec.names.kind}`, { schema, validate: ajv.compile(schema) });
    }
  }
  return entries;
}

/** Ajv that reads structural schemas: OpenAPI's formats and the `x-kubernetes-*` keywords are known to it. */
function kubernetesAjv(): Ajv {
  const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false, strictRequired: false });
  ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i);
  ajv.addFormat('int64', { type: 'number', validate: (n: number) => n >= -(2 ** 63) && n < 2 ** 63 });
  ajv.addKeyword({ keyword: 'x-kubernetes-preserve-unknown-fields', schemaType: 'boolean' });
  ajv.addKeyword({ keyword: 'x-kubernetes-list-type', schemaType: 'string' });
  ajv.addKeyword({ keyword: 'x-kubernetes-list-map-keys', schemaType: 'array' });
  ajv.addKeyword({
    keyword: 'x-kubernetes-int-or-string',
    schemaType: 'boolean',
    validate: (_: boolean, value: unknown) => typeof value === 'string' || Number.isInteger(value),
    error: { message: 'must be a whole number or a text' },
  });
  return ajv;
}

function problems(errors: readonly ErrorObject[]): Problem[] {
  return errors.map((error) => {
    const params = error.params as { missingProperty?: string; allowedValues?: readonly unknown[] };
    const at = fieldPath(error.instancePath);
    if (error.keyword === 'required') {
      return {
        path: at === '' ? `${params.missingProperty}` : `${at}.${params.missingProperty}`,
        message: 'is required',
      };
    }
    if (error.keyword === 'enum')
      return { path: at, message: `must be one of ${(params.allowedValues ?? []).join(', ')}` };
    return { path: at, message: error.message ?? 'is not admitted' };
  });
}

/** `/spec/backends/1/weight` as `spec.backends[1].weight`. */
function fieldPath(pointer: string): string {
  const steps = pointer.split('/').slice(1);
  return steps
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, step) => (/^\d+$/.test(step) ? `${path}[${step}]` : path === '' ? step : `${path}.${step}`), '');
}

function unlisted(value: unknown, schema: CrdSchema, path: string): string[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? [] : value.flatMap((item, i) => unlisted(item, items, `${path}[${i}]`));
  }
  if (typeof value !== 'object' || value === null || path === 'metadata') return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const at = path === '' ? key : `${path}.${key}`;
    const known = Object.hasOwn(schema.properties ?? {}, key) ? schema.properties?.[key] : undefined;
    if (known !== undefined) return unlisted(child, known, at);
    return schema['x-kubernetes-preserve-unknown-fields'] === true || schema.additionalProperties !== undefined
      ? []
      : [at];
  });
}

function refOf(raw: unknown, source: string | undefined): ObjectRef {
  const root = new Json(raw, '', []);
  const meta = root.at('metadata');
  return {
    apiVersion: root.at('apiVersion').optionalString() ?? '',
    kind: root.at('kind').optionalString() ?? '',
    namespace: meta.at('namespace').optionalString() ?? '',
    name: meta.at('name').optionalString() ?? '',
    ...(source === undefined ? {} : { source }),
  };
}

function refused(object: ObjectRef, { path, message }: Problem): Diagnostic {
  const where = path === '' ? 'the object' : path;
  const text = `${where} ${message}; the API server refuses the object`;
  return {
    code: 'SMI0005',
    level: 'error',
    object,
    path,
    message: text,
    fix: `correct ${where} (kubectl explain shows what it takes)`,
  };
}

function unknown(object: ObjectRef, path: string): Diagnostic {
  const message = `${path} is no field of ${object.kind} in ${object.apiVersion}; it has no effect`;
  return { code: 'SMI0006', level: 'warning', object, path, message, fix: `remove ${path}, or correct its spelling` };
}
