import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { contentHash } from '../base/content-hash.ts';
import type { ProxyConfig, Resource, WorkloadRef } from '../mesh/resources.ts';
import { readResource } from './read-resource.ts';

/** Where a proxy keeps its last good configuration. */
export interface StateStore {
  /** Undefined when nothing was kept. Throws when what is there cannot be trusted. */
  load(): Promise<ProxyConfig | undefined>;
  save(config: ProxyConfig): Promise<void>;
}

const FORMAT = 1;

/** In a file of one pod: written beside it and renamed, so that a crash leaves the old or the new one, never half. */
export function fileStateStore(path: string, workload: WorkloadRef): StateStore {
  const pod = `${workload.namespace}/${workload.pod}`;
  return {
    async load() {
      let text: string;
      try {
        text = await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
      return read(text, pod, path);
    },
    async save(config) {
      const resources = [...config.values()];
      const text = JSON.stringify({ format: FORMAT, pod, hash: contentHash(resources), resources });
      await replaceFile(path, text);
    },
  };
}

function read(text: string, pod: string, path: string): ProxyConfig {
  const refuse = (why: string) => new Error(`${path}: ${why}; it is not used and will be replaced`);
  let state: Record<string, unknown>;
  try {
    state = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw refuse('is cut off or no JSON');
  }
  if (state?.['format'] !== FORMAT) throw refuse(`has format ${String(state?.['format'])}, not ${FORMAT}`);
  if (state['pod'] !== pod) throw refuse(`is the state of pod ${String(state['pod'])}, not of ${pod}`);
  if (!Array.isArray(state['resources']) || state['hash'] !== contentHash(state['resources'])) {
    throw refuse('does not have the content that it was written with');
  }
  let resources: Resource[];
  try {
    resources = state['resources'].map(readResource);
  } catch (error) {
    throw refuse((error as Error).message);
  }
  return new Map(resources.map((r) => [r.key, r]));
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync(); // the rename itself must survive a power cut
  } finally {
    await folder.close();
  }
}
