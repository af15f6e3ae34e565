import type { ApiClient, ApiResourceInfo, ResourceName } from '../api-client.ts';
import { CUSTOM_RESOURCE_DEFINITIONS } from './resources.ts';

/** Changes of any object of any kind, of kinds too that are defined later. */
export function watchEverything(client: ApiClient): { subscribe(listener: () => void): () => void } {
  return {
    subscribe(listener) {
      const stops = new Map<string, () => void>();
      const look = () => {
        const kinds = new Map(client.resources().map((r) => [resourceKey(r), r]));
        for (const [key, resource] of kinds) {
          if (!stops.has(key))
            stops.set(
              key,
              client.watch(resource, () => changed(resource)),
            );
        }
        for (const [key, stop] of stops) {
          if (kinds.has(key)) continue;
          stop();
          stops.delete(key);
        }
      };
      const changed = (resource: ApiResourceInfo) => {
        if (resourceKey(resource) === resourceKey(CUSTOM_RESOURCE_DEFINITIONS)) look();
        listener();
      };
      look();
      return () => {
        for (const stop of stops.values()) stop();
      };
    },
  };
}

export function resourceKey({ group, resource }: ResourceName): string {
  return `${group}/${resource}`;
}
