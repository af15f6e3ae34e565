/** The part of OpenAPI v3 that Kubernetes schemas are made of, built-in ones and those of CRDs. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly nullable?: boolean;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly not?: Schema;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-embedded-resource'?: boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: string;
  readonly 'x-kubernetes-patch-strategy'?: string;
  readonly 'x-kubernetes-patch-merge-key'?: string;
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[];
}

/** Finds the schema that a `$ref` names. */
export type Resolve = (ref: string) => Schema | undefined;

/** The schema a reference stands for; Kubernetes writes `allOf: [{$ref}]` when it adds a default or a description. */
export function resolved(schema: Schema | undefined, resolve: Resolve): Schema | undefined {
  if (schema === undefined) return undefined;
  if (schema.$ref !== undefined) return resolved(resolve(schema.$ref), resolve);
  const only = schema.allOf?.length === 1 ? schema.allOf[0] : undefined;
  if (only?.$ref !== undefined) {
    const target = resolved(only, resolve);
    const { allOf: _, ...own } = schema;
    return target === undefined ? own : { ...target, ...own };
  }
  return schema;
}

/** The schema of one member of an object, or undefined when the schema does not say. */
export function memberSchema(schema: Schema | undefined, key: string, resolve: Resolve): Schema | undefined {
  if (schema === undefined) return undefined;
  const property = schema.properties?.[key];
  if (property !== undefined) return resolved(property, resolve);
  if (typeof schema.additionalProperties === 'object') return resolved(schema.additionalProperties, resolve);
  return undefined;
}
