import type { Clock } from '../../../base/clock.ts';
import type { ApiObject, ResourceName } from '../../api-client.ts';
import type { AdmissionPlugin } from '../admission/admission.ts';
import { convertToVersion } from '../crd/conversion.ts';
import type { Kind, Look } from '../kinds/kind.ts';
import { type KindTable, keyOf } from '../kinds/kind-table.ts';
import type { Store } from '../store/store.ts';

/** Asks a conversion webhook; returns the converted objects in the same order. */
export type ConversionCaller = (kind: Kind, objects: readonly ApiObject[], apiVersion: string) => Promise<ApiObject[]>;

/** What reads and writes need. */
export interface RegistryDeps {
  readonly kinds: KindTable;
  readonly store: Store;
  readonly clock: Clock;
  readonly admission: readonly AdmissionPlugin[];
  readonly convertByWebhook: ConversionCaller;
}

/** The key under which a kind's objects are stored. */
export function storeKey(kind: Kind): string {
  return keyOf(kind.storedAs?.resource ?? kind);
}

/** The object in the version asked for. Synchronous work is done at once; only conversion webhooks are awaited. */
export function toVersion(deps: RegistryDeps, kind: Kind, object: ApiObject, version: string): Promise<ApiObject> {
  if (kind.storedAs !== undefined) return Promise.resolve(kind.storedAs.fromStored(object));
  return convertToVersion(kind, object, version, deps.convertByWebhook);
}

/** The object in the version that is stored. */
export function toStored(deps: RegistryDeps, kind: Kind, object: ApiObject): Promise<ApiObject> {
  if (kind.storedAs !== undefined) return Promise.resolve(kind.storedAs.toStored(object));
  return convertToVersion(kind, object, kind.storageVersion, deps.convertByWebhook);
}

/** A view for strategies of everything that is stored or about to be. */
export function lookAt({ store, clock }: RegistryDeps): Look {
  return {
    get: (resource, namespace, name) => store.staged(keyOf(resource), namespace, name),
    list(resource: ResourceName, namespace?: string) {
      const all = store.stagedList(keyOf(resource));
      return namespace === undefined ? all : all.filter((o) => o.metadata.namespace === namespace);
    },
    now: () => clock.now(),
  };
}

/** Times in Kubernetes objects have whole seconds. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
