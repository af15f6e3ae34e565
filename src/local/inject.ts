import { INJECT, INJECTED } from '../spec/names.ts';
import type { AdmissionPlugin } from './api/admission/admission.ts';
import type { ApiClient } from './api-client.ts';
import { NAMESPACES } from './controllers/resources.ts';

/**
 * Marks new pods that get a sidecar. In local mode every namespace is meshed unless its label says `disabled`; the pod's
 * annotation overrules its namespace. Whoever writes the mark by hand gains nothing: it is set or removed here.
 */
export function injector(client: () => Pick<ApiClient, 'get'>): AdmissionPlugin {
  return {
    name: 'weft-inject',
    mutate({ operation, kind, subresource, namespace, object }) {
      if (operation !== 'CREATE' || kind.kind !== 'Pod' || subresource !== '' || object === undefined) return undefined;
      const { [INJECTED]: _mark, ...annotations } = object.metadata.annotations ?? {};
      const ofNamespace = client().get(NAMESPACES, '', namespace)?.metadata.labels?.[INJECT];
      const meshed = (annotations[INJECT] ?? ofNamespace) !== 'disabled';
      const marked = meshed ? { ...annotations, [INJECTED]: 'true' } : annotations;
      return { ...object, metadata: { ...object.metadata, annotations: marked } };
    },
  };
}
