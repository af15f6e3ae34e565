import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Crd } from '../spec/crds.ts';
import { Json } from '../spec/json.ts';
import type { KubernetesApi } from './api.ts';
import { covers } from './covers.ts';
import { isConflict, isNotFound } from './error.ts';
import { inParallel } from './in-parallel.ts';

export interface ApplyCrdsOptions {
  readonly api: Pick<KubernetesApi, 'call'>;
  readonly crds: readonly Crd[];
  readonly clock: Clock;
  readonly log: Logger;
  /** How long to wait until the API server serves them. */
  readonly timeoutMs?: number;
}

const PATH = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const PAUSE_MS = 100;

/**
 * Installs the CRDs, or brings those that are there up to date, and waits until the API server serves them. What others
 * put into their metadata stays, and so does a conversion where `crds` ask for none. A version that objects may still be stored in is
 * never taken away: it stays, not served.
 * @throws when the API server refuses one, or does not serve it in time
 */
export async function applyCrds(options: ApplyCrdsOptions, signal: AbortSignal): Promise<void> {
  await inParallel(options.crds, 8, async (crd) => {
    await apply(options, crd, signal);
    await established(options, crd.metadata.name, signal);
  });
}

async function apply({ api, log }: ApplyCrdsOptions, crd: Crd, signal: AbortSignal): Promise<void> {
  const name = crd.metadata.name;
  for (let tries = 0; ; tries += 1) {
    try {
      const present = await read(api, name, signal);
      if (present === undefined) {
        await api.call({ method: 'POST', path: PATH, body: crd }, signal);
        log.info('CRD installed', { name });
        return;
      }
      const body = merged(present, crd);
      if (body === undefined) return;
      await api.call({ method: 'PUT', path: `${PATH}/${name}`, body }, signal);
      log.info('CRD brought up to date', { name });
      return;
    } catch (error) {
      if (!isConflict(error) || tries >= 5) throw error; // another replica does the same: look again
    }
  }
}

/** `present` with what Weft asks for; undefined when it has that already. */
function merged(present: Json, crd: Crd): unknown {
  const raw = present.value as { metadata: object; spec: object; status?: unknown };
  const labels = { ...toObject(present.at('metadata').at('labels')), ...crd.metadata.labels };
  const ours = new Set(crd.spec.versions.map(({ name }) => name));
  const stored = new Set(present.at('status').at('storedVersions').strings() ?? []);
  const kept = (present.at('spec').at('versions').items() ?? [])
    .filter((version) => {
      const name = version.at('name').optionalString() ?? '';
      return !ours.has(name) && stored.has(name);
    })
    .map((version) => ({ ...toObject(version), served: false, storage: false }));
  const spec = { ...raw.spec, ...crd.spec, versions: [...crd.spec.versions, ...kept] };
  const next = { ...raw, metadata: { ...raw.metadata, labels }, spec };
  return covers(raw, { metadata: { labels }, spec }) ? undefined : next;
}

function toObject(json: Json): Record<string, unknown> {
  return Object.fromEntries(json.entries().map(([key, { value }]) => [key, value]));
}

async function read(api: Pick<KubernetesApi, 'call'>, name: string, signal: AbortSignal): Promise<Json | undefined> {
  try {
    return new Json(await api.call({ method: 'GET', path: `${PATH}/${name}` }, signal), '', []);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function established(options: ApplyCrdsOptions, name: string, signal: AbortSignal): Promise<void> {
  const { api, clock, timeoutMs = 30_000 } = options;
  const end = clock.now() + timeoutMs;
  for (;;) {
    const conditions = (await read(api, name, signal))?.at('status').at('conditions').items() ?? [];
    const find = (type: string) => conditions.find((condition) => condition.at('type').value === type);
    if (find('Established')?.at('status').value === 'True') return;
    const names = find('NamesAccepted');
    if (clock.now() >= end) {
      const why = names?.at('status').value === 'False' ? `: ${names.at('message').optionalString() ?? ''}` : '';
      throw new Error(`the API server does not serve the CRD ${name} after ${timeoutMs} ms${why}`);
    }
    await clock.sleep(PAUSE_MS, signal);
  }
}
