import { ApiError } from '../../api-error.ts';
import { forbiddenRequest, notFound, qualified } from '../errors.ts';
import type { Store } from '../store/store.ts';
import type { AdmissionPlugin } from './admission.ts';

const NAMESPACES = { group: '', resource: 'namespaces' };
const FOREVER = new Set(['default', 'kube-public', 'kube-system']);

/** Nothing is made in a namespace that does not exist or is going; the system's own namespaces stay. */
export function namespaceLifecycle(store: Store): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    mutate({ operation, kind, namespace, name }) {
      if (operation !== 'CREATE' || !kind.namespaced) return undefined;
      const found = store.staged('/namespaces', '', namespace);
      if (found === undefined) throw notFound(NAMESPACES, namespace);
      if (found.metadata.deletionTimestamp === undefined) return undefined;
      const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
      const { message, details } = forbiddenRequest(kind, name, why);
      const causes = [
        {
          reason: 'NamespaceTerminating',
          message: `namespace ${namespace} is being terminated`,
          field: 'metadata.namespace',
        },
      ];
      throw new ApiError(403, 'Forbidden', message, { ...details, causes });
    },
    validate({ operation, kind, name }) {
      if (operation !== 'DELETE' || qualified(kind) !== 'namespaces' || !FOREVER.has(name)) return;
      throw forbiddenRequest(kind, name, 'this namespace may not be deleted');
    },
  };
}
