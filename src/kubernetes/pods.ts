import type { Pod } from '../spec/kubernetes.ts';
import { readObject } from '../spec/read.ts';
import type { KubernetesApi } from './api.ts';
import { isNotFound } from './error.ts';
import { pathOf, watchedKind } from './kinds.ts';

/** Looks a pod up at the API server, for those who cannot wait for the watch; undefined when there is none. */
export type FindPod = (namespace: string, name: string, signal: AbortSignal) => Promise<Pod | undefined>;

export function podFinder(api: Pick<KubernetesApi, 'call'>): FindPod {
  return async (namespace, name, signal) => {
    try {
      const raw = await api.call({ method: 'GET', path: pathOf(watchedKind('Pod'), namespace, name) }, signal);
      const { object } = readObject(raw, { apiVersion: 'v1', kind: 'Pod' });
      return object?.kind === 'Pod' ? object : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };
}
