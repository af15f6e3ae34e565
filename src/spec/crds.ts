import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';

/** The part of a CustomResourceDefinition that Weft itself reads; the rest of the file is kept as it is. */
export interface Crd {
  readonly apiVersion: string;
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly group: string;
    readonly scope: 'Namespaced' | 'Cluster';
    readonly names: {
      readonly kind: string;
      readonly listKind: string;
      readonly plural: string;
      readonly singular: string;
      readonly shortNames?: readonly string[];
    };
    readonly versions: readonly CrdVersion[];
    readonly [field: string]: unknown;
  };
}

export interface CrdVersion {
  readonly name: string;
  readonly served: boolean;
  readonly storage: boolean;
  readonly schema: { readonly openAPIV3Schema: CrdSchema };
  readonly [field: string]: unknown;
}

/** A structural schema (apiextensions.k8s.io/v1 JSONSchemaProps), as far as Weft walks it. */
export interface CrdSchema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, CrdSchema>>;
  readonly items?: CrdSchema;
  readonly additionalProperties?: CrdSchema | boolean;
  readonly required?: readonly string[];
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly [keyword: string]: unknown;
}

/** One file of smi-crds/. */
export interface CrdFile {
  readonly path: string;
  readonly text: string;
  readonly crd: Crd;
}

/**
 * Every CRD that Weft brings, read from smi-crds/ and sorted by file name. Each call reads the files anew: the caller
 * owns what it gets and may freeze or change it.
 * @throws when the folder or a file is missing or is not YAML: the installation is broken
 */
export function crdFiles(directory = crdDirectory()): readonly CrdFile[] {
  const names = readdirSync(directory).filter((name) => name.endsWith('.yaml'));
  return names.sort().map((name) => {
    const path = join(directory, name);
    const text = readFileSync(path, 'utf8');
    return { path, text, crd: parse(text) as Crd };
  });
}

/** The parsed objects of `crdFiles`. */
export function loadCrds(directory = crdDirectory()): readonly Crd[] {
  return crdFiles(directory).map((file) => file.crd);
}

/** The folder smi-crds/ of this installation: beside src/ in a checkout, above dist/src/ in the image. */
export function crdDirectory(from = import.meta.dirname): string {
  const candidate = join(from, 'smi-crds');
  if (existsSync(candidate)) return candidate;
  const parent = dirname(from);
  if (parent === from) throw new Error('the folder smi-crds, which belongs to Weft, is missing from this installation');
  return crdDirectory(parent);
}
