import { readFileSync } from 'node:fs';
import type { ApiClient, ApiObject } from '../../local/api-client.ts';
import { readYamlFile } from '../../spec/yaml-file.ts';

/** The files of the demo, in the order in which they are applied. */
const FILES = ['shop.yaml', 'policy.yaml'];

/** Creates the demo's objects; those that are there already (`--data-dir`) stay as they are. */
export async function applyDemo(client: ApiClient): Promise<void> {
  for (const file of FILES) {
    const text = readFileSync(new URL(file, import.meta.url), 'utf8');
    const { objects, diagnostics } = readYamlFile(file, text);
    if (diagnostics.length > 0) throw new Error(`the demo's ${file}: ${diagnostics[0]?.message}`);
    for (const { raw } of objects) await create(client, asApplied(raw as ApiObject));
  }
}

/** As `kubectl apply` would leave it, so that the first `kubectl apply` of a user finds nothing to warn of. */
function asApplied(object: ApiObject): ApiObject {
  const annotations = { ...object.metadata.annotations };
  const applied = JSON.stringify({ ...object, metadata: { ...object.metadata, annotations } });
  annotations['kubectl.kubernetes.io/last-applied-configuration'] = `${applied}\n`;
  return { ...object, metadata: { ...object.metadata, annotations } };
}

async function create(client: ApiClient, object: ApiObject): Promise<void> {
  const group = object.apiVersion.includes('/') ? (object.apiVersion.split('/')[0] ?? '') : '';
  const resource = client.resources().find((r) => r.group === group && r.kind === object.kind);
  if (resource === undefined) throw new Error(`the API server does not serve ${object.apiVersion} ${object.kind}`);
  const { namespace = '', name } = object.metadata;
  if (client.get(resource, namespace, name) === undefined) await client.create(resource, object);
}
