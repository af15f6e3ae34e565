import type { Clock } from '../../base/clock.ts';
import { systemClock } from '../../base/clock.ts';
import type { ApiClient } from '../api-client.ts';
import type { AdmissionPlugin } from './admission/admission.ts';
import { inProcessClient } from './client.ts';
import { ApiError } from '../api-error.ts';
import { builtinKinds } from './kinds/builtin-kinds.ts';
import { KindTable } from './kinds/kind-table.ts';
import type { RegistryDeps } from './registry/deps.ts';
import { loadBuiltinSchemas } from './schema/builtin-schemas.ts';
import { Store } from './store/store.ts';

export interface ApiServerOptions {
  readonly clock?: Clock;
  /** In-process admission steps, run before any webhook. */
  readonly admission?: readonly AdmissionPlugin[];
}

export interface ApiServer {
  readonly client: ApiClient;
}

/** The embedded Kubernetes-style API server. For development, tests and CI; production is Kubernetes. */
export async function createApiServer({ clock = systemClock, admission = [] }: ApiServerOptions): Promise<ApiServer> {
  const deps: RegistryDeps = {
    kinds: new KindTable(builtinKinds(loadBuiltinSchemas())),
    store: new Store({}),
    clock,
    admission,
    convertByWebhook: () => Promise.reject(new ApiError(500, 'InternalError', 'no conversion webhook is configured')),
  };
  const client = inProcessClient(deps);
  await createNamespaces(deps);
  return { client };
}

async function createNamespaces(deps: RegistryDeps): Promise<void> {
  const client = inProcessClient(deps);
  const resource = { group: '', resource: 'namespaces' };
  for (const name of ['default', 'kube-node-lease', 'kube-public', 'kube-system']) {
    if (client.get(resource, '', name) !== undefined) continue;
    await client.create(resource, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
}
