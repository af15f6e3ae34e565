import { readFileSync } from 'node:fs';
import type { Resolve, Schema } from './schema.ts';

/** The published schemas of the built-in kinds, by definition name (`io.k8s.api.core.v1.Pod`). */
export interface BuiltinSchemas {
  readonly definitions: Readonly<Record<string, Schema>>;
  readonly resolve: Resolve;
  /** Definition name and schema of a kind; undefined when it is not among them. */
  find(group: string, version: string, kind: string): { readonly name: string; readonly schema: Schema } | undefined;
}

/**
 * Reads the shape of the kinds served here as Kubernetes 1.35 publishes it (kubernetes-1.35.json: field names, types,
 * defaults, list types and merge keys only; the published descriptions are somebody else's text and are left out).
 */
export function loadBuiltinSchemas(): BuiltinSchemas {
  const text = readFileSync(new URL('./kubernetes-1.35.json', import.meta.url), 'utf8');
  const definitions = JSON.parse(text) as Record<string, Schema>;
  const byKind = new Map<string, string>();
  for (const [name, schema] of Object.entries(definitions)) {
    for (const gvk of schema['x-kubernetes-group-version-kind'] ?? []) {
      byKind.set(`${gvk.group}/${gvk.version}/${gvk.kind}`, name);
    }
  }
  const prefix = '#/components/schemas/';
  return {
    definitions,
    resolve: (ref) => (ref.startsWith(prefix) ? definitions[ref.slice(prefix.length)] : undefined),
    find(group, version, kind) {
      const name = byKind.get(`${group}/${version}/${kind}`);
      const schema = name === undefined ? undefined : definitions[name];
      return name === undefined || schema === undefined ? undefined : { name, schema };
    },
  };
}
