import { createHash } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ProxyConfig, Resource, WorkloadRef } from '../mesh/resources.ts';
import { readResource } from './read-resource.ts';

/** Where a proxy keeps its last good configuration. */
export interface StateStore {
  /** Undefined when nothing was kept. Throws when what is there cannot be trusted. */
  load(): Promise<ProxyConfig | undefined>;
  save(config: ProxyConfig): Promise<void>;
}

const FORMAT = 2;

/**
 * In a file of one pod: written beside it and renamed, so that a crash leaves the old or the new one, never half. Its
 * first line says whose state it is and has the hash of the others, which are a resource each.
 */
export function fileStateStore(path: string, workload: WorkloadRef): StateStore {
  const pod = `${workload.namespace}/${workload.pod}`;
  /** Most resources outlive many configurations: each becomes text once. */
  const lines = new WeakMap<Resource, string>();
  const lineOf = (resource: Resource) => {
    const known = lines.get(resource);
    if (known !== undefined) return known;
    const line = `${JSON.stringify(resource)}\n`;
    lines.set(resource, line);
    return line;
  };
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
      const resources = Array.from(config.values(), lineOf).join('');
      await replaceFile(path, `${JSON.stringify({ format: FORMAT, pod, hash: hashOf(resources) })}\n${resources}`);
    },
  };
}

function read(text: string, pod: string, path: string): ProxyConfig {
  const refuse = (why: string) => new Error(`${path}: ${why}; it is not used and will be replaced`);
  const end = text.indexOf('\n');
  let state: Record<string, unknown>;
  try {
    state = JSON.parse(end === -1 ? text : text.slice(0, end)) as Record<string, unknown>;
  } catch {
    throw refuse('is cut off or no JSON');
  }
  if (state?.['format'] !== FORMAT) throw refuse(`has format ${String(state?.['format'])}, not ${FORMAT}`);
  if (state['pod'] !== pod) throw refuse(`is the state of pod ${String(state['pod'])}, not of ${pod}`);
  const lines = text.slice(end + 1);
  if (end === -1 || state['hash'] !== hashOf(lines)) throw refuse('does not have the content that it was written with');
  try {
    const resources = lines.split('\n').slice(0, -1);
    return new Map(resources.map((line) => readResource(JSON.parse(line))).map((resource) => [resource.key, resource]));
  } catch (error) {
    throw refuse((error as Error).message);
  }
}

function hashOf(lines: string): string {
  return createHash('sha256').update(lines).digest('base64url');
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
